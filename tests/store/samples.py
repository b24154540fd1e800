"""Records to put into a store, made with as few words as the test needs."""

from dataclasses import replace
from typing import Any

from strowger.agent import AgentDefinition, AskNode, EndNode, Expectation, Flow, Phrases, SayNode
from strowger.lifecycle import CallStatus, EndReason
from strowger.model import (
    DEFAULT_WORKSPACE,
    Agent,
    AgentId,
    Call,
    CallId,
    CallResult,
    NumberId,
    PhoneNumber,
    Recording,
    Trunk,
    TrunkId,
    Turn,
    TurnLatency,
    Webhook,
    WebhookId,
    WorkspaceId,
)
from strowger.store.ids import new_id

OTHER_WORKSPACE = WorkspaceId("workspace_other")

DEFINITION = AgentDefinition(
    name="Reception",
    prompt="You take appointments.",
    flow=Flow(
        start="hello",
        nodes={
            "hello": SayNode(type="say", text="Hello {{name}}", next="day"),
            "day": AskNode(
                type="ask",
                text="Which day?",
                expect=Expectation(
                    type="keywords", keywords=(Phrases(value="monday", phrases=("monday",)),)
                ),
                branches={"monday": "bye"},
                otherwise="bye",
                save_as="day",
            ),
            "bye": EndNode(type="end", text="Goodbye", outcome="appointment: {{day}}"),
        },
    ),
    default_variables={"name": "Ana", "count": 3, "rate": 0.5, "vip": True, "note": None},
)

TURNS = (
    Turn(role="agent", text="Hello Ana", started_at=0.1, ended_at=1.2),
    Turn(
        role="callee",
        text="Monday",
        started_at=1.9,
        ended_at=2.4,
        confidence=0.93,
        latency=TurnLatency(endpointing=0.5, total=0.8),
    ),
)

RESULT = CallResult(
    status=CallStatus.COMPLETED,
    end_reason=EndReason.AGENT_HANGUP,
    ended_at=1060.5,
    sip_status=200,
    answered_by="human",
    transcript=TURNS,
    outcome="appointment: monday",
    extracted={"day": "monday"},
    recording=Recording(available=True, duration=20.5),
    journal=b'{"at":0}\n',
)


def an_agent(**changes: Any) -> Agent:
    agent = Agent(
        id=AgentId(new_id("agent")),
        workspace_id=DEFAULT_WORKSPACE,
        version=1,
        definition=DEFINITION,
        created_at=1000.25,
        updated_at=1000.25,
    )
    return replace(agent, **changes)


def a_trunk(**changes: Any) -> Trunk:
    trunk = Trunk(
        id=TrunkId(new_id("trunk")),
        workspace_id=DEFAULT_WORKSPACE,
        name="carrier",
        host="sip.example.net",
        username="user",
        password="secret",
        created_at=1000.0,
        updated_at=1000.0,
    )
    return replace(trunk, **changes)


def a_number(**changes: Any) -> PhoneNumber:
    number = PhoneNumber(
        id=NumberId(new_id("number")),
        workspace_id=DEFAULT_WORKSPACE,
        number="+14155550100",
        label="front desk",
    )
    return replace(number, **changes)


def a_webhook(**changes: Any) -> Webhook:
    webhook = Webhook(
        id=WebhookId(new_id("webhook")),
        workspace_id=DEFAULT_WORKSPACE,
        url="https://example.net/hook",
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    return replace(webhook, **changes)


def a_call(**changes: Any) -> Call:
    call = Call(
        id=CallId(new_id("call")),
        workspace_id=DEFAULT_WORKSPACE,
        agent_id=None,
        agent_version=None,
        agent=DEFINITION,
        to="+5215555550100",
        from_="+14155550100",
        trunk_id=TrunkId("trunk_any"),
        variables={"name": "Ana", "count": 3},
        metadata={"deal": "OPP-42", "nested": {"list": [1, 2.5, None]}},
        created_at=1000.0,
        queued_at=1000.0,
    )
    return replace(call, **changes)
