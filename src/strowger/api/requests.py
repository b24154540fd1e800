"""The shapes of request bodies: wire only, nothing here decides anything.

They are read strictly (see `body.py`); what is beyond a shape (ranges, references, policy) is
checked by the use cases.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, TypeAdapter

from strowger import agent
from strowger.agent import Scalar
from strowger.api.shapes import E164, Destination, Moment, Strict
from strowger.calls.service import NewCall
from strowger.model import NATIVE_FORMAT, AgentId


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow(agent.Flow):
    """A scripted conversation: a graph of nodes that needs no language model."""

    nodes: Mapping[str, Annotated[agent.Node, Field(discriminator="type")]]
    """The nodes by name. Each is told apart by its `type`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDefinition(agent.AgentDefinition):
    """How an agent behaves on a call: prompt or flow, voice, limits."""

    flow: Flow | None = None
    tools: tuple[Annotated[agent.Tool, Field(discriminator="type")], ...] = ()
    """What the language model may do besides talking. Each is told apart by its `type`."""

    def plain(self) -> agent.AgentDefinition:
        """The record that the application knows."""
        return agent.AgentDefinition(**plain_fields(self, {f.name for f in fields(self)}))


def plain_fields(definition: Any, names: set[str]) -> dict[str, Any]:
    """The named fields, with a flow as the application's own record."""
    given = {name: getattr(definition, name) for name in names}
    if isinstance(given.get("flow"), Flow):
        flow = given["flow"]
        given["flow"] = agent.Flow(start=flow.start, nodes=flow.nodes, anywhere=flow.anywhere)
    return given


class AgentChanges(Strict):
    """The fields to replace; each is replaced whole, the others stay as they are."""

    name: str = ""
    prompt: str = ""
    first_message: str = ""
    language: str = ""
    timezone: str = ""
    voice: agent.VoiceSettings = agent.VoiceSettings()
    model: agent.ModelSettings = agent.ModelSettings()
    transcriber: agent.TranscriberSettings = agent.TranscriberSettings()
    speech_to_speech: agent.SpeechToSpeechSettings | None = None
    flow: Flow | None = None
    tools: tuple[Annotated[agent.Tool, Field(discriminator="type")], ...] = ()
    turn_taking: agent.TurnTaking = agent.TurnTaking()
    limits: agent.Limits = agent.Limits()
    voicemail: agent.VoicemailPolicy = agent.VoicemailPolicy()
    analysis: agent.Analysis = agent.Analysis()
    end_call_phrases: tuple[str, ...] = ()
    recording: bool = True
    default_variables: Mapping[str, Scalar] = Field(default_factory=dict)
    webhook_url: str | None = None
    caller_id: str | None = None

    def changes(self) -> dict[str, Any]:
        return plain_fields(self, set(self.model_fields_set))


CALL_EXAMPLE: dict[str, JsonValue] = {
    "to": "+14155550100",
    "agent": {
        "name": "Reminder",
        "flow": {
            "start": "question",
            "nodes": {
                "question": {
                    "type": "ask",
                    "text": "Hello {{lead_name}}. Can you come tomorrow at ten?",
                    "expect": {"type": "yes_no"},
                    "branches": {"yes": "confirmed", "no": "declined"},
                },
                "confirmed": {
                    "type": "end",
                    "text": "See you then. Goodbye.",
                    "outcome": "appointment: confirmed",
                },
                "declined": {
                    "type": "end",
                    "text": "I will let them know. Goodbye.",
                    "outcome": "appointment: declined",
                },
            },
        },
    },
    "variables": {"lead_name": "Juan García"},
    "metadata": {"deal": "OPP-42"},
}


