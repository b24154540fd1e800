"""`/api/v1/agents`: native agents, with what the vendor's have besides.

What both know is read from the native agent; the rest is kept and comes back as it was given.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter
from starlette.responses import Response

from strowger.agent import (
    AgentDefinition,
    Analysis,
    Limits,
    ModelSettings,
    TurnTaking,
    VoicemailPolicy,
    VoiceSettings,
)
from strowger.api.dialects.bodies import wire_names
from strowger.api.dialects.changing import changing, rewritten
from strowger.api.dialects.endpoints import Asked
from strowger.api.dialects.forms import iso_time, uuid_of, workspace_uuid
from strowger.api.dialects.hooks import swap
from strowger.api.dialects.keeping import Shelf
from strowger.api.dialects.lists import cut, everything
from strowger.api.dialects.ravan.tool_kinds import ids_in, natives, without
from strowger.api.dialects.ravan.webhooks import FIELDS as WEBHOOK_FIELDS
from strowger.api.dialects.ravan.webhooks import wishes_of
from strowger.api.dialects.ravan.wire import (
    NAME,
    Fields,
    Wire,
    answer,
    given_in,
    id_in,
    meta_of,
    place_of,
    query_in,
)
from strowger.api.dialects.speech import model_named, voice_named
from strowger.errors import Conflict, InvalidRequest, NotFound
from strowger.model import Agent, AgentId
from strowger.ports import MOST_COUNTED

R = TypeVar("R", TurnTaking, Limits)

REST = Shelf(NAME, "agent")
HOOKS = "hooks"
"""Of what is kept, the ids of the native webhooks that stand for the agent's."""
TOOL_NAMES = "tool_names"
"""Likewise the names of the native tools that stand for its `selected_tools`."""
UNSEEN: Mapping[str, object] = {HOOKS: [], TOOL_NAMES: []}
ACTIVE, INACTIVE = "AGENT_STATUS_ACTIVE", "AGENT_STATUS_INACTIVE"
STATUSES: Mapping[str, str] = {
    "ACTIVE": ACTIVE,
    "INACTIVE": INACTIVE,
    "UNSPECIFIED": ACTIVE,
}
"""With or without `AGENT_STATUS_`; the page says of the third: reset to default state."""
NAMELESS = "Agent"
PROMPTLESS = "You are a helpful assistant on a telephone call."
"""The vendor requires neither a prompt nor a first message, and nobody can talk without both."""
WORDS = {
    "first_message": "begin_message",
    "limits.max_duration": "max_call_duration_ms",
    "limits.ring_timeout": "ring_duration_ms",
    "model.temperature": "temperature",
    "turn_taking.silence_timeout": "reminder_trigger_ms",
    "turn_taking.max_reprompts": "reminder_max_count",
    "tools": "selected_tools",
    "analysis.summary_prompt": "analysis_summary_prompt",
    "voicemail.message": "voicemail_message",
    "url": "webhook_urls",
}
Milliseconds = Annotated[int, Field(ge=0)]


class AgentFields(Fields):
    """As the OpenAPI document has them, and `prompt`, `status` and webhooks, which clients send."""

    name: str | None = None
    agent_name: str | None = None
    status: str | None = None
    prompt: str | None = None
    begin_message: str | None = None
    start_speaker: Literal["agent", "user"] | None = None
    model: str | None = None
    s2s_model: str | None = None
    voice_id: str | None = None
    temperature: float | None = None
    reminder_trigger_ms: Milliseconds | None = None
    reminder_max_count: int | None = None
    end_call_after_silence: bool | None = None
    max_call_duration_ms: Milliseconds | None = None
    ring_duration_ms: Milliseconds | None = None
    enable_voicemail_detection: bool | None = None
    voicemail_message: str | None = None
    voicemail_detection_timeout_ms: Milliseconds | None = None
    widget_settings_id: str | None = None
    ambient_sound: str | None = None
    ambient_sound_volume: float | None = None
    ivr_options: Any = None
    post_call_analysis_model: str | None = None
    analysis_summary_prompt: str | None = None
    selected_tools: Any = None
    integrations: Any = None
    knowledge_base: Any = None
    webhook_url: str | None = None
    webhook_urls: list[Any] | str | None = None
    webhook_events: list[str] | None = None


class NewStatus(Fields):
    status: str


FIELDS: TypeAdapter[AgentFields] = TypeAdapter(AgentFields)
NEW_STATUS: TypeAdapter[NewStatus] = TypeAdapter(NewStatus)
DEFAULTS: Mapping[str, object] = {
    "agent_name": None,
    "status": ACTIVE,
    "model": None,
    "s2s_model": None,
    "voice_id": None,
    "end_call_after_silence": True,
    "enable_voicemail_detection": None,
    "voicemail_detection_timeout_ms": None,
    "widget_settings_id": None,
    "ambient_sound": None,
    "ambient_sound_volume": None,
    "ivr_options": None,
    "post_call_analysis_model": None,
    "analysis_summary_prompt": None,
    "selected_tools": [],
    "integrations": None,
    "knowledge_base": "",
    "webhook_url": None,
    "webhook_urls": [],
    "webhook_events": [],
}
"""What the native agent has no place for, or only sometimes."""


