"""The turn machine by itself: its table, and the finer points of who has the floor."""

from strowger.agent import TurnTaking
from strowger.conversation.decisions import (
    Decision,
    Dismissed,
    Interrupted,
    LikelyEnded,
    StayedSilent,
    TurnEnded,
    WentOn,
    WordsMissing,
)
from strowger.conversation.events import DigitPressed, SpeechStarted, SpeechStopped, Transcribed
from strowger.conversation.turn import TRANSITIONS, Floor, Heard, Input, TurnMachine

PATIENCE = 2.0


def play(
    *script: tuple[float, Heard],
    until: float = 6.0,
    machine: TurnMachine | None = None,
    drafts: bool = False,
) -> list[tuple[float, Decision]]:
    """What is decided, and when, by a machine whose agent has just finished at 0.0."""
    if machine is None:
        machine = listening()
    decided: list[tuple[float, Decision]] = []

    def fire(at: float) -> None:
        while machine.deadline is not None and machine.deadline <= at:
            due = machine.deadline
            decision = machine.handle_timer(now=due)
            if decision is not None:
                decided.append((due, decision))

    for at, event in script:
        fire(at)
        decision = machine.receive(event, now=at)
        if decision is not None:
            decided.append((at, decision))
    fire(until)
    if drafts:
        return decided
    return [(at, what) for at, what in decided if not isinstance(what, LikelyEnded | WentOn)]


def listening(taking: TurnTaking | None = None) -> TurnMachine:
    machine = TurnMachine(taking or TurnTaking(), PATIENCE)
    machine.agent_finished(now=0.0)
    return machine


def speaking(taking: TurnTaking | None = None) -> TurnMachine:
    return TurnMachine(taking or TurnTaking(), PATIENCE)


def words(text: str, *, final: bool = True) -> Transcribed:
    return Transcribed(1, text, final)


def turn(text: str, *, since: float, until: float, decided: float, digits: str = "") -> TurnEnded:
    return TurnEnded(
        text=text,
        digits=digits,
        confidence=None,
        started_at=since,
        ended_at=until,
        decided_at=decided,
    )


def test_every_floor_has_a_row_can_be_reached_and_can_be_left() -> None:
    assert set(TRANSITIONS) == set(Floor)
    reached = {floor for row in TRANSITIONS.values() for floor in row.values()}
    assert reached == set(Floor)
    for floor, row in TRANSITIONS.items():
        assert set(row.values()) - {floor}
    assert {input for row in TRANSITIONS.values() for input in row} == set(Input)


def test_the_turn_is_over_after_the_endpointing_delay_counted_from_the_last_sound() -> None:
    assert play(
        (1.0, SpeechStarted(0.75)),
        (2.0, words("hello")),
        (2.25, SpeechStopped(2.0)),  # the news came 0.25 s after the sound
        (2.3, words("hello there")),
    ) == [(2.5, turn("hello there", since=0.75, until=2.0, decided=2.5))]


def test_words_that_come_late_and_say_less_than_the_final_ones_undo_nothing() -> None:
    assert play(
        (1.0, SpeechStarted(1.0)),
        (2.2, SpeechStopped(2.0)),
        (2.3, words("hello there")),
        (2.3, words("hello there", final=False)),
        (2.4, words("hello", final=False)),
    ) == [(2.5, turn("hello there", since=1.0, until=2.0, decided=2.5))]


def test_words_that_say_more_than_the_final_ones_are_waited_for() -> None:
    assert play(
        (1.0, SpeechStarted(1.0)),
        (2.2, SpeechStopped(2.0)),
        (2.3, words("hello")),
        (2.4, words("hello there", final=False)),
        (3.0, words("hello there you")),
    ) == [(3.0, turn("hello there you", since=1.0, until=2.0, decided=2.5))]


def test_final_words_before_the_last_sound_are_not_taken_for_all() -> None:
    assert play(
        (1.0, SpeechStarted(1.0)),
        (1.5, words("my name")),
        (2.0, SpeechStopped(2.0)),
        (3.0, words("my name is Bo")),
    ) == [(3.0, turn("my name is Bo", since=1.0, until=2.0, decided=2.5))]


def test_words_that_never_come_are_missing_when_patience_is_over() -> None:
    spoken = ((1.0, SpeechStarted(1.0)), (2.0, SpeechStopped(2.0)))
    assert play(*spoken) == [(4.5, WordsMissing())]
    lost = listening()
    assert play(*spoken, until=3.0, machine=lost) == []
    assert lost.words_lost()
    assert lost.handle_timer(now=3.0) == WordsMissing()


