"""A journal told to the conversation of today: what is the same, and what is not."""

from dataclasses import replace

import pytest

from strowger.agent import AgentDefinition, AskNode, EndNode, Node, TurnTaking
from strowger.calls.kept import KeptConversation
from strowger.conversation.decided import decision_of
from strowger.conversation.events import (
    Answered,
    Become,
    DigitPressed,
    HungUp,
    ProviderFailed,
    ProviderKind,
    ReplyFinished,
    ReplySentence,
    Speak,
    SpeechStarted,
    SpeechStopped,
)
from strowger.conversation.journal import Journal, parse_journal
from strowger.conversation.replaying import (
    Change,
    Difference,
    describe_decision,
    replay_and_compare,
)
from strowger.errors import DamagedJournal
from tests.conversation.stage import FLOW, START, modelled, play, says, scripted, sounds, words

SCENE = play(scripted(), says(1.5, "no thanks"), says(8.1, "friday"))


def held_with(definition: AgentDefinition, journal: Journal) -> list[Difference]:
    """What differs where the journal's agent had been this one."""
    other = Journal(definition, journal.variables)
    other.entries, other.overdue = journal.entries, journal.overdue
    other.decisions = journal.decisions
    return list(replay_and_compare(other).differences)


@pytest.mark.parametrize(
    "scene",
    [
        SCENE,
        play(scripted(), (1.0, DigitPressed("1"))),
        play(scripted(), until=60.0),
        play(scripted(), (3.0, HungUp())),
        play(scripted(), sounds(0.5, seconds=1.0), says(4.0, "yes")),
        play(
            modelled(),
            says(3.0, "what are your hours?"),
            (5.0, ReplySentence(1, "From nine to five, every day of the week but Sunday.")),
            (5.1, ReplyFinished(1)),
            sounds(6.0, seconds=1.2),
            (7.4, words("wait a moment")),
            (8.2, ProviderFailed(ProviderKind.LANGUAGE_MODEL, "gone", True, 2)),
        ),
    ],
    ids=["answers", "digits", "silence", "hangs up", "interrupts", "model"],
)
def test_a_call_held_again_by_the_same_conversation_is_the_same_call(scene: object) -> None:
    assert isinstance(scene, type(SCENE))
    found = replay_and_compare(parse_journal(scene.journal.to_lines()))
    assert found.differences == ()
    assert found.recorded == found.now
    assert len(found.recorded) == len(scene.effects) > 1


def test_other_words_of_the_agent_are_shown_with_what_was_said_around_them() -> None:
    which = FLOW.nodes["which"]
    assert isinstance(which, AskNode)
    nodes: dict[str, Node] = {**FLOW.nodes, "which": replace(which, text="Which weekday, then?")}
    missing, new = held_with(scripted(nodes), SCENE.journal)
    assert missing.change is Change.MISSING
    assert new.change is Change.NEW
    assert missing.decision["text"] == "Which day suits you?"
    assert new.decision["text"] == "Which weekday, then?"
    assert missing.at == new.at == pytest.approx(3.0)
    assert any(line.endswith("callee  no thanks") for line in missing.around)


def test_a_timer_that_is_due_at_another_time_moves_what_it_decides() -> None:
    taking = TurnTaking(silence_timeout=5.0)
    patient = play(scripted(turn_taking=taking), until=20.0)
    found = held_with(scripted(turn_taking=replace(taking, silence_timeout=4.0)), patient.journal)
    moved = [each for each in found if each.change is Change.MOVED]
    assert {each.decision["type"] for each in moved} == {"Listen", "Speak"}
    assert moved[0].later == pytest.approx(-1.0)


def test_a_conversation_that_hangs_up_no_more_is_found_out() -> None:
    ended = SCENE.journal
    nodes = {**FLOW.nodes, "moved": FLOW.nodes["greet"]}
    found = held_with(scripted(nodes), ended)
    gone = [each.decision for each in found if each.change is Change.MISSING]
    assert {"type": "HangUp", "reason": "agent_hangup"} in gone


def test_a_busy_machine_whose_timers_were_late_replays_without_a_difference() -> None:
    machine = KeptConversation(scripted(), {}, lambda turn: None)
    machine.receive(Answered(), now=START)
    machine.receive(SpeechStarted(START + 0.5), now=START + 0.6)
    due = machine.next_timer()
    assert due is not None
    # The pause was to be judged at `due`; two events and some time went before that.
    machine.receive(SpeechStopped(due + 0.2), now=due + 0.3)
    due = machine.next_timer()
    assert due is not None
    machine.receive(words("yes", turn=1), now=due + 0.4)
    machine.handle_timer(now=due + 0.7)
    journal = parse_journal(machine.journal.to_lines())
    assert len(journal.overdue) >= 2
    assert replay_and_compare(journal).differences == ()


def test_a_dialogue_is_kept_as_its_digest_and_still_told_apart() -> None:
    scene = play(modelled("Hello. " * 60), says(12.0, "hello " * 20), until=40.0)
    asked = [
        decision
        for decided in scene.journal.decisions.values()
        for decision in decided
        if decision["type"] == "Generate"
    ]
    dialogue = asked[0]["dialogue"]
    assert isinstance(dialogue, dict)
    assert set(dialogue) == {"length", "sha256"}
    assert "ask the model for reply" in describe_decision(asked[0])
    other = replace(modelled("Hello. " * 60), prompt="Be long.")
    kinds = {each.decision["type"] for each in held_with(other, scene.journal)}
    assert kinds == {"Generate"}


def test_what_has_its_default_is_left_out_so_that_new_fields_are_no_differences() -> None:
    assert decision_of(Speak(1, "Hello.")) == {"type": "Speak", "utterance": 1, "text": "Hello."}
    assert decision_of(Speak(1, "Hello.", fallback=True))["fallback"] is True
    short = decision_of(Become(AgentDefinition(name="x")))
    assert short == {"type": "Become", "definition": {"name": "x"}}


def test_an_agent_that_cannot_be_run_any_more_is_said_so() -> None:
    broken = scripted({"greet": EndNode(type="end")}, start="nowhere")
    with pytest.raises(DamagedJournal, match="cannot be run"):
        held_with(broken, SCENE.journal)


def test_every_decision_can_be_read() -> None:
    for decided in SCENE.journal.decisions.values():
        for decision in decided:
            assert "{" not in describe_decision(decision)
    assert describe_decision({"type": "Waved", "hand": "left"}) == "Waved(hand left)"
