from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from strowger.simulate.persona import Persona, Rule, Sound, Step, WaitFor
from strowger.simulate.player import (
    Action,
    ActionEnded,
    AgentHungUp,
    Answered,
    DigitHeard,
    Event,
    HangUp,
    Heard,
    Leave,
    Play,
    Player,
    Press,
    React,
    Say,
    SpeechStarted,
    SpeechStopped,
    StopSaying,
    words,
)


def persona(*script: Step, **others: Any) -> Persona:
    return Persona(name="test", script=script, **others)


def act(player: Player, *script: tuple[float, Event], until: float = 60.0) -> list[Any]:
    """Run a call on a fake clock; return what the persona did, and when, without its reasons."""
    return [(at, done) for at, done in everything(player, *script, until=until) if _acts(done)]


def everything(
    player: Player, *script: tuple[float, Event], until: float = 60.0
) -> list[tuple[float, Action]]:
    done: list[tuple[float, Action]] = []
    for at, event in [*script, (until, None)]:
        while (timer := player.next_timer()) is not None and timer <= at:
            fired = round(max(timer, 0.0), 6)
            actions = player.handle_timer(now=timer)
            done += [(fired, action) for action in actions]
            if any(isinstance(action, HangUp) for action in actions):
                return done
        if event is not None:
            assert player.receive(event, now=at) == []
    return done


def _acts(action: Action) -> bool:
    return not isinstance(action, React)


def agent_says(text: str, start: float, end: float) -> Sequence[tuple[float, Event]]:
    """The agent speaks; its words are known a little after it fell silent."""
    return (
        (start, SpeechStarted(start)),
        (end + 0.1, SpeechStopped(end)),
        (end + 0.2, Heard(text, True)),
    )


def test_a_step_is_taken_when_the_agent_has_been_silent_for_the_reaction_time() -> None:
    assert act(
        Player(persona(Step(say="Yes.", delay=0.5))),
        (0.0, Answered()),
        *agent_says("can you come", 1.0, 4.0),
    ) == [(4.5, Say(1, "Yes."))]


def test_a_pause_between_two_sentences_is_no_turn() -> None:
    assert act(
        Player(persona(Step(say="Yes.", delay=0.5))),
        (0.0, Answered()),
        (1.0, SpeechStarted(1.0)),
        (2.1, SpeechStopped(2.0)),
        (2.3, SpeechStarted(2.3)),
        (5.1, SpeechStopped(5.0)),
    ) == [(5.5, Say(1, "Yes."))]


def test_steps_follow_one_another_by_the_agents_turns() -> None:
    assert act(
        Player(persona(Step(say="Yes.", delay=0.5), Step(press="42#", delay=0.2))),
        (0.0, Answered()),
        *agent_says("one", 1.0, 2.0),
        (3.0, ActionEnded(1)),
        *agent_says("two", 4.0, 5.0),
    ) == [(2.5, Say(1, "Yes.")), (5.2, Press(2, "42#"))]


def test_the_reaction_says_what_was_recognised_and_what_was_not() -> None:
    script = (Step(say="Yes.", hears=("can you come", "tuesday")), Step(say="Bye.", hears=("bye",)))
    done = everything(
        Player(persona(*script)),
        (0.0, Answered()),
        *agent_says("See you on Tuesday, all right?", 1.0, 2.0),
        (3.0, ActionEnded(1)),
        *agent_says("", 4.0, 5.0),
    )
    assert [action for _, action in done if isinstance(action, React)] == [
        React(("can you come", "tuesday"), "tuesday"),
        React(("bye",), None),
    ]


def test_a_step_for_certain_words_waits_until_they_come() -> None:
    step = Step(wait_for=WaitFor.WORDS, hears=("yes or no",), say="Yes.", delay=0.5)
    assert act(
        Player(persona(step)),
        (0.0, Answered()),
        *agent_says("hello there", 1.0, 2.0),
        *agent_says("hello there is it yes or no", 8.0, 9.0),
    ) == [(9.5, Say(1, "Yes."))]


