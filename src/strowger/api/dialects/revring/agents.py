"""`/v1/agents`: native agents, with what the vendor's have besides kept beside them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from starlette.responses import JSONResponse, Response

from strowger.agent import AgentDefinition, TurnTaking, VoicemailPolicy, VoiceSettings
from strowger.api.dialects.bodies import body_of, wire_names
from strowger.api.dialects.changing import changing, rewritten
from strowger.api.dialects.confidential import keep
from strowger.api.dialects.endpoints import Asked
from strowger.api.dialects.forms import flat, iso_time, uuid_of
from strowger.api.dialects.hooks import Wish, swap
from strowger.api.dialects.keeping import Shelf
from strowger.api.dialects.lists import everything
from strowger.api.dialects.revring.abilities import abilities, credentials
from strowger.api.dialects.revring.wire import NAME, Wire, agent_of, wrapped
from strowger.api.dialects.speech import voice_named
from strowger.errors import InvalidRequest
from strowger.model import Agent, AgentId, PhoneNumber, WebhookId

REST = Shelf(NAME, "agent")

MODES = (
    "agents of the mode conversation_flow cannot be run here: their graphs are the vendor's own;"
    " Strowger's flows are made with POST /v1/agents of its own API"
)
NEVER = 600.0
"""Seconds of silence for -1, which means never: the longest there is."""
WORDS = {
    "name": "name",
    "prompt": "promptTemplate",
    "first_message": "firstMessage",
    "default_variables": "defaultVariables",
    "tools": "transferRoutes",
    "turn_taking": "turnTimeoutSeconds",
    "limits": "maxConversationDurationSeconds",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRoute:
    to_number: str
    condition: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFields:
    """All that can be set, by the vendor's names; None where it is not given."""

    name: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    promptTemplate: str | None = None
    sipTrunkId: str | None = None
    status: Literal["active", "disabled"] | None = None
    defaultVariables: dict[str, Any] | None = None
    firstMessage: Annotated[str, Field(max_length=4000)] | None = None
    turnTimeoutSeconds: Annotated[float, Field(ge=-1)] | None = None
    silenceEndCallTimeoutSeconds: Annotated[float, Field(ge=-1)] | None = None
    maxConversationDurationSeconds: Annotated[float, Field(ge=1)] | None = None
    llmTemperature: Annotated[float, Field(ge=0, le=2)] | None = None
    llmReasoningEffort: Literal["low", "medium", "high"] | None = None
    timezone: str | None = None
    language: str | None = None
    preCallWebhookUrl: str | None = None
    postCallWebhookUrl: str | None = None
    endCallEnabled: bool | None = None
    endCallRulesOverride: str | None = None
    transferEnabled: bool | None = None
    transferRoutes: tuple[TransferRoute, ...] | None = None
    transferDescriptionOverride: str | None = None
    transferMode: Literal["cold", "warm"] | None = None
    warmTransferConfig: dict[str, Any] | None = None
    voicemailEnabled: bool | None = None
    voicemailAction: Literal["hangup", "leave_message"] | None = None
    voicemailMessage: Annotated[str, Field(min_length=1)] | None = None
    voiceId: str | None = None
    voiceTemperature: Annotated[float, Field(ge=0, le=2)] | None = None
    voiceSpeed: Annotated[float, Field(ge=0.5, le=1.5)] | None = None
    runtimeConfig: dict[str, Any] | None = None
    mode: Literal["single_prompt", "conversation_flow"] | None = None
    flowDefinition: dict[str, Any] | None = None
    testVariables: dict[str, Any] | None = None
    disableInterruptions: bool | None = None
    interruptionThresholdMs: Annotated[float, Field(ge=0, le=10_000)] | None = None
    playKeypadTouchToneEnabled: bool | None = None
    playKeypadTouchToneDescriptionOverride: Annotated[str, Field(max_length=2000)] | None = None
    knowledgeBaseRetrievalMode: str | None = None
    knowledgeBaseChunks: int | None = None
    knowledgeBaseSimilarityThreshold: float | None = None


FIELDS: TypeAdapter[AgentFields] = TypeAdapter(AgentFields)

NATIVE = frozenset(
    {
        "name",
        "promptTemplate",
        "firstMessage",
        "defaultVariables",
        "maxConversationDurationSeconds",
        "llmTemperature",
        "timezone",
        "language",
        "voiceSpeed",
        "disableInterruptions",
        "interruptionThresholdMs",
        "voicemailAction",
        "voicemailMessage",
    }
)
"""What is read from the native agent; all else is kept as it was given."""
DEFAULTS: Mapping[str, object] = {
    **{field.name: None for field in fields(AgentFields) if field.name not in NATIVE},
    "status": "active",
    "mode": "single_prompt",
    "endCallEnabled": False,
    "transferEnabled": False,
    "transferRoutes": [],
    "transferMode": "cold",
    "voicemailEnabled": False,
    "playKeypadTouchToneEnabled": False,
    "runtimeConfig": {},
    "testVariables": {},
    "customTools": [],
    "webhooks": [],
}
PRIVATE = ("webhooks",)
"""Kept, and not shown."""


