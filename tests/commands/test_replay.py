"""`strowger replay`: a call out of a file or the database, in words and in JSON."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from strowger.agent import AskNode, Node
from strowger.commands.replay import replay
from strowger.commands.replay_with import replay_with
from strowger.config import Settings, load_settings
from strowger.conversation.events import HungUp
from strowger.conversation.journal import Journal
from strowger.errors import ConfigurationError
from strowger.lifecycle import CallStatus
from strowger.model import Call, WorkerId
from strowger.store.calls import PostgresCallStore
from strowger.store.connect import open_engine
from strowger.store.records import PostgresRecords
from tests.conversation.spoken_stage import SpokenStage, spoken
from tests.conversation.stage import FLOW, play, says, scripted
from tests.postgres import KEYRING, database_url
from tests.store.samples import RESULT, a_call

__all__ = ["database_url"]

JOURNAL = play(scripted(), says(1.5, "no thanks"), says(8.1, "friday")).journal


def settings(folder: Path, **chosen: Any) -> Settings:
    return load_settings({"data": folder, **chosen}, environ={}, file=None)


def changed() -> Journal:
    """The journal as if the agent had said something else then."""
    which = FLOW.nodes["which"]
    assert isinstance(which, AskNode)
    nodes: dict[str, Node] = {**FLOW.nodes, "which": replace(which, text="Which weekday, then?")}
    other = Journal(scripted(nodes), JOURNAL.variables)
    other.entries, other.overdue, other.decisions = (
        JOURNAL.entries, JOURNAL.overdue, JOURNAL.decisions,
    )  # fmt: skip
    return other


def run(folder: Path, call: str, *, as_json: bool = False, save: Path | None = None) -> int:
    return replay(settings(folder), call, save, as_json=as_json)


def test_a_journal_that_decides_the_same_is_status_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "call.jsonl").write_bytes(JOURNAL.to_lines())
    assert run(tmp_path, str(tmp_path / "call.jsonl")) == 0
    assert "✓ the same decisions at the same times" in capsys.readouterr().out


def test_a_call_that_a_service_held_is_decided_again_and_told_in_its_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = SpokenStage(spoken(), replies=["Tuesday it is."])
    stage.callee(3.0, "Tuesday, please")
    stage.run((9.0, HungUp()))
    path = tmp_path / "call.jsonl"
    path.write_bytes(stage.journal.to_lines())
    assert run(tmp_path, str(path)) == 0
    assert "✓ the same decisions" in capsys.readouterr().out

    other = Journal(spoken("Good morning."), stage.journal.variables)
    other.entries, other.decisions = stage.journal.entries, stage.journal.decisions
    path.write_bytes(other.to_lines())
    assert run(tmp_path, str(path)) == 1
    printed = capsys.readouterr().out
    assert "agent   Hello, how can I help?" in printed

    agent = tmp_path / "agent.yaml"
    agent.write_text("{name: a, prompt: b}")
    with pytest.raises(ConfigurationError, match="a service held the conversation"):
        replay_with(settings(tmp_path), str(path), str(agent), "recorded", as_json=False)


def test_what_differs_is_printed_with_the_words_around_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "call.jsonl").write_bytes(changed().to_lines())
    assert run(tmp_path, str(tmp_path / "call.jsonl")) == 1
    printed = capsys.readouterr().out
    assert "callee  no thanks" in printed
    assert "-   3.000 s  say (3): Which day suits you?" in printed
    assert "+   3.000 s  say (3): Which weekday, then?" in printed
    assert "✗ 2 of the decisions differ" in printed


def test_the_same_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "call.jsonl").write_bytes(changed().to_lines())
    assert run(tmp_path, str(tmp_path / "call.jsonl"), as_json=True) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["same"] is False
    assert [each["change"] for each in found["differences"]] == ["missing", "new"]
    assert found["differences"][1]["decision"]["text"] == "Which weekday, then?"
    assert found["decisions"]["then"] == found["decisions"]["now"] > 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"journal": 9, "entries": 0}\n', "journal of version 9"),
        (b"RIFF", "breaks off"),
        (JOURNAL.to_lines()[:-40] + b"\n", "cannot be replayed"),
    ],
)
def test_a_file_that_cannot_be_replayed_is_a_mistake_to_mend(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "call.jsonl").write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        run(tmp_path, str(tmp_path / "call.jsonl"))


def test_what_is_neither_a_file_nor_a_call_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="neither a file nor the id of a call"):
        run(tmp_path, "nothing.jsonl")


def test_a_call_comes_out_of_the_database(database_url: str, tmp_path: Path) -> None:
    over, waiting = asyncio.run(_two_calls(database_url))
    chosen = settings(tmp_path, database_url=database_url)
    kept = tmp_path / "kept.jsonl"
    assert replay(chosen, over.id, kept, as_json=False) == 0
    assert kept.read_bytes() == JOURNAL.to_lines()
    with pytest.raises(ConfigurationError, match="this call has no journal"):
        replay(chosen, waiting.id, None, as_json=False)
    with pytest.raises(ConfigurationError, match="call_unknown"):
        replay(chosen, "call_unknown", None, as_json=False)


async def _two_calls(url: str) -> tuple[Call, Call]:
    """One that is over, and one that waits."""
    engine = open_engine(url, keyring=KEYRING)
    try:
        records, store = PostgresRecords(engine), PostgresCallStore(engine)
        worker = WorkerId("worker_1")
        calls = a_call(), a_call()
        for call in calls:
            await records.add_call(call)
        assert await store.claim_dial_attempt(calls[0].id, worker, now=1001.0)
        for status in (CallStatus.INITIATED, CallStatus.RINGING, CallStatus.IN_PROGRESS):
            await store.set_status(calls[0].id, status, worker, now=1002.0)
        await store.finish(calls[0].id, replace(RESULT, journal=JOURNAL.to_lines()))
        return calls
    finally:
        await engine.dispose()