def test_words_that_come_after_the_reaction_time_still_let_a_waiting_step_go_on() -> None:
    step = Step(wait_for=WaitFor.WORDS, hears=("yes or no",), say="Yes.", delay=0.5)
    player = Player(persona(step))
    player.receive(Answered(), now=0.0)
    player.receive(SpeechStarted(1.0), now=1.0)
    player.receive(SpeechStopped(2.0), now=2.1)
    player.receive(Heard("yes or no", True), now=3.0)
    assert player.next_timer() == 2.5  # due at once
    assert player.handle_timer(now=3.0)[1:] == [Say(1, "Yes.")]


def test_a_persona_that_listens_answers_late_words_at_once_but_does_not_wait_for_ever() -> None:
    step = Step(hears=("hello",), say="Hello.", delay=0.5)
    spoken: tuple[tuple[float, Event], ...] = (
        (0.0, Answered()),
        (1.0, SpeechStarted(1.0)),
        (2.1, SpeechStopped(2.0)),
    )
    player = Player(persona(step))
    assert act(player, *spoken) == [(3.5, Say(1, "Hello."))]
    player = Player(persona(step))
    assert act(player, *spoken, until=3.0) == []
    player.receive(Heard("hello", True), now=3.0)
    assert player.handle_timer(now=3.0) == [React(("hello",), "hello"), Say(1, "Hello.")]


def test_words_of_the_sentence_before_do_not_count_as_all_the_words() -> None:
    step = Step(hears=("hello",), say="Hello.", delay=0.5)
    assert act(
        Player(persona(step)),
        (0.0, Answered()),
        (1.0, SpeechStarted(1.0)),
        (2.1, SpeechStopped(2.0)),
        (2.2, SpeechStarted(2.2)),
        (2.3, Heard("hello", True)),
        (3.1, SpeechStopped(3.0)),
    ) == [(4.5, Say(1, "Hello."))]


def test_talking_over_the_agent_is_a_step_that_waits_for_its_speech() -> None:
    over = Step(wait_for=WaitFor.AGENT_SPEAKING, delay=1.2, say="Hold on.")
    assert act(
        Player(persona(over, Step(say="Yes.", delay=0.5))),
        (0.0, Answered()),
        (1.0, SpeechStarted(1.0)),
        (2.9, SpeechStopped(2.6)),  # it yields
        (3.5, ActionEnded(1)),
        *agent_says("who are you", 4.0, 5.0),
    ) == [(2.2, Say(1, "Hold on.")), (5.5, Say(2, "Yes."))]


def test_who_talks_over_the_agent_does_not_do_so_in_its_pauses() -> None:
    over = Step(wait_for=WaitFor.AGENT_SPEAKING, delay=1.0, hang_up=True)
    assert act(
        Player(persona(over)),
        (0.0, Answered()),
        (1.0, SpeechStarted(1.0)),
        (1.8, SpeechStopped(1.7)),
        (2.5, SpeechStarted(2.5)),
    )[0][1] == HangUp("script")


def test_speech_that_was_cut_off_by_the_callee_is_no_answer_to_the_callee() -> None:
    over = Step(wait_for=WaitFor.AGENT_SPEAKING, delay=1.0, say="Hold on.")
    assert act(
        Player(persona(over, Step(say="Yes."))),
        (0.0, Answered()),
        (1.0, SpeechStarted(1.0)),
        (3.0, ActionEnded(1)),
        (3.1, SpeechStopped(2.9)),  # found out late: it had stopped before the callee did
    ) == [(2.0, Say(1, "Hold on."))]