async def create(asked: Asked) -> Response:
    given = await body_of(asked, FIELDS)
    _check_needed(given)
    assert given.name is not None
    rest = {**DEFAULTS, **_rest(given)}
    blank, voice = AgentDefinition(name=given.name), await _voice(asked, given)
    definition = _changed(blank, given, rest, voice)
    async with asked.services.records.together():
        with wire_names(WORDS):
            agent = await asked.services.agents.create(asked.workspace, definition)
        rest["webhooks"] = await _hooked(asked, agent.id, rest)
        await REST.put(asked, agent.id, rest)
    return wrapped(await _rendered(asked, agent, rest), 201)


async def list_agents(asked: Asked) -> Response:
    agents = await everything(asked.services.agents.list, asked.workspace)
    kept = await REST.find(asked, [agent.id for agent in agents])
    numbers = await everything(asked.services.numbers.list, asked.workspace)
    inbound: dict[AgentId | None, list[PhoneNumber]] = {}
    for number in numbers:
        inbound.setdefault(number.inbound_agent_id, []).append(number)
    things = [
        rendered(agent, {**DEFAULTS, **kept.get(agent.id, {})}, inbound.get(agent.id, []))
        for agent in agents
    ]
    return JSONResponse({"data": things})


async def get(asked: Asked) -> Response:
    agent = await agent_of(asked)
    return wrapped(await _rendered(asked, agent, await rest_of(asked, agent.id)))


async def update(asked: Asked) -> Response:
    given = await body_of(asked, FIELDS)
    voice = await _voice(asked, given)
    async with changing(asked, NAME):
        agent = await agent_of(asked)
        rest = await rest_of(asked, agent.id)
        if given.mode is not None and given.mode != rest["mode"]:
            raise InvalidRequest("mode: it cannot be changed")
        changed, rest = await _write(asked, agent, given, {**rest, **_rest(given)}, voice)
    return wrapped(await _rendered(asked, changed, rest))


async def delete(asked: Asked) -> Response:
    async with changing(asked, NAME):
        agent = await agent_of(asked)
        for tool in (await rest_of(asked, agent.id))["customTools"]:
            await keep(asked, NAME, tool["id"], {})
        await asked.services.agents.delete(asked.workspace, agent.id)
    return wrapped({"id": uuid_of(agent.id), "deleted": True})


async def duplicate(asked: Asked) -> Response:
    async with changing(asked, NAME):
        agent = await agent_of(asked)
        rest = {**await rest_of(asked, agent.id), "webhooks": []}
        rest["customTools"] = [
            {**tool, "id": uuid_of(asked.services.ids("tool"))} for tool in rest["customTools"]
        ]
        for tool in rest["customTools"]:
            await keep(asked, NAME, tool["id"], credentials(tool))
        copy = replace(
            agent.definition, name=f"Copy of {agent.definition.name}"[:128], tools=abilities(rest)
        )
        made = await asked.services.agents.create(asked.workspace, copy)
        rest["webhooks"] = await _hooked(asked, made.id, rest)
        await REST.put(asked, made.id, rest)
    return wrapped(await _rendered(asked, made, rest), 201)


async def with_tools(asked: Asked, agent: Agent, tools: list[Wire]) -> None:
    """Give the agent these custom tools in place of those it has; within `changing`."""
    rest = await rest_of(asked, agent.id)
    await _write(asked, agent, AgentFields(), {**rest, "customTools": tools})


async def check_enabled(asked: Asked, agent: AgentId) -> None:
    """Raise InvalidRequest for an agent that was disabled."""
    if (await rest_of(asked, agent))["status"] == "disabled":
        raise InvalidRequest("agentId: this agent is disabled", code="agent_disabled")


async def webhook_of(asked: Asked, agent: AgentId) -> WebhookId | None:
    """The native webhook behind the agent's post-call webhook."""
    webhooks = (await rest_of(asked, agent))["webhooks"]
    return WebhookId(webhooks[0]) if webhooks else None


async def rest_of(asked: Asked, agent: AgentId) -> Wire:
    return {**DEFAULTS, **(await REST.find(asked, [agent])).get(agent, {})}


async def _write(
    asked: Asked,
    agent: Agent,
    given: AgentFields,
    rest: Wire,
    voice: VoiceSettings | None = None,
) -> tuple[Agent, Wire]:
    definition = _changed(agent.definition, given, rest, voice)
    with wire_names(WORDS):
        agent = await rewritten(asked, agent, definition)
    rest = {**rest, "webhooks": await _hooked(asked, agent.id, rest)}
    await REST.put(asked, agent.id, rest)
    return agent, rest


async def _rendered(asked: Asked, agent: Agent, rest: Mapping[str, Any]) -> Wire:
    numbers = await everything(asked.services.numbers.list, asked.workspace)
    return rendered(
        agent, rest, [number for number in numbers if number.inbound_agent_id == agent.id]
    )


