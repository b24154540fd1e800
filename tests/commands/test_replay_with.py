"""`strowger replay --agent`: the same callee, another agent."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from strowger.commands.demo import read_example
from strowger.commands.replay_with import (
    differing,
    held_by,
    held_then,
    recorded_answers,
    replay_with,
)
from strowger.config import Settings, load_settings
from strowger.conversation.journal import Journal, parse_journal
from strowger.errors import ConfigurationError
from strowger.store.connect import open_engine
from strowger.store.records import PostgresRecords
from tests.e2e.test_model_agents import in_a_thread
from tests.postgres import KEYRING, database_url
from tests.providers.openai_server import Asked, Client
from tests.store.samples import an_agent

__all__ = ["database_url"]

JOURNALS = Path(__file__).parents[1] / "captures" / "journals"


def journal(name: str) -> Journal:
    return parse_journal((JOURNALS / f"{name}.jsonl").read_bytes())


def settings(folder: Path, **chosen: Any) -> Settings:
    return load_settings({"data": folder, **chosen}, environ={}, file=None)


def file(folder: Path, definition: object) -> str:
    path = folder / "agent.yaml"
    path.write_text(yaml.safe_dump(definition))
    return str(path)


def run(folder: Path, call: str, agent: str, replies: str = "recorded", **chosen: Any) -> int:
    path = str(JOURNALS / f"{call}.jsonl")
    return replay_with(settings(folder, **chosen), path, agent, replies, as_json=False)


@pytest.mark.parametrize(
    "name",
    [
        "agrees", "reschedules", "interrupts", "presses-keys", "says-nothing", "hangs-up",
        "is-not-understood", "customer-speaks-and-ends-the-call", "tools", "put-through",
        "handed-over",
    ],
)  # fmt: skip
def test_the_same_agent_holds_the_call_as_it_was(name: str) -> None:
    recorded = journal(name)
    then = held_then(recorded)
    now = held_by(recorded.definition, recorded, recorded_answers(recorded))
    assert now.end_reason == then.end_reason
    assert now.outcome == then.outcome
    said = [line for line in then.lines if line.startswith("callee")]
    assert [line for line in now.lines if line.startswith("callee")] == said


def test_what_another_agent_says_stands_beside_what_was_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = read_example()
    other["flow"]["nodes"]["which_day"]["text"] = "What day is best for you?"
    assert run(tmp_path, "reschedules", file(tmp_path, other)) == 1
    printed = capsys.readouterr().out
    assert "- agent   No problem. Which weekday suits you better?" in printed
    assert "+ agent   What day is best for you?" in printed
    assert "outcome: appointment: moved to thursday\n" in printed
    assert run(tmp_path, "reschedules", file(tmp_path, read_example())) == 0
    assert "✓ the same words and the same end" in capsys.readouterr().out


DESK: dict[str, Any] = {"name": "desk", "prompt": "Be brief.", "first_message": "Hello there."}


async def reply(client: Client, asked: Asked) -> None:
    """The model repeats what it was told to be like, and says goodbye."""
    messages = asked.json()["messages"]
    assert isinstance(messages, list)
    await client.head(200, "text/event-stream")
    await client.delta(f"I was told: {messages[0]['content']} Goodbye.", "stop")
    await client.event("[DONE]")
    await client.end()


def test_another_prompt_is_asked_of_its_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = file(tmp_path, DESK | {"prompt": "Sing.", "end_call_phrases": ["goodbye"]})
    with in_a_thread(reply) as server:
        chosen = {"openai_base_url": server.url, "openai_api_key": "sk-test"}
        assert run(tmp_path, "model-fails-once", agent, "model", **chosen) == 1
    printed = capsys.readouterr().out
    assert "callee  How are you?" in printed
    assert "+ agent   I was told: Sing." in printed


def test_a_model_that_is_not_there_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be replayed with this agent.*recorded"):
        run(tmp_path, "model-fails-once", file(tmp_path, DESK), "model")


def test_json_has_both_transcripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, agent = str(JOURNALS / "agrees.jsonl"), file(tmp_path, read_example())
    assert replay_with(settings(tmp_path), path, agent, "recorded", as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["same"] is True
    assert found["then"]["turns"] == found["now"]["turns"]
    assert found["now"]["outcome"] == "appointment: confirmed tuesday"


@pytest.mark.parametrize(
    ("agent", "message"),
    [
        ("nothing.yaml", "--agent: cannot read nothing.yaml"),
        ("agent_1@two", "expected ID or ID@VERSION"),
    ],
)
def test_an_agent_that_cannot_be_found_is_a_mistake_to_mend(
    tmp_path: Path, agent: str, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        run(tmp_path, "agrees", agent)
    with pytest.raises(ConfigurationError, match="name: Field required"):
        run(tmp_path, "agrees", file(tmp_path, {"nam": "x"}))
    with pytest.raises(ConfigurationError, match="--replies"):
        run(tmp_path, "agrees", agent, "imagined")


def test_an_agent_comes_out_of_the_database_in_any_of_its_versions(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = asyncio.run(_two_versions(database_url))
    chosen = {"database_url": database_url}
    assert run(tmp_path, "agrees", f"{agent}@1", **chosen) == 0
    assert run(tmp_path, "agrees", agent, **chosen) == 1
    assert "+ agent   Good day." in capsys.readouterr().out
    with pytest.raises(ConfigurationError, match="no such version"):
        run(tmp_path, "agrees", f"{agent}@7", **chosen)


async def _two_versions(url: str) -> str:
    """The example, and after a change one that opens with other words."""
    recorded = journal("agrees").definition
    engine = open_engine(url, keyring=KEYRING)
    try:
        records = PostgresRecords(engine)
        agent = an_agent(definition=recorded, version=1)
        await records.add_agent(agent)
        assert recorded.flow is not None
        nodes = {**recorded.flow.nodes}
        first: Any = nodes[recorded.flow.start]
        nodes[recorded.flow.start] = type(first)(type="say", text="Good day.", next=first.next)
        flow = type(recorded.flow)(start=recorded.flow.start, nodes=nodes)
        await records.replace_agent(
            agent.workspace_id, agent.id, replace(recorded, flow=flow), was=1, now=2000.0
        )
        return agent.id
    finally:
        await engine.dispose()


def test_lines_are_marked_by_when_they_were_said() -> None:
    assert list(differing(["a", "b", "c"], ["a", "x", "c"])) == [
        (" ", "a"), ("-", "b"), ("+", "x"), (" ", "c"),
    ]  # fmt: skip