def test_an_agent_that_does_not_yield_is_answered_when_it_is_done() -> None:
    over = Step(wait_for=WaitFor.AGENT_SPEAKING, delay=1.0, say="Hold on.")
    assert act(
        Player(persona(over, Step(say="Yes.", delay=0.5))),
        (0.0, Answered()),
        (1.0, SpeechStarted(1.0)),
        (3.0, ActionEnded(1)),
        (6.1, SpeechStopped(6.0)),
    ) == [(2.0, Say(1, "Hold on.")), (6.5, Say(2, "Yes."))]


def test_a_rule_goes_before_the_script_and_leaves_the_step_for_later() -> None:
    script = Step(say="Yes.", delay=0.5)
    rule = Rule(hears=("who are you",), say="Your neighbour.", delay=0.3, times=1)
    assert act(
        Player(persona(script, rules=(rule,))),
        (0.0, Answered()),
        *agent_says("who are you", 1.0, 2.0),
        (3.0, ActionEnded(1)),
        *agent_says("who are you", 4.0, 5.0),
    ) == [(2.3, Say(1, "Your neighbour.")), (5.5, Say(2, "Yes."))]


def test_words_count_for_one_reaction_only() -> None:
    rule = Rule(hears=("hello",), say="Hello.", delay=0.3)
    assert act(
        Player(persona(rules=(rule,))),
        (0.0, Answered()),
        *agent_says("hello", 1.0, 2.0),
        (3.0, ActionEnded(1)),
        *agent_says("", 4.0, 5.0),
    ) == [(2.3, Say(1, "Hello."))]


def test_a_menu_reacts_to_digits() -> None:
    rule = Rule(digits="12", say="Sales.", delay=0.5)
    assert act(
        Player(persona(rules=(rule,))),
        (0.0, Answered()),
        (1.0, DigitHeard("1")),
        (1.4, DigitHeard("2")),
    ) == [(1.9, Say(1, "Sales."))]


def test_an_answering_machine_greets_beeps_and_listens() -> None:
    machine = persona(
        Step(wait_for=WaitFor.NOTHING, delay=0.4, say="Nobody home."),
        Step(wait_for=WaitFor.NOTHING, delay=0.5, play=Sound.BEEP),
        Step(delay=3.0, hang_up=True),
    )
    assert act(
        Player(machine),
        (0.0, Answered()),
        (3.0, ActionEnded(1)),
        (4.0, ActionEnded(2)),
        *agent_says("a message", 5.0, 9.0),
    ) == [
        (0.4, Say(1, "Nobody home.")),
        (3.5, Play(2, Sound.BEEP)),
        (12.0, HangUp("script")),
    ]


def test_a_step_is_repeated_as_often_as_it_says() -> None:
    turns = [event for n in range(4) for event in _turn(n)]
    done = act(
        Player(persona(Step(say="Yes.", repeat=2), Step(say="No."))), (0.0, Answered()), *turns
    )
    assert [action.text for _, action in done] == ["Yes.", "Yes.", "No."]


def test_a_step_can_be_repeated_for_ever() -> None:
    turns = [event for n in range(4) for event in _turn(n)]
    done = act(Player(persona(Step(say="Yes.", repeat="forever"))), (0.0, Answered()), *turns)
    assert [action.text for _, action in done] == ["Yes."] * 4


def _turn(number: int) -> list[tuple[float, Event]]:
    """One turn of the agent's, and the end of the persona's answer to it."""
    start = 1.0 + 5 * number
    return [*agent_says("and", start, start + 1), (start + 3, ActionEnded(number + 1))]


def test_a_polite_persona_stops_when_it_is_talked_over_for_long_enough() -> None:
    talker = persona(Step(wait_for=WaitFor.NOTHING, say="I think", delay=0.0), yields_after=0.5)
    assert act(
        Player(talker),
        (0.0, Answered()),
        (1.0, SpeechStarted(1.0)),
        (1.3, SpeechStopped(1.2)),  # too short to yield to
        (2.0, SpeechStarted(2.0)),
        (2.6, ActionEnded(1)),
        (4.0, SpeechStopped(3.9)),
    ) == [(0.0, Say(1, "I think")), (2.5, StopSaying())]


