"""`/v1/agents`: native agents, with what the vendor's have besides."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from starlette.responses import Response

from strowger.agent import AgentDefinition, ModelSettings, TurnTaking, VoiceSettings
from strowger.api.dialects.bodies import body_of, wire_names
from strowger.api.dialects.changing import changing, rewritten
from strowger.api.dialects.endpoints import Asked
from strowger.api.dialects.forms import iso_time
from strowger.api.dialects.keeping import Shelf
from strowger.api.dialects.lists import cut, everything
from strowger.api.dialects.ringyo.wire import NAME, Wire, listed, place_of, wrapped
from strowger.api.dialects.speech import model_named, voice_named
from strowger.errors import InvalidRequest, NotFound
from strowger.model import Agent, AgentId

REST = Shelf(NAME, "agent")
WORDS = {
    "prompt": "system_prompt",
    "voice": "voice_id",
    "turn_taking": "interruption_threshold",
    "model": "model",
}
THRESHOLD_SECONDS = 0.5
"""Seconds over the agent that interrupt it at a threshold of 1; at 0 any sound does."""
KEPT = ("voice_id", "model", "interruption_threshold", "metadata", "status")
DEFAULTS: Mapping[str, object] = {
    "voice_id": None,
    "model": "gpt-4o",
    "interruption_threshold": 0.5,
    "metadata": {},
    "status": "active",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFields:
    """Every field may be missing in a change; three are needed to make one."""

    name: str | None = None
    system_prompt: str | None = None
    voice_id: str | None = None
    first_message: str | None = None
    language: str | None = None
    model: str | None = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    interruption_threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    end_call_phrases: tuple[str, ...] | None = None
    metadata: dict[str, Any] | None = None
    status: Literal["active", "inactive"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAgent(AgentFields):
    name: str
    system_prompt: str
    voice_id: str
    language: str = "en-US"
    model: str = "gpt-4o"
    temperature: Annotated[float, Field(ge=0, le=1)] = 0.7
    max_tokens: Annotated[int, Field(ge=1)] = 150
    interruption_threshold: Annotated[float, Field(ge=0, le=1)] = 0.5


NEW: TypeAdapter[NewAgent] = TypeAdapter(NewAgent)
CHANGES: TypeAdapter[AgentFields] = TypeAdapter(AgentFields)


async def create(asked: Asked) -> Response:
    given = await body_of(asked, NEW)
    definition = _changed(AgentDefinition(name=given.name), given, await _named(asked, given))
    async with asked.services.records.together():
        with wire_names(WORDS):
            agent = await asked.services.agents.create(asked.workspace, definition)
        rest = {**DEFAULTS, **_rest(given)}
        await REST.put(asked, agent.id, rest)
    return wrapped(asked, rendered(agent, rest), 201)


async def get(asked: Asked) -> Response:
    agent = await _agent(asked)
    return wrapped(asked, rendered(agent, await _kept(asked, agent)))


async def list_agents(asked: Asked) -> Response:
    """Filtered by `status` and `search`, which is part of the name."""
    query, place = asked.request.query_params, place_of(asked)
    agents = await everything(asked.services.agents.list, asked.workspace)
    kept = await REST.find(asked, [agent.id for agent in agents])
    things = [rendered(agent, {**DEFAULTS, **kept.get(agent.id, {})}) for agent in agents]
    text = query.get("search", "").lower()
    shown = [
        thing
        for thing in things
        if query.get("status", thing["status"]) == thing["status"] and text in thing["name"].lower()
    ]
    if query.get("order") == "asc":
        shown.reverse()
    page = cut(shown, offset=place.offset, limit=place.limit)
    return listed(asked, page.items, place, page.total)


async def update(asked: Asked) -> Response:
    given = await body_of(asked, CHANGES)
    named = await _named(asked, given)
    async with changing(asked, NAME):
        agent = await _agent(asked)
        definition = _changed(agent.definition, given, named)
        with wire_names(WORDS):
            agent = await rewritten(asked, agent, definition)
        rest = {**await _kept(asked, agent), **_rest(given)}
        await REST.put(asked, agent.id, rest)
    return wrapped(asked, rendered(agent, rest))


async def delete(asked: Asked) -> Response:
    agent = await _agent(asked)
    await asked.services.agents.delete(asked.workspace, agent.id)
    return wrapped(asked, {"id": agent.id, "deleted": True})


async def check_active(asked: Asked, agent_id: str) -> None:
    """Raise InvalidRequest for an agent that was made inactive."""
    kept = (await REST.find(asked, [agent_id])).get(agent_id, {})
    if kept.get("status") == "inactive":
        raise InvalidRequest(f"agent_id: {agent_id} is inactive", code="agent_inactive")


def rendered(agent: Agent, rest: Mapping[str, object]) -> Wire:
    definition = agent.definition
    return {
        "id": agent.id,
        "name": definition.name,
        "system_prompt": definition.prompt,
        "first_message": definition.first_message or None,
        "language": definition.language,
        "temperature": definition.model.temperature,
        "max_tokens": definition.model.max_tokens,
        "end_call_phrases": list(definition.end_call_phrases),
        **{name: rest[name] for name in KEPT},
        "created_at": iso_time(agent.created_at),
        "updated_at": iso_time(agent.updated_at),
    }


async def _agent(asked: Asked) -> Agent:
    try:
        id = AgentId(asked.path("agent_id"))
        return await asked.services.agents.get(asked.workspace, id)
    except NotFound as error:
        raise NotFound(str(error), code="no_such_agent") from error


async def _kept(asked: Asked, agent: Agent) -> Wire:
    return {**DEFAULTS, **(await REST.find(asked, [agent.id])).get(agent.id, {})}


def _rest(given: AgentFields) -> Wire:
    """What the native agent has no place for, as far as it is given."""
    return {name: value for name in KEPT if (value := getattr(given, name)) is not None}


@dataclass(frozen=True, slots=True)
class Named:
    """What the names that are given stand for here."""

    model: ModelSettings | None
    voice: VoiceSettings | None


async def _named(asked: Asked, given: AgentFields) -> Named:
    """Looked up before a transaction waits for it."""
    return Named(
        model=None if given.model is None else await model_named(asked, given.model),
        voice=None if given.voice_id is None else await voice_named(asked, given.voice_id),
    )


def _changed(old: AgentDefinition, given: AgentFields, named: Named) -> AgentDefinition:
    """The definition with what is given in place of what was."""
    model, taking = old.model, old.turn_taking
    if named.model is not None:
        model = replace(model, provider=named.model.provider, model=named.model.model)
    if given.temperature is not None:
        model = replace(model, temperature=given.temperature)
    if given.max_tokens is not None:
        model = replace(model, max_tokens=given.max_tokens)
    if given.interruption_threshold is not None:
        taking = _taking(taking, given.interruption_threshold)
    plain = {
        "name": given.name,
        "prompt": given.system_prompt,
        "first_message": given.first_message,
        "language": given.language,
        "end_call_phrases": given.end_call_phrases,
        "voice": named.voice,
    }
    given_now = {name: value for name, value in plain.items() if value is not None}
    return replace(old, model=model, turn_taking=taking, **given_now)  # type: ignore[arg-type]


def _taking(taking: TurnTaking, threshold: float) -> TurnTaking:
    """The less sensitive, the longer the callee must speak over the agent."""
    return replace(taking, interruption_delay=round(threshold * THRESHOLD_SECONDS, 3))
