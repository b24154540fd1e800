"""`strowger replay --agent`: a finished call's callee, and another agent."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.text import Text

from strowger.agent import AgentDefinition
from strowger.app.database import database
from strowger.app.given import provider_settings
from strowger.calls.choosing import model_of
from strowger.commands.call import read_agent
from strowger.commands.replay import read_journal
from strowger.config import Settings
from strowger.conversation.callees_part import callees_part
from strowger.conversation.conversation import Conversation
from strowger.conversation.dialogue import ToolCall
from strowger.conversation.either import conversation_of
from strowger.conversation.events import Event, Generate, ReplySentence, ToolRequested
from strowger.conversation.journal import Journal, parse_journal
from strowger.conversation.reenacting import Answers, Reenactment
from strowger.conversation.replaying import hold_again
from strowger.conversation.sentences import SentenceSplitter
from strowger.errors import ConfigurationError, DamagedJournal, NotFound, ProviderError
from strowger.model import DEFAULT_WORKSPACE, AgentId, Turn
from strowger.ports import ReplyText
from strowger.providers.registry import ConfiguredProviders
from strowger.store.connect import open_engine
from strowger.store.records import PostgresRecords

REPLIES = ("model", "recorded")


@dataclass(frozen=True, slots=True)
class Held:
    """A call as one agent held it."""

    lines: tuple[str, ...]
    """The transcript."""
    end_reason: str | None
    outcome: str | None


def replay_with(settings: Settings, call: str, agent: str, replies: str, *, as_json: bool) -> int:
    """0 where both say and do the same, 1 where not. Raises ConfigurationError."""
    if replies not in REPLIES:
        raise ConfigurationError(f"--replies: expected model or recorded, got {replies!r}")
    definition = find_agent(settings, agent)
    try:
        journal = parse_journal(read_journal(settings, call))
        then = held_then(journal)
        now = held_by(definition, journal, _answers(settings, definition, journal, replies))
    except DamagedJournal as problem:
        raise ConfigurationError(f"{call} cannot be replayed: {problem}") from problem
    except ProviderError as problem:
        raise ConfigurationError(
            f"{call} cannot be replayed with this agent: {problem}; its model is asked anew,"
            " unless --replies recorded takes those of the call"
        ) from problem
    same = then == now
    if as_json:
        sys.stdout.write(json.dumps(_record(then, now)) + "\n")
    else:
        _print(call, definition, then, now)
    return 0 if same else 1


def held_then(journal: Journal) -> Held:
    """The call as it was."""
    conversation = conversation_of(journal.definition, journal.variables)
    reason = None
    for decided in hold_again(journal, conversation):
        if decided.decision["type"] == "HangUp":
            reason = str(decided.decision["reason"])
    return Held(_lines(conversation.transcript), reason, conversation.outcome)


def held_by(definition: AgentDefinition, journal: Journal, answers: Answers) -> Held:
    """The call as this agent holds it with the same callee."""
    conversation = conversation_of(definition, journal.variables)
    if not isinstance(conversation, Conversation):
        raise DamagedJournal("a speech-to-speech service hears sound, of which none is kept")
    held = Reenactment(conversation, callees_part(journal), answers)
    held.run()
    return Held(_lines(conversation.transcript), held.reason, conversation.outcome)


def _lines(turns: Sequence[Turn]) -> tuple[str, ...]:
    lines = []
    for turn in turns:
        said = turn.text
        if turn.tool is not None:
            said = f"{turn.tool.name}({turn.tool.arguments}): {turn.text}"
        lines.append(f"{turn.role:6}  {said}{' —' if turn.interrupted else ''}")
    return tuple(lines)


# ── the agent and its model ──────────────────────────────────────────────────────────────────


def find_agent(settings: Settings, agent: str) -> AgentDefinition:
    """From a file of that name, else from the database. Raises ConfigurationError."""
    if Path(agent).exists() or not agent.startswith("agent_"):
        try:
            return TypeAdapter(AgentDefinition).validate_python(read_agent(Path(agent)))
        except ValidationError as error:
            told = error.errors(include_url=False, include_input=False)
            problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in told)
            raise ConfigurationError(f"--agent: {agent}: {problems}") from error
    name, at, version = agent.partition("@")
    if at and not version.isdigit():
        raise ConfigurationError(f"--agent: expected ID or ID@VERSION, got {agent!r}")
    with database(settings) as url:
        return asyncio.run(_kept(url, AgentId(name), int(version) if at else None))


async def _kept(url: str, agent: AgentId, version: int | None) -> AgentDefinition:
    engine = open_engine(url, pool_size=1)
    try:
        records = PostgresRecords(engine)
        if version is None:
            return (await records.get_agent(DEFAULT_WORKSPACE, agent)).definition
        found = await records.get_agent_version(DEFAULT_WORKSPACE, agent, version)
        return found.definition
    except NotFound as error:
        raise ConfigurationError(f"--agent: {agent}: {error}") from None
    finally:
        await engine.dispose()


def _answers(
    settings: Settings, definition: AgentDefinition, journal: Journal, replies: str
) -> Answers:
    if replies == "recorded":
        return recorded_answers(journal)
    return lambda effect: asyncio.run(_asked(settings, definition, effect))


def recorded_answers(journal: Journal) -> Answers:
    """The replies of the call, one after another."""
    numbers: dict[int, list[ReplySentence | ToolRequested]] = {}
    for _, event in journal.entries:
        if isinstance(event, ReplySentence | ToolRequested):
            numbers.setdefault(event.reply, []).append(event)
    waiting = [numbers[number] for number in sorted(numbers)]

    def answer(effect: Generate) -> list[Event]:
        if not waiting:
            raise ProviderError("the call has no further replies", retryable=False)
        return [_renumbered(event, effect.reply) for event in waiting.pop(0)]

    return answer


def _renumbered(event: ReplySentence | ToolRequested, reply: int) -> Event:
    if isinstance(event, ReplySentence):
        return ReplySentence(reply, event.text)
    return ToolRequested(reply, event.id, event.name, event.arguments)


async def _asked(settings: Settings, definition: AgentDefinition, effect: Generate) -> list[Event]:
    """What the agent's own model says to the dialogue. Raises ProviderError."""
    splitter, events = SentenceSplitter(), list[Event]()
    async with ConfiguredProviders(provider_settings(settings)) as providers:
        model, asked = model_of(definition.model, providers)
        parts = model.reply(effect.dialogue, asked, tools=effect.tools)
        async for part in parts:
            if isinstance(part, ReplyText):
                events += [ReplySentence(effect.reply, each) for each in splitter.feed(part.text)]
            elif isinstance(part, ToolCall):
                events += [ReplySentence(effect.reply, each) for each in splitter.flush()]
                events.append(ToolRequested(effect.reply, part.id, part.name, part.arguments))
    return events + [ReplySentence(effect.reply, each) for each in splitter.flush()]


