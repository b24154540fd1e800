"""Where an agent's parts are: kept by Vocode's ids, or within native records that have none.

The prompt and the voice of an agent that was made natively go by the agent's own id, and a native
webhook by its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict

from pydantic import TypeAdapter

from strowger.api.dialects.endpoints import Asked
from strowger.api.dialects.forms import id_of, uuid_of
from strowger.api.dialects.keeping import Shelf
from strowger.api.dialects.lists import everything
from strowger.api.dialects.vocode import events
from strowger.api.dialects.vocode.actions import keep_key
from strowger.api.dialects.vocode.kinds import ACTIONS, PROMPTS, VOICES, WEBHOOKS, Kind
from strowger.api.dialects.vocode.shapes import HOUSE_VOICE, Agent, Json, Prompt
from strowger.api.dialects.vocode.translation import PROMPT, given_by
from strowger.api.dialects.vocode.wire import NAME
from strowger.errors import NotFound
from strowger.model import Agent as NativeAgent
from strowger.model import AgentId, WebhookId

AGENTS = Shelf(NAME, "agent")
"""The vendor's fields of agents, their parts by id; besides `native`, what of it was written to
the native agent, and `hooks`, the native webhooks that stand for the agent's one."""
AGENT: TypeAdapter[Agent] = TypeAdapter(Agent)
IN_AGENTS = frozenset({PROMPTS.name, VOICES.name})
"""Kinds that a native agent holds itself."""


def new_id(asked: Asked) -> str:
    return uuid_of(asked.services.ids("part"))


async def find(asked: Asked, kind: Kind, id: str) -> Json:
    """A thing without its ids. Raises NotFound."""
    kept = (await kind.shelf.find(asked, [id])).get(id)
    return await _held(asked, kind, id) if kept is None else dict(kept)


async def _held(asked: Asked, kind: Kind, id: str) -> Json:
    """A thing that is a native record, or within one. Raises NotFound."""
    if kind.name in IN_AGENTS:
        agent = await _agent(asked, kind, id)
        return _held_by(kind, agent)
    if kind is WEBHOOKS:
        webhook = await asked.services.webhooks.get(
            asked.workspace, WebhookId(id_of("webhook", id))
        )
        if events.is_shown(webhook):
            return events.from_native(webhook)
    raise NotFound(f"there is no {_words(kind)} {id}")


async def keep(asked: Asked, kind: Kind, id: str, body: Json) -> None:
    """Put a thing, new or changed, in its place."""
    if kind is ACTIONS:
        await keep_key(asked, id, body)
    await kind.shelf.put(asked, id, body)


async def find_all(asked: Asked, kind: Kind, ids: Iterable[str]) -> dict[str, Json]:
    """Those of the things that are there."""
    wanted = list(ids)
    kept = await kind.shelf.find(asked, wanted)
    found: dict[str, Json] = {}
    for id in wanted:
        try:
            found[id] = dict(kept[id]) if id in kept else await _held(asked, kind, id)
        except NotFound:
            continue
    return found


async def natives(asked: Asked, kind: Kind) -> list[tuple[str, Json]]:
    """Those of a kind that are not kept here, newest first."""
    if kind.name in IN_AGENTS:
        agents = await everything(asked.services.agents.list, asked.workspace)
        kept = await AGENTS.find(asked, [agent.id for agent in agents])
        ids = [(uuid_of(agent.id), agent) for agent in agents]
        return [
            (id, _held_by(kind, agent))
            for id, agent in ids
            if agent.id not in kept or kept[agent.id][kind.name] == id
        ]
    if kind is WEBHOOKS:
        rows = {row for record in await AGENTS.list(asked) for row in hooks_in(record.body)}
        webhooks = await everything(asked.services.webhooks.list, asked.workspace)
        return [
            (uuid_of(webhook.id), events.from_native(webhook))
            for webhook in webhooks
            if webhook.id not in rows and events.is_shown(webhook)
        ]
    return []


def hooks_in(body: Mapping[str, object]) -> list[str]:
    hooks = body.get("hooks", [])
    assert isinstance(hooks, list)
    return hooks


def fields_of(agent: NativeAgent, kept: Mapping[str, object] | None) -> Json:
    """An agent's fields as the vendor has them, its parts by id."""
    if kept is not None:
        return {name: value for name, value in kept.items() if name not in {"native", "hooks"}}
    given = AGENT.validate_python(given_by(agent.definition, uuid_of(agent.id)))
    return asdict(given)


async def _agent(asked: Asked, kind: Kind, id: str) -> NativeAgent:
    """The native agent that holds the thing of this id. Raises NotFound."""
    missing = NotFound(f"there is no {_words(kind)} {id}")
    try:
        agent = await asked.services.agents.get(asked.workspace, AgentId(id_of("agent", id)))
    except NotFound as error:
        raise missing from error
    kept = (await AGENTS.find(asked, [agent.id])).get(agent.id)
    if kept is not None and kept[kind.name] != id:
        raise missing
    return agent


def _held_by(kind: Kind, agent: NativeAgent) -> Json:
    if kind is VOICES:
        return dict(HOUSE_VOICE)
    return asdict(Prompt(content=str(PROMPT.read(agent.definition))))


def _words(kind: Kind) -> str:
    return kind.name.replace("_", " ")