def test_one_who_interrupts_yields_only_if_the_agent_goes_on() -> None:
    over = Step(wait_for=WaitFor.AGENT_SPEAKING, delay=1.0, say="Hold on.")
    assert act(
        Player(persona(over, yields_after=0.7)), (0.0, Answered()), (1.0, SpeechStarted(1.0))
    ) == [(2.0, Say(1, "Hold on.")), (2.7, StopSaying())]


def test_patience_ends_every_call() -> None:
    assert act(Player(persona(patience=30.0)), (5.0, Answered())) == [(35.0, HangUp("patience"))]


def test_nothing_is_said_before_the_call_is_answered() -> None:
    player = Player(persona(Step(wait_for=WaitFor.NOTHING, say="Hello?", delay=0.0)))
    assert player.next_timer() is None
    assert player.handle_timer(now=10.0) == []


def test_after_hanging_up_there_is_nothing_left_to_do() -> None:
    player = Player(persona(Step(wait_for=WaitFor.NOTHING, hang_up=True, delay=0.0)))
    player.receive(Answered(), now=0.0)
    assert HangUp("script") in player.handle_timer(now=0.0)
    player.receive(SpeechStarted(1.0), now=1.0)
    player.receive(SpeechStopped(2.0), now=2.0)
    assert player.next_timer() is None


def test_when_the_agent_hangs_up_the_persona_drops_what_it_meant_to_do() -> None:
    player = Player(persona(Step(say="Yes.", delay=0.5)))
    player.receive(Answered(), now=0.0)
    player.receive(SpeechStarted(1.0), now=1.0)
    player.receive(SpeechStopped(2.0), now=2.0)
    assert player.receive(AgentHungUp("goodbye"), now=2.1) == [Leave("goodbye")]
    assert player.next_timer() is None


def test_phrases_are_found_whatever_their_case_and_punctuation() -> None:
    assert words("Yes, or NO? It's 3 p.m.") == ["yes", "or", "no", "it's", "3", "p", "m"]


EVENTS = st.one_of(
    st.floats(0, 60).map(SpeechStarted),
    st.floats(0, 60).map(SpeechStopped),
    st.builds(Heard, st.sampled_from(["yes or no", "hello", ""]), st.booleans()),
    st.integers(0, 5).map(ActionEnded),
    st.sampled_from("12#").map(DigitHeard),
)
STEPS = st.builds(
    Step,
    wait_for=st.sampled_from(WaitFor),
    hears=st.just(("hello",)),
    delay=st.floats(0, 3),
    repeat=st.integers(1, 3) | st.just("forever"),
    say=st.just("Hi."),
)


@given(
    st.lists(STEPS, max_size=4),
    st.lists(st.tuples(st.floats(0, 5), EVENTS), max_size=30),
    st.floats(0, 2) | st.none(),
)
def test_whatever_happens_one_thing_is_done_at_a_time_and_the_call_ends(
    steps: list[Step], happenings: list[tuple[float, Event]], yields_after: float | None
) -> None:
    rules = (Rule(digits="1", press="9"), Rule(hears=("yes or no",), say="Yes.", times=2))
    player = Player(persona(*steps, rules=rules, patience=100.0, yields_after=yields_after))
    now, busy, script = 0.0, None, [(0.0, Answered()), *happenings]
    for pause, event in script:
        now += pause
        if isinstance(event, ActionEnded) and event.action == busy:
            busy = None
        player.receive(event, now=now)
        for _ in range(10):
            timer = player.next_timer()
            if timer is None or timer > now:
                break
            for action in player.handle_timer(now=now):
                if isinstance(action, Say | Play | Press):
                    assert busy is None, "two things at once"
                    busy = action.action
        else:
            raise AssertionError("a timer that never comes to rest")