def test_the_callee_may_go_on_while_words_are_awaited() -> None:
    assert play(
        (1.0, SpeechStarted(1.0)),
        (2.0, SpeechStopped(2.0)),
        (2.75, SpeechStarted(2.75)),
        (3.0, words("I can")),
        (3.5, SpeechStopped(3.5)),
        (3.75, words("I can come")),
    ) == [(4.0, turn("I can come", since=1.0, until=3.5, decided=4.0))]


def test_an_interruption_is_counted_from_the_first_sound() -> None:
    assert play((1.25, SpeechStarted(1.125)), until=2.0, machine=speaking()) == [
        (1.375, Interrupted(1.125))
    ]


def test_a_sound_was_long_enough_even_if_its_end_is_known_before_the_timer_fires() -> None:
    machine = speaking()
    assert machine.receive(SpeechStarted(1.0), now=1.5) is None
    assert machine.receive(SpeechStopped(1.375), now=1.5) == Interrupted(1.0)
    assert (machine.floor, machine.deadline) == (Floor.PAUSE, 1.875)


def test_a_cough_over_the_agent_is_dismissed_and_its_words_are_forgotten() -> None:
    machine = speaking()
    cough = ((1.0, SpeechStarted(1.0)), (1.1, words("hm")), (1.2, SpeechStopped(1.2)))
    assert play(*cough, machine=machine) == [(1.2, Dismissed())]
    assert machine.floor is Floor.AGENT
    machine.listen()
    machine.agent_finished(now=3.0)
    assert machine.deadline == 10.0


def test_whoever_cannot_be_interrupted_is_not() -> None:
    machine = speaking(TurnTaking(interruptible=False))
    assert play((1.0, SpeechStarted(1.0)), machine=machine) == []
    machine.agent_finished(now=7.0)
    assert machine.floor is Floor.CALLEE
    assert machine.receive(SpeechStopped(8.0), now=8.0) is None
    assert machine.deadline == 8.5


def test_digits_end_with_their_number_a_hash_or_a_pause() -> None:
    pressed = [(1.0, DigitPressed("4")), (2.0, DigitPressed("2"))]
    assert play(*pressed) == [(5.0, turn("", since=1.0, until=2.0, decided=5.0, digits="42"))]
    with_hash = play(*pressed, (2.5, DigitPressed("#")))
    assert with_hash == [(2.5, turn("", since=1.0, until=2.5, decided=2.5, digits="42"))]
    two = listening()
    two.digits_wanted = 2
    assert play(*pressed, machine=two) == [
        (2.0, turn("", since=1.0, until=2.0, decided=2.0, digits="42"))
    ]


def test_digits_take_the_place_of_words() -> None:
    script: list[tuple[float, Heard]] = [
        (1.0, SpeechStarted(1.0)),
        (1.5, words("four")),
        (1.5, DigitPressed("4")),
        (2.0, SpeechStopped(2.0)),
    ]
    assert [decision for _, decision in play(*script)] == [
        turn("", since=1.5, until=2.0, decided=4.5, digits="4")
    ]


def test_the_agent_that_speaks_over_a_callee_is_interrupted_only_by_what_follows() -> None:
    machine = listening()
    machine.digits_wanted = 1
    decided = play((1.0, SpeechStarted(1.0)), (3.0, DigitPressed("1")), until=3.1, machine=machine)
    assert [type(decision) for _, decision in decided] == [TurnEnded]
    assert machine.floor is Floor.OVERLAP
    assert machine.deadline == 3.25


def test_nobody_speaks_for_the_silence_timeout() -> None:
    assert play(until=8.0) == [(7.0, StayedSilent())]


def test_a_sound_without_words_ends_without_text_and_does_not_count_as_speech() -> None:
    machine = listening()
    noise = play(
        (6.0, SpeechStarted(6.0)), (6.8, SpeechStopped(6.5)), (6.9, words("")), machine=machine,
        until=7.0,
    )  # fmt: skip
    assert noise == [(7.0, turn("", since=6.0, until=6.5, decided=7.0))]
    machine.agent_passes(now=7.0)
    assert machine.handle_timer(now=7.0) == StayedSilent()


def test_the_agent_may_begin_unasked_only_where_nobody_speaks() -> None:
    machine = listening()
    assert machine.claim(now=1.0)
    assert not machine.claim(now=1.0)
    machine.agent_finished(now=2.0)
    machine.receive(SpeechStarted(3.0), now=3.0)
    assert not machine.claim(now=3.0)


def test_a_timer_before_its_time_and_sounds_out_of_order_change_nothing() -> None:
    machine = listening()
    assert machine.handle_timer(now=6.9) is None
    assert play((1.0, SpeechStopped(1.0)), until=2.0, machine=machine) == []
    started_twice = ((3.0, SpeechStarted(3.0)), (3.5, SpeechStarted(3.5)))
    assert play(*started_twice, until=4.0, machine=machine) == []
    assert machine.floor is Floor.CALLEE