# ── what is printed ──────────────────────────────────────────────────────────────────────────


def _record(then: Held, now: Held) -> dict[str, object]:
    return {
        "same": then == now,
        "then": {"end_reason": then.end_reason, "outcome": then.outcome, "turns": then.lines},
        "now": {"end_reason": now.end_reason, "outcome": now.outcome, "turns": now.lines},
    }


def differing(then: Sequence[str], now: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each line with its mark: a space in both, a minus then only, a plus now only."""
    matcher = SequenceMatcher(None, then, now, autojunk=False)
    for tag, then_from, then_to, now_from, now_to in matcher.get_opcodes():
        if tag == "equal":
            yield from ((" ", line) for line in then[then_from:then_to])
        else:
            yield from (("-", line) for line in then[then_from:then_to])
            yield from (("+", line) for line in now[now_from:now_to])


def _print(call: str, definition: AgentDefinition, then: Held, now: Held) -> None:
    console = Console(highlight=False)
    console.print(f"{call} · with {definition.name} in place of the call's agent", soft_wrap=True)
    styles = {" ": "", "-": "red", "+": "green"}
    for mark, line in differing(then.lines, now.lines):
        console.print(Text(f"  {mark} {line}", style=styles[mark]), soft_wrap=True)
    for name, before, after in (
        ("end", then.end_reason, now.end_reason),
        ("outcome", then.outcome, now.outcome),
    ):
        said = f"{before}" if before == after else f"{before} then, {after} now"
        console.print(Text(f"{name}: {said}", style="" if before == after else "yellow"))
    if then == now:
        console.print(Text.assemble(("✓", "green"), " the same words and the same end"))
    else:
        console.print(Text.assemble(("✗", "red"), " this agent holds the call otherwise"))