def rendered(agent: Agent, rest: Mapping[str, Any], numbers: Iterable[PhoneNumber]) -> Wire:
    definition = agent.definition
    shown = {name: value for name, value in rest.items() if name not in PRIVATE}
    return {
        "id": uuid_of(agent.id),
        "name": definition.name,
        "promptTemplate": definition.prompt,
        "firstMessage": definition.first_message or None,
        "defaultVariables": dict(definition.default_variables),
        "maxConversationDurationSeconds": definition.limits.max_duration,
        "llmTemperature": definition.model.temperature,
        "timezone": definition.timezone,
        "language": definition.language,
        "voiceSpeed": definition.voice.speed,
        "disableInterruptions": not definition.turn_taking.interruptible,
        "interruptionThresholdMs": round(definition.turn_taking.interruption_delay * 1000),
        "voicemailAction": definition.voicemail.action,
        "voicemailMessage": definition.voicemail.message or None,
        **shown,
        "sipTrunk": None,
        "folderId": None,
        "folder": None,
        "phoneNumbers": [
            {
                "id": uuid_of(number.id),
                "e164": number.number,
                "createdAt": iso_time(number.created_at),
                "updatedAt": iso_time(number.updated_at),
            }
            for number in numbers
        ],
        "createdAt": iso_time(agent.created_at),
        "updatedAt": iso_time(agent.updated_at),
    }


async def _voice(asked: Asked, given: AgentFields) -> VoiceSettings | None:
    """The voice that is wished for; looked up before a transaction waits for it."""
    return None if given.voiceId is None else await voice_named(asked, given.voiceId)


def _changed(
    old: AgentDefinition,
    given: AgentFields,
    rest: Mapping[str, Any],
    wished: VoiceSettings | None,
) -> AgentDefinition:
    """The definition with what is given in place of what was."""
    voice, limits, model = old.voice, old.limits, old.model
    if wished is not None:
        voice = replace(wished, speed=voice.speed)
    if given.voiceSpeed is not None:
        voice = replace(voice, speed=given.voiceSpeed)
    if given.maxConversationDurationSeconds is not None:
        limits = replace(limits, max_duration=given.maxConversationDurationSeconds)
    if given.llmTemperature is not None:
        model = replace(model, temperature=given.llmTemperature)
    variables = None if given.defaultVariables is None else flat(given.defaultVariables)
    plain = {
        "name": given.name,
        "prompt": given.promptTemplate,
        "first_message": given.firstMessage,
        "timezone": given.timezone,
        "language": given.language,
        "default_variables": variables,
    }
    given_now: dict[str, Any] = {name: value for name, value in plain.items() if value is not None}
    return replace(
        old,
        voice=voice,
        limits=limits,
        model=model,
        turn_taking=_taking(old.turn_taking, given, rest),
        voicemail=_voicemail(old.voicemail, given),
        tools=abilities(rest),
        **given_now,
    )


def _taking(taking: TurnTaking, given: AgentFields, rest: Mapping[str, Any]) -> TurnTaking:
    """Silences: how long until the agent asks again, and how often until it hangs up."""
    if given.disableInterruptions is not None:
        taking = replace(taking, interruptible=not given.disableInterruptions)
    if given.interruptionThresholdMs is not None:
        taking = replace(taking, interruption_delay=given.interruptionThresholdMs / 1000)
    if given.turnTimeoutSeconds is not None:
        seconds = given.turnTimeoutSeconds
        patience = NEVER if seconds < 0 else min(max(seconds, 0.5), NEVER)
        taking = replace(taking, silence_timeout=patience)
    end = rest["silenceEndCallTimeoutSeconds"]
    if end is not None and end >= 0:
        most = max(0, min(20, round(end / taking.silence_timeout) - 1))
        taking = replace(taking, max_reprompts=most)
    return taking


def _voicemail(policy: VoicemailPolicy, given: AgentFields) -> VoicemailPolicy:
    if given.voicemailAction is not None:
        policy = replace(policy, action=given.voicemailAction)
    if given.voicemailMessage is not None:
        policy = replace(policy, message=given.voicemailMessage)
    return policy


async def _hooked(asked: Asked, agent: AgentId, rest: Mapping[str, Any]) -> list[str]:
    """The native webhook for the post-call webhook, in place of the one that was."""
    url = rest["postCallWebhookUrl"]
    events = ("call.completed", "call.failed")
    wishes = [Wish(url=url, events=events, format=NAME, agent_id=agent)] if url else []
    with wire_names({"url": "postCallWebhookUrl"}):
        return await swap(asked, rest["webhooks"], wishes)


def _rest(given: AgentFields) -> Wire:
    """What the native agent has no place for, as far as it is given, as plain JSON."""
    plain: Wire = FIELDS.dump_python(given, mode="json", exclude_none=True)
    return {name: value for name, value in plain.items() if name not in NATIVE}


def _check_needed(given: AgentFields) -> None:
    for name in ("name", "promptTemplate"):
        if getattr(given, name) is None:
            raise InvalidRequest(f"{name}: is required")
    if given.mode == "conversation_flow":
        raise InvalidRequest(f"mode: {MODES}")