class NewCallBody(Strict):
    """A call to place."""

    model_config = ConfigDict(title="NewCall", json_schema_extra={"examples": [CALL_EXAMPLE]})

    to: Destination
    """E.164 number to dial, or a `sip:` URI where the server allows it."""
    agent_id: str | None = None
    """The agent that conducts the call; its present version is used."""
    agent: AgentDefinition | None = None
    """An agent for this call alone, in place of `agent_id`."""
    from_: E164 | None = Field(default=None, alias="from")
    """The number the callee sees: one of yours, or the agent's `caller_id`. Left out, it is the
    agent's `caller_id`, or your only number."""
    variables: Mapping[str, Scalar] = Field(default_factory=dict)
    """Values for `{{name}}` in prompts and messages; they go before the agent's own."""
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    """Yours: returned with the call and its events. At most 16 KB of JSON."""
    webhook_url: str | None = None
    """Where this call's events go, besides the workspace's webhooks."""
    record: bool | None = None
    """Whether to record; left out, the agent decides."""
    max_duration: float | None = None
    """Longest call in seconds from the answer, 1 to 14400; left out, the agent decides."""
    ring_timeout: float | None = None
    """Seconds to let it ring, 1 to 300; left out, the agent decides."""

    scheduled_at: Moment | None = None
    """When to call, RFC 3339 with its offset; left out, as soon as a line is free."""

    def plain(self) -> NewCall:
        return NewCall(
            scheduled_at=None if self.scheduled_at is None else self.scheduled_at.timestamp(),
            to=self.to,
            agent_id=None if self.agent_id is None else AgentId(self.agent_id),
            agent=None if self.agent is None else self.agent.plain(),
            from_=self.from_,
            variables=self.variables,
            metadata=self.metadata,
            webhook_url=self.webhook_url,
            record=self.record,
            max_duration=self.max_duration,
            ring_timeout=self.ring_timeout,
        )


class NewTrunk(Strict):
    """A way to the telephone network: one SIP peer and how to speak to it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Carrier",
                    "host": "sip.example.com",
                    "username": "strowger",
                    "password": "correct horse",
                }
            ]
        }
    )

    name: str
    """For people to read."""
    host: str
    """Host name or IP address."""
    port: int = 5060
    """SIP port."""
    transport: Literal["udp"] = "udp"
    """How SIP travels."""
    username: str | None = None
    """For digest authentication."""
    password: str | None = None
    """For digest authentication. Goes in and never comes out."""
    is_default: bool | None = None
    """Whether calls take it that no number sends elsewhere; the first trunk does by itself."""
    max_calls: int | None = None
    """Most calls at the same time, 1 to 100000; further ones wait in the queue. Null: no limit."""
    calls_per_second: float | None = None
    """Fastest pace of new calls, 0.01 to 1000. Null: no limit."""


class TrunkChanges(Strict):
    """The fields to replace; the others stay as they are."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"host": "sip2.example.com", "max_calls": 20}]}
    )

    name: str = ""
    """For people to read."""
    host: str = ""
    """Host name or IP address."""
    port: int = 5060
    """SIP port."""
    transport: Literal["udp"] = "udp"
    """How SIP travels."""
    username: str | None = None
    """For digest authentication; null for none."""
    password: str | None = None
    """For digest authentication; null for none."""
    is_default: bool = False
    """Whether calls take it that no number sends elsewhere."""
    max_calls: int | None = None
    """Most calls at the same time, 1 to 100000; further ones wait in the queue. Null: no limit."""
    calls_per_second: float | None = None
    """Fastest pace of new calls, 0.01 to 1000. Null: no limit."""


class NewPhoneNumber(Strict):
    """A number of yours."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"number": "+14155550100", "label": "Reception"}]}
    )

    number: E164
    """The number, E.164."""
    label: str = ""
    """For people to read."""
    trunk_id: str | None = None
    """The trunk that calls from this number take; null for the default trunk."""
    inbound_agent_id: str | None = None
    """The agent that answers calls to this number."""
    max_calls: int | None = None
    """Most calls from this number at the same time, 1 to 100000. Null: no limit."""


class PhoneNumberChanges(Strict):
    """The fields to replace; the others stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"label": "Front desk"}]})

    label: str = ""
    """For people to read."""
    trunk_id: str | None = None
    """The trunk that calls from this number take; null for the default trunk."""
    inbound_agent_id: str | None = None
    """The agent that answers calls to this number."""
    max_calls: int | None = None
    """Most calls from this number at the same time, 1 to 100000. Null: no limit."""


