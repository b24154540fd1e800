"""Vocode's agents: each a native one, its parts kept by ids, what has no place there beside it."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace

from starlette.responses import Response

from strowger.agent import AgentDefinition, Fallback
from strowger.api.dialects.bodies import InvalidBody, object_of, validated, wire_names
from strowger.api.dialects.changing import changing
from strowger.api.dialects.endpoints import Asked, Endpoint, slashed
from strowger.api.dialects.forms import HEX, id_of, uuid_of
from strowger.api.dialects.lists import everything
from strowger.api.dialects.speech import model_named, voice_named
from strowger.api.dialects.vocode import events, translation
from strowger.api.dialects.vocode.kinds import (
    ACTIONS,
    CONNECTIONS,
    PROMPTS,
    VECTOR_DATABASES,
    VOICES,
    WEBHOOKS,
    Kind,
)
from strowger.api.dialects.vocode.parts import (
    AGENT,
    AGENTS,
    fields_of,
    find,
    find_all,
    hooks_in,
    keep,
    new_id,
)
from strowger.api.dialects.vocode.shapes import HOUSE_VOICE, Json
from strowger.api.dialects.vocode.wire import (
    NAME,
    Wire,
    answer,
    given_in,
    id_in,
    owned,
    page_among,
    page_asked,
    wrong_field,
)
from strowger.errors import FieldProblem, InvalidRequest, NotFound
from strowger.model import Agent, AgentId

PARTS: Mapping[str, Kind] = {
    "prompt": PROMPTS,
    "voice": VOICES,
    "webhook": WEBHOOKS,
    "vector_database": VECTOR_DATABASES,
    "openai_account_connection": CONNECTIONS,
}
"""Fields that hold one part: its id, or the part itself."""
PLACEHOLDER = "00000000-0000-0000-0000-000000000000"
"""Stands for a part that was not understood while the rest is read, so that all is found wrong
that is."""
WORDS = {
    "first_message": "initial_message",
    "model": "openai_model_name_override",
    "tools": "actions",
}


# ── reading what a client wants ──────────────────────────────────────────────────────────────


@dataclass
class Wanted:
    """An agent as it is to be, and the parts that have to be kept for it."""

    body: Json = field(default_factory=dict)
    parts: dict[str, tuple[Kind, Json]] = field(default_factory=dict)
    """By id."""
    changed: dict[str, Kind] = field(default_factory=dict)
    """Those that were there before: other agents may have them too."""
    details: list[Mapping[str, object]] = field(default_factory=list)

    def part(self, kind: Kind, id: str, body: Json) -> str:
        self.parts[id] = kind, body
        return id


async def read(asked: Asked, raw: Json, current: Mapping[str, object]) -> Wanted:
    """The fields of `raw` in place of those of `current`. Raises InvalidBody with all findings."""
    wanted = Wanted()
    body = {**current, **raw}
    for name, kind in PARTS.items():
        if name in raw:
            before = current.get(name)
            body[name] = await _found(
                asked, wanted, (name,), kind, raw[name], None if before is None else str(before)
            )
    if "actions" in raw:
        body["actions"] = await _actions(asked, wanted, raw["actions"], current)
    try:
        wanted.body = asdict(validated(body, AGENT))
    except InvalidBody as invalid:
        wanted.details += invalid.details
    if wanted.details:
        problems = tuple(
            FieldProblem(".".join(map(str, _loc(one))), str(one["msg"])) for one in wanted.details
        )
        shown = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
        raise InvalidBody(InvalidRequest(shown, problems=problems), wanted.details)
    return wanted


async def _found(
    asked: Asked,
    wanted: Wanted,
    loc: tuple[str | int, ...],
    kind: Kind,
    value: object,
    before: str | None,
) -> str | None:
    """The id of a part that is named, changed or new; what is wrong with it goes to `wanted`."""
    try:
        return await _part(asked, wanted, kind, value, before)
    except InvalidBody as invalid:
        wanted.details += [{**one, "loc": (*loc, *_loc(one))} for one in invalid.details]
        return PLACEHOLDER


async def _part(
    asked: Asked, wanted: Wanted, kind: Kind, value: object, before: str | None
) -> str | None:
    match value:
        case None:
            return None
        case str() if (id := as_uuid(value)) is not None:
            there = await find(asked, kind, id)
            if kind is CONNECTIONS and there["type"] != "account_connection_openai":
                raise wrong_field("this is not an account connection of OpenAI")
            return id
        case str() if kind is PROMPTS:  # until 2023-08-25 a prompt was its text
            return await _part(asked, wanted, kind, {"content": value}, before)
        case dict() if kind is CONNECTIONS and isinstance(value.get("id"), str):
            return await _part(asked, wanted, kind, value["id"], before)
        case dict() if before is not None:
            wanted.changed[before] = kind
            there = await find(asked, kind, before)
            return wanted.part(kind, before, kind.changed(there, value))
        case dict():
            return wanted.part(kind, new_id(asked), kind.new(value))
        case _:
            raise wrong_field("Input should be a valid UUID or object", type="uuid_type")


async def _actions(
    asked: Asked, wanted: Wanted, given: object, current: Mapping[str, object]
) -> object:
    """The ids of actions; one given whole changes the agent's first of its type, where it has
    one that is not spoken for."""
    if not isinstance(given, list):
        return given
    before = current.get("actions", [])
    assert isinstance(before, list)
    free = [
        (id, action["type"])
        for id, action in (await find_all(asked, ACTIONS, before)).items()
        if id not in given
    ]
    found = []
    for index, value in enumerate(given):
        type = value.get("type") if isinstance(value, dict) else None
        there = next((id for id, has in free if has == type), None)
        free = [one for one in free if one[0] != there]
        found.append(await _found(asked, wanted, ("actions", index), ACTIONS, value, there))
    return found


def as_uuid(text: str) -> str | None:
    bare = text.replace("-", "").lower()
    return uuid_of(f"any_{bare}") if HEX.fullmatch(bare) else None


def _loc(detail: Mapping[str, object]) -> tuple[str | int, ...]:
    loc = detail["loc"]
    assert isinstance(loc, tuple)
    return loc


# ── keeping it ───────────────────────────────────────────────────────────────────────────────


async def create(asked: Asked, raw: Json) -> Agent:
    """A new agent with its parts; to be called within `Records.together`."""
    wanted = await read(asked, raw, {})
    await _keep_parts(asked, wanted)
    native = await _native(asked, wanted.body)
    blank = AgentDefinition(name=translation.UNNAMED)
    definition = replace(blank, **translation.applied(blank, native))
    with wire_names(WORDS):
        agent = await asked.services.agents.create(asked.workspace, definition)
    hooks = await _subscribe(asked, agent.id, wanted.body, old=[])
    written = translation.as_kept(native)
    await AGENTS.put(asked, agent.id, {**wanted.body, "native": written, "hooks": hooks})
    return agent


async def change(asked: Asked, agent: Agent, raw: Json) -> Agent:
    """The agent with the given fields changed; to be called within `changing`."""
    kept = (await AGENTS.find(asked, [agent.id])).get(agent.id)
    given = given_in(raw)
    wanted = await read(asked, given, fields_of(agent, kept))
    await _keep_parts(asked, wanted)
    changed = await _rewrite(asked, agent, wanted.body, kept, touched=given.keys())
    for id, kind in wanted.changed.items():
        await refresh(asked, kind, id, but=agent.id)
    return changed


async def refresh(asked: Asked, kind: Kind, id: str, *, but: str | None = None) -> None:
    """Write a changed part to every agent that has it."""
    fields = [name for name, of in PARTS.items() if of is kind] or ["actions"]
    using = {
        record.id: record.body
        for record in await AGENTS.list(asked)
        if record.id != but and any(_has(record.body.get(name), id) for name in fields)
    }
    for agent_id, kept in using.items():
        try:
            agent = await asked.services.agents.get(asked.workspace, AgentId(agent_id))
        except NotFound:
            continue  # deleted over the native API
        await _rewrite(asked, agent, fields_of(agent, kept), kept, touched=fields)


def _has(value: object, id: str) -> bool:
    return id in value if isinstance(value, list) else value == id


async def _rewrite(
    asked: Asked,
    agent: Agent,
    body: Json,
    kept: Mapping[str, object] | None,
    *,
    touched: Collection[str],
) -> Agent:
    native = await _native(asked, body)
    meant = {name for field in touched for name in translation.MEANT_BY.get(field, ())}
    values = {name: value for name, value in native.items() if name in meant}
    before = _written(kept) or {
        name: translation.value_of(agent.definition, name) for name in native if name != "tools"
    }
    whole = translation.with_others(agent.definition, values, before)
    with wire_names(WORDS):
        changed = await asked.services.agents.update(
            asked.workspace, agent.id, translation.applied(agent.definition, whole)
        )
    hooks = hooks_in(kept or {})
    written = {**before, **translation.as_kept(values)}
    if "webhook" in touched:
        hooks = await _subscribe(asked, agent.id, body, old=hooks)
    await AGENTS.put(asked, agent.id, {**body, "native": written, "hooks": hooks})
    return changed


async def _keep_parts(asked: Asked, wanted: Wanted) -> None:
    for id, (kind, body) in wanted.parts.items():
        await keep(asked, kind, id, body)


async def _subscribe(asked: Asked, agent: AgentId, body: Json, *, old: list[str]) -> list[str]:
    id = body["webhook"]
    webhook = None if id is None else await find(asked, WEBHOOKS, str(id))
    return await events.subscribe(asked, agent, webhook, old=old)


async def _native(asked: Asked, body: Json) -> translation.Native:
    voice = await find(asked, VOICES, str(body["voice"]))
    actions = body["actions"]
    assert isinstance(actions, list)
    parts = translation.Parts(
        prompt=await find(asked, PROMPTS, str(body["prompt"])),
        voice=voice,
        actions=tuple((await find_all(asked, ACTIONS, actions)).items()),
        settings=await voice_named(asked, None),
        model=await model_named(asked, _text(body["openai_model_name_override"])),
        fallbacks=await _fallbacks(asked, body["llm_fallback"]),
    )
    for name in translation.voice_names(voice):
        settings = await voice_named(asked, name)
        if settings != parts.settings:
            parts = replace(parts, settings=settings)
            break
    return translation.native_of(body, parts)


async def _fallbacks(asked: Asked, given: object) -> tuple[Fallback, ...]:
    """The model to ask when the first fails, where its maker is configured here."""
    if not isinstance(given, Mapping):
        return ()
    found = await model_named(asked, str(given["model_name"]))
    return (Fallback(provider=found.provider, model=found.model),) if found.model else ()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _written(kept: Mapping[str, object] | None) -> Mapping[str, object]:
    native = (kept or {}).get("native", {})
    assert isinstance(native, Mapping)
    return native


# ── answering with it ────────────────────────────────────────────────────────────────────────


def normalized(asked: Asked, agent: Agent, kept: Mapping[str, object] | None) -> Wire:
    """As lists show it: its parts by their ids."""
    wire = owned(asked, uuid_of(agent.id), fields_of(agent, kept))
    for reading in translation.READINGS:
        if translation.differs(reading, agent.definition, _written(kept)):
            wire[reading.field] = reading.read(agent.definition)
    return wire


async def expanded(asked: Asked, agent: Agent) -> Wire:
    """With its parts in place of their ids."""
    kept = (await AGENTS.find(asked, [agent.id])).get(agent.id)
    wire = normalized(asked, agent, kept)
    for name, kind in PARTS.items():
        id = wire[name]
        if id is not None:
            found = await find_all(asked, kind, [str(id)])
            wire[name] = owned(asked, str(id), found[str(id)]) if found else None
    actions = wire["actions"]
    assert isinstance(actions, list)
    found = await find_all(asked, ACTIONS, actions)
    wire["actions"] = [owned(asked, id, action) for id, action in found.items()]
    prompt, voice = wire["prompt"], wire["voice"]
    own = uuid_of(agent.id)
    if not isinstance(prompt, dict):  # an agent given with a native call is kept nowhere
        wire["prompt"] = prompt = owned(asked, own, PROMPTS.new({}))
    if translation.differs(translation.PROMPT, agent.definition, _written(kept)):
        prompt["content"] = translation.PROMPT.read(agent.definition)
    if not isinstance(voice, dict):
        wire["voice"] = owned(asked, own, HOUSE_VOICE)
    elif translation.differs(translation.VOICE, agent.definition, _written(kept)):
        wire["voice"] = owned(asked, str(voice["id"]), HOUSE_VOICE)
    return wire


async def named(asked: Asked, text: str) -> Agent:
    """The agent of an id. Raises NotFound."""
    return await asked.services.agents.get(asked.workspace, AgentId(id_of("agent", text)))


# ── endpoints ────────────────────────────────────────────────────────────────────────────────


async def get_agent(asked: Asked) -> Response:
    return answer(asked, await expanded(asked, await named(asked, id_in(asked))))


async def list_agents(asked: Asked) -> Response:
    query = page_asked(asked)
    agents = await everything(asked.services.agents.list, asked.workspace)
    kept = await AGENTS.find(asked, [agent.id for agent in agents])
    rows = [normalized(asked, agent, kept.get(agent.id)) for agent in agents]
    return answer(asked, page_among(query, rows))


async def create_agent(asked: Asked) -> Response:
    raw = await object_of(asked)
    async with asked.services.records.together():
        agent = await create(asked, raw)
    return answer(asked, await expanded(asked, agent))


async def update_agent(asked: Asked) -> Response:
    id, raw = id_in(asked), await object_of(asked)
    async with changing(asked, NAME):
        agent = await change(asked, await named(asked, id), raw)
    return answer(asked, await expanded(asked, agent))


CREATED = (
    "The native agent has what it has a place for; context_endpoint, noise_suppression,"
    " initial_message_delay, vector_database, openai_account_connection and"
    " run_do_not_call_detection are kept and come back, and do nothing."
)
ENDPOINTS: tuple[Endpoint, ...] = (
    slashed("GET", "/v1/agents", "agents:read", get_agent),
    slashed("GET", "/v1/agents/list", "agents:read", list_agents),
    slashed("POST", "/v1/agents/create", "agents:write", create_agent, CREATED),
    slashed("POST", "/v1/agents/update", "agents:write", update_agent, CREATED),
)