async def create(asked: Asked) -> Response:
    given = _told(await given_in(asked, FIELDS))
    name = str(given.get("name") or given.get("agent_name") or NAMELESS)
    if not given.get("prompt") and not given.get("begin_message"):
        given["prompt"] = PROMPTLESS
    named = await _named(asked, given)
    async with asked.services.records.together():
        tools = await natives(asked, given.get("selected_tools"))
        definition = _changed(AgentDefinition(name=name, tools=tools), given, named)
        with wire_names(WORDS):
            agent = await asked.services.agents.create(asked.workspace, definition)
            kept = {**DEFAULTS, **UNSEEN, TOOL_NAMES: [tool.name for tool in tools]}
            kept = await _rehooked(asked, agent.id, kept, given)
        await REST.put(asked, agent.id, kept)
    return answer("Agent created successfully", rendered(agent, kept))


async def get(asked: Asked) -> Response:
    agent = await asked.services.agents.get(asked.workspace, _id(asked))
    return answer("Agent fetched successfully", rendered(agent, await _kept(asked, agent.id)))


async def list_agents(asked: Asked) -> Response:
    """All where no `limit` is given, newest first."""
    place = place_of(query_in(asked), default=MOST_COUNTED)
    agents = await everything(asked.services.agents.list, asked.workspace)
    page = cut(agents, offset=place.offset, limit=place.limit)
    kept = await REST.find(asked, [agent.id for agent in page.items])
    shown = [rendered(agent, kept.get(agent.id, {})) for agent in page.items]
    return answer("Agents fetched successfully", shown, meta=meta_of(place, page.total))


async def update(asked: Asked) -> Response:
    """PATCH, or PUT as the guides have it: the fields given are replaced."""
    given, id = _told(await given_in(asked, FIELDS)), _id(asked)
    named = await _named(asked, given)
    async with changing(asked, NAME):
        agent = await asked.services.agents.get(asked.workspace, id)
        kept = await _kept(asked, id)
        detects = given.get("enable_voicemail_detection", kept["enable_voicemail_detection"])
        definition = _changed(
            agent.definition, {**given, "enable_voicemail_detection": detects}, named
        )
        with wire_names(WORDS):
            if "selected_tools" in given:
                definition, kept = await _retooled(
                    asked, definition, {**kept, "selected_tools": given["selected_tools"]}
                )
            agent = await rewritten(asked, agent, definition)
            kept = await _rehooked(asked, id, kept, given)
        await REST.put(asked, id, kept)
    return answer("Agent updated successfully", rendered(agent, kept))


async def update_status(asked: Asked) -> Response:
    given, id = _told(await given_in(asked, NEW_STATUS)), _id(asked)
    async with changing(asked, NAME):
        agent = await asked.services.agents.get(asked.workspace, id)
        kept = {**await _kept(asked, id), "status": given["status"]}
        await REST.put(asked, id, kept)
    return answer("Agent status updated successfully", rendered(agent, kept))


async def delete(asked: Asked) -> Response:
    """With its webhooks; calls that used it keep their copy."""
    id = _id(asked)
    async with changing(asked, NAME):
        await asked.services.agents.delete(asked.workspace, id)
    return answer("Agent deleted successfully")


async def retool(asked: Asked, tool_id: str, *, gone: bool = False) -> None:
    """Have the agents that selected a tool use it as it is now, or do without it where it is to be
    gone; within `Records.together`."""
    for record in await REST.list(asked):
        selected = record.body.get("selected_tools")
        if tool_id not in ids_in(selected):
            continue
        kept = {**DEFAULTS, **UNSEEN, **record.body}
        if gone:
            kept["selected_tools"] = without(selected, tool_id)
        with (
            suppress(NotFound),
            wire_names(WORDS),
        ):  # one deleted over the native API is passed over
            agent = await asked.services.agents.get(asked.workspace, AgentId(record.id))
            definition, kept = await _retooled(asked, agent.definition, kept)
            await rewritten(asked, agent, definition)
            await REST.put(asked, agent.id, kept)


async def check_active(asked: Asked, id: AgentId) -> None:
    """Raise Conflict for an agent that was made inactive."""
    if (await _kept(asked, id))["status"] == INACTIVE:
        raise Conflict("this agent is inactive: it is paused and will not handle calls")