class NewWebhook(Strict):
    """An address of yours that wants to hear of events."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"url": "https://example.com/hook", "events": ["call.completed"]}]
        }
    )

    url: str
    """An http:// or https:// URL that takes POST requests."""
    events: tuple[str, ...] = ("*",)
    """Event types wanted; `*` for all."""
    format: str = NATIVE_FORMAT
    """How what is sent is written: `strowger`, or a dialect's way; docs/reference/dialects names
    them."""
    agent_id: str | None = None
    """Only of calls that this agent conducts; null for all."""


class WebhookChanges(Strict):
    """The fields to replace; the others stay as they are."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"events": ["call.completed", "call.failed"]}]}
    )

    url: str = ""
    """An http:// or https:// URL that takes POST requests."""
    events: tuple[str, ...] = ("*",)
    """Event types wanted; `*` for all."""
    enabled: bool = True
    """Whether events are sent."""


class Replay(Strict):
    """Events to deliver once more: what happened from `from` to before `to`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"from": "2026-01-31T09:00:00Z", "to": "2026-01-31T10:00:00Z"}]
        }
    )

    from_: Moment = Field(alias="from")
    """The first moment."""
    to: Moment
    """The moment that is no longer included."""


class NewSecret(Strict):
    """Something that tools of agents need and nobody may read."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "CRM_KEY", "value": "k-123"}]}
    )

    name: str
    """What tools call it: `{{secrets.NAME}}`. Letters, digits and `_`, at most 64."""
    value: str
    """One line of at most 8,192 characters. Goes in and never comes out."""


class SecretChanges(Strict):
    """Another value for a secret."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"value": "k-456"}]})

    value: str
    """One line of at most 8,192 characters. Goes in and never comes out."""


class NewApiKey(Strict):
    """A key for programs of yours."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "CRM", "scopes": ["calls:write", "calls:read"]}],
        }
    )

    name: str
    """What the key is for."""
    scopes: tuple[str, ...]
    """What it may do, such as `calls:write`; `*` for all. No more than the key that asks may."""
    expires_at: Moment | None = None
    """When it stops working; null for never."""
    test: bool = False
    """Calls placed with a test key never reach a carrier: a simulated callee answers them. Such a
    key can change no trunk, number or live key, and do nothing to a live call."""


class WordsToSay(Strict):
    """What the agent is to say now, or as soon as the callee lets it speak."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "I am putting you through to a colleague."}]}
    )

    text: str
    """At most 2,000 characters."""


class DigitsToSend(Strict):
    """Keys to press."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"digits": "42#"}]})

    digits: Annotated[str, Field(json_schema_extra={"pattern": "^[0-9*#A-D]{1,64}$"})]
    """1 to 64 of `0-9`, `*`, `#` and `A-D`."""


WORDS_TO_SAY = TypeAdapter(WordsToSay)
DIGITS_TO_SEND = TypeAdapter(DigitsToSend)
NEW_CALL = TypeAdapter(NewCallBody)
AGENT_DEFINITION = TypeAdapter(AgentDefinition)
AGENT_CHANGES = TypeAdapter(AgentChanges)
NEW_TRUNK = TypeAdapter(NewTrunk)
TRUNK_CHANGES = TypeAdapter(TrunkChanges)
NEW_PHONE_NUMBER = TypeAdapter(NewPhoneNumber)
PHONE_NUMBER_CHANGES = TypeAdapter(PhoneNumberChanges)
NEW_WEBHOOK = TypeAdapter(NewWebhook)
WEBHOOK_CHANGES = TypeAdapter(WebhookChanges)
NEW_SECRET = TypeAdapter(NewSecret)
SECRET_CHANGES = TypeAdapter(SecretChanges)
REPLAY = TypeAdapter(Replay)
NEW_API_KEY = TypeAdapter(NewApiKey)