def rendered(agent: Agent, kept: Mapping[str, object]) -> Wire:
    definition, rest = agent.definition, {**DEFAULTS, **kept}
    taking, limits, voicemail = definition.turn_taking, definition.limits, definition.voicemail
    return {
        **{name: rest[name] for name in DEFAULTS},
        "id": uuid_of(agent.id),
        "organization_id": workspace_uuid(agent.workspace_id),
        "name": definition.name,
        "agent_name": rest["agent_name"] or definition.name,
        "prompt": definition.prompt,
        "begin_message": definition.first_message,
        "start_speaker": "agent" if taking.who_speaks_first == "agent" else "user",
        "model": definition.model.model or rest["model"],
        "voice_id": definition.voice.voice_id or rest["voice_id"],
        "temperature": definition.model.temperature,
        "analysis_summary_prompt": definition.analysis.summary_prompt
        or rest["analysis_summary_prompt"],
        "reminder_trigger_ms": round(1000 * taking.silence_timeout),
        "reminder_max_count": taking.max_reprompts,
        "max_call_duration_ms": round(1000 * limits.max_duration),
        "ring_duration_ms": round(1000 * limits.ring_timeout),
        "enable_voicemail_detection": voicemail.action == "leave_message"
        or bool(rest["enable_voicemail_detection"]),
        "voicemail_message": voicemail.message,
        "created_at": iso_time(agent.created_at),
        "updated_at": iso_time(agent.updated_at),
    }


def _id(asked: Asked) -> AgentId:
    return AgentId(id_in("agent", asked.path("agent_id")))


async def _kept(asked: Asked, id: AgentId) -> Wire:
    return {**DEFAULTS, **UNSEEN, **(await REST.find(asked, [id])).get(id, {})}


def _told(given: Wire) -> Wire:
    """The same, with the status in the vendor's own word."""
    return {**given, "status": _status(given["status"])} if "status" in given else given


def _status(word: str) -> str:
    name = word.upper().removeprefix("AGENT_STATUS_")
    if name not in STATUSES:
        raise InvalidRequest(
            f"status: expected AGENT_STATUS_ACTIVE or AGENT_STATUS_INACTIVE, got {word[:40]}"
        )
    return STATUSES[name]


async def _rehooked(asked: Asked, id: AgentId, kept: Wire, given: Wire) -> Wire:
    """What is to be kept now, with native webhooks as the agent's now are."""
    rest = {**kept, **{name: given[name] for name in DEFAULTS if name in given}}
    if all(rest[name] == kept[name] for name in WEBHOOK_FIELDS):
        return rest
    return {**rest, HOOKS: await swap(asked, kept[HOOKS], wishes_of(id, rest))}


async def _retooled(asked: Asked, old: AgentDefinition, kept: Wire) -> tuple[AgentDefinition, Wire]:
    """The tools that are selected, in place of those that were; others the agent has stay."""
    tools = await natives(asked, kept["selected_tools"])
    others = tuple(tool for tool in old.tools if tool.name not in kept[TOOL_NAMES])
    names = [tool.name for tool in tools]
    return replace(old, tools=others + tools), {**kept, TOOL_NAMES: names}


@dataclass(frozen=True, slots=True)
class Named:
    """What the names that are given stand for here."""

    model: ModelSettings | None
    voice: VoiceSettings | None


async def _named(asked: Asked, given: Wire) -> Named:
    """Looked up before a transaction waits for it."""
    return Named(
        model=await model_named(asked, given["model"]) if "model" in given else None,
        voice=await voice_named(asked, given["voice_id"]) if "voice_id" in given else None,
    )


def _changed(old: AgentDefinition, given: Wire, named: Named) -> AgentDefinition:
    """The definition with what is given in place of what was."""
    model, voice = old.model, old.voice
    if named.voice is not None:
        voice = replace(voice, provider=named.voice.provider, voice_id=named.voice.voice_id)
    if named.model is not None:
        model = replace(model, provider=named.model.provider, model=named.model.model)
    if "temperature" in given:
        model = replace(model, temperature=given["temperature"])
    return replace(
        old,
        name=given.get("name", old.name),
        prompt=given.get("prompt", old.prompt),
        first_message=given.get("begin_message", old.first_message),
        voice=voice,
        model=model,
        turn_taking=_with(
            old.turn_taking,
            silence_timeout=_seconds(given.get("reminder_trigger_ms")),
            max_reprompts=given.get("reminder_max_count"),
            who_speaks_first={"agent": "agent", "user": "callee", None: None}[
                given.get("start_speaker")
            ],
        ),
        analysis=_analysis(old.analysis, given),
        limits=_with(
            old.limits,
            max_duration=_seconds(given.get("max_call_duration_ms")),
            ring_timeout=_seconds(given.get("ring_duration_ms")),
        ),
        voicemail=_voicemail(old.voicemail, given),
    )


def _analysis(old: Analysis, given: Wire) -> Analysis:
    """An empty prompt asks for no summary, where the native agent does not."""
    if "analysis_summary_prompt" not in given:
        return old
    return replace(old, summary_prompt=given["analysis_summary_prompt"].strip() or None)


def _voicemail(old: VoicemailPolicy, given: Wire) -> VoicemailPolicy:
    """A message is left where there is one and detection is on; else the agent hangs up."""
    message = str(given.get("voicemail_message", old.message))
    wanted = given.get("enable_voicemail_detection")
    if wanted is None:
        wanted = old.action == "leave_message"
    leaves = wanted and bool(message.strip())
    return VoicemailPolicy(action="leave_message" if leaves else "hangup", message=message)


def _with(record: R, **given: object) -> R:
    """The record with those fields that are not None."""
    told: Wire = {name: value for name, value in given.items() if value is not None}
    return replace(record, **told)


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
