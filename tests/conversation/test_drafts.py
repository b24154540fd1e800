"""Whole conversations of agents that begin a reply early, go on after coughs, fill silences."""

from dataclasses import replace

from strowger.agent import AgentDefinition, HttpTool, Limits, TurnTaking
from strowger.conversation.events import (
    CancelReply,
    Event,
    Generate,
    ProviderFailed,
    ProviderKind,
    ReplyFinished,
    ReplySentence,
    Speak,
    StopSpeaking,
    ToolRequested,
    UseTool,
)
from tests.conversation.stage import Scene, generated, modelled, play, says, sounds, words

LOOK = HttpTool(type="http", name="look", description="Look.", url="https://example.com/")


Part = tuple[float, Event] | list[tuple[float, Event]]


def reply(at: float, number: int, *sentences: str) -> list[tuple[float, Event]]:
    written: list[tuple[float, Event]] = [(at, ReplySentence(number, text)) for text in sentences]
    return [*written, (at, ReplyFinished(number))]


def fast(**taking: object) -> AgentDefinition:
    return modelled(turn_taking=TurnTaking(**taking))  # type: ignore[arg-type]


def test_a_reply_begun_in_the_pause_is_spoken_the_moment_the_turn_is_over() -> None:
    scene = play(fast(), says(3.0, "when do you open"), reply(4.25, 1, "At nine."), until=8.0)
    assert [at for at, _ in scene.of(Generate)] == [4.125]
    assert scene.spoken[1:] == [(4.5, "At nine.")], "not before"
    latency = scene.conversation.transcript[-1].latency
    assert latency is not None
    assert (latency.model, latency.total) == (0.0, 0.625)


def test_what_the_model_is_still_writing_then_follows() -> None:
    scene = play(
        fast(),
        says(3.0, "when do you open"),
        (4.25, ReplySentence(1, "At nine.")),
        reply(4.75, 1, "Every day."),
        until=8.0,
    )
    assert scene.spoken[1:] == [(4.5, "At nine."), (4.75, "Every day.")]
    assert scene.dialogue[-1] == "agent: At nine. Every day."


def test_a_callee_who_goes_on_never_hears_the_reply_to_half_of_it() -> None:
    scene = play(
        fast(),
        says(3.0, "when do you open"),
        reply(4.2, 1, "At nine."),
        says(4.3, "on sundays"),
        reply(6.0, 2, "We do not."),
        until=8.0,
    )
    assert scene.said[1:] == ["We do not."]
    assert [effect.reply for effect in generated(scene)] == [1, 2]


def test_a_draft_that_is_not_finished_is_cancelled_when_the_callee_goes_on() -> None:
    scene = play(fast(), says(3.0, "when do you open"), says(4.3, "on sundays"), until=5.0)
    assert scene.of(CancelReply) == [(4.3, CancelReply(1))]


def test_a_tool_that_a_draft_asks_for_waits_until_the_turn_is_over() -> None:
    definition = replace(fast(), tools=(LOOK,))
    asked: list[tuple[float, Event]] = [
        (4.2, ToolRequested(1, "c", "look", "{}")),
        (4.2, ReplyFinished(1)),
    ]
    over = play(definition, says(3.0, "look please"), asked, until=5.0)
    assert [at for at, _ in over.of(UseTool)] == [4.5]
    went_on = play(definition, says(3.0, "look please"), asked, says(4.3, "no"), until=5.0)
    assert not went_on.of(UseTool)


def test_a_draft_that_fails_is_asked_again_without_a_word() -> None:
    failed = ProviderFailed(ProviderKind.LANGUAGE_MODEL, "overloaded", True, 1)
    scene = play(fast(), says(3.0, "hello there"), (4.2, failed), reply(5.0, 2, "Hi."), until=8.0)
    assert [at for at, _ in scene.of(Generate)] == [4.125, 4.5]
    assert scene.said[1:] == ["Hi."]


def test_a_draft_that_stalls_is_given_its_time_once_it_is_the_reply() -> None:
    patient = replace(fast(), limits=Limits(provider_deadline=2.0))
    scene = play(patient, says(3.0, "hello there"), until=7.0)
    assert scene.of(CancelReply)[0] == (6.5, CancelReply(1))


def test_preemptive_replies_can_be_switched_off() -> None:
    scene = play(fast(preemptive=False), says(3.0, "hello there"), until=5.0)
    assert [at for at, _ in scene.of(Generate)] == [4.5]


# ── false interruptions ──────────────────────────────────────────────────────────────────────

LONG = "We are open from nine to five every day but Sunday."


def test_a_cough_during_a_reply_has_it_go_on_where_it_stopped_and_the_model_is_not_asked() -> None:
    scene = play(
        fast(),
        says(3.0, "when are you open"),
        reply(4.25, 1, LONG, "Do come."),
        sounds(5.5, seconds=0.5),
        (6.1, words("")),
        until=12.0,
    )
    assert scene.of(StopSpeaking) == [(5.75, StopSpeaking())]
    # heard from 4.625 to 5.75: four words, and its sound goes on there
    again = Speak(4, "nine to five every day but Sunday.", after=2, skip=1.125)
    assert scene.of(Speak)[3][1] == again
    assert scene.said[4:] == ["Do come."]
    assert len(generated(scene)) == 1
    assert scene.dialogue[2:] == [
        "agent: We are open from —",
        "agent: nine to five every day but Sunday. Do come.",
    ]


def test_who_only_shows_that_he_listens_lets_the_agent_go_on() -> None:
    scene = play(
        fast(),
        says(3.0, "when are you open"),
        reply(4.25, 1, LONG),
        says(5.5, "yeah", seconds=0.5),
        until=12.0,
    )
    assert scene.dialogue[2:] == [
        "agent: We are open from —",
        "callee: yeah",
        "agent: nine to five every day but Sunday.",
    ]


def test_what_the_model_writes_during_a_cough_is_said_after_it() -> None:
    scene = play(
        fast(),
        says(3.0, "when are you open"),
        (4.25, ReplySentence(1, LONG)),
        sounds(5.5, seconds=0.5),
        (5.9, ReplySentence(1, "Do come.")),
        (6.1, words("")),
        (6.75, ReplySentence(1, "Goodbye.")),
        (6.75, ReplyFinished(1)),
        until=12.0,
    )
    assert scene.said[2:] == ["nine to five every day but Sunday.", "Do come.", "Goodbye."]
    assert not scene.of(CancelReply)


def test_what_it_writes_during_an_interruption_is_never_said() -> None:
    scene = play(
        fast(),
        says(3.0, "when are you open"),
        (4.25, ReplySentence(1, LONG)),
        says(5.5, "no on sundays", seconds=0.5),
        (5.9, ReplySentence(1, "Do come.")),
        reply(7.0, 2, "Never."),
        until=12.0,
    )
    assert scene.said[2:] == ["Never."]
    assert CancelReply(1) in [effect for _, effect in scene.of(CancelReply)]


def test_a_tool_asked_for_during_a_cough_is_used_after_it() -> None:
    scene = play(
        replace(fast(), tools=(LOOK,)),
        says(3.0, "when are you open"),
        (4.25, ReplySentence(1, LONG)),
        sounds(5.5, seconds=0.5),
        (5.9, ToolRequested(1, "c", "look", "{}")),
        (5.9, ReplyFinished(1)),
        (6.1, words("")),
        until=12.0,
    )
    assert [at for at, _ in scene.of(UseTool)] == [6.5]


def test_a_model_that_fails_during_a_cough_is_asked_for_the_rest_after_it() -> None:
    scene = play(
        fast(),
        says(3.0, "when are you open"),
        (4.25, ReplySentence(1, LONG)),
        sounds(5.5, seconds=0.5),
        (5.9, ProviderFailed(ProviderKind.LANGUAGE_MODEL, "gone", True, 1)),
        (6.1, words("")),
        reply(7.0, 2, "Do come."),
        until=12.0,
    )
    assert scene.said[2:] == ["nine to five every day but Sunday.", "Do come."]


# ── interruptions ────────────────────────────────────────────────────────────────────────────


def interrupted(*then: Part, until: float = 12.0) -> Scene:
    """The agent has spoken since 4.625, and is still being written when he takes the floor."""
    asked: list[Part] = [says(3.0, "when are you open"), (4.25, ReplySentence(1, LONG))]
    return play(fast(), *asked, *then, until=until)


def test_a_reply_to_an_interruption_is_begun_in_the_pause_after_it() -> None:
    scene = interrupted(says(5.5, "no on sundays", seconds=0.5), reply(6.25, 2, "Never."))
    assert [at for at, _ in scene.of(Generate)] == [4.125, 6.125]
    assert scene.spoken[2:] == [(6.5, "Never.")]
    assert generated(scene)[1].dialogue[-1].text == "no on sundays"


def test_words_that_only_show_that_he_listens_begin_no_reply() -> None:
    scene = interrupted(says(5.5, "uh huh", seconds=0.5), reply(7.0, 1, "Do come."))
    assert len(generated(scene)) == 1 and not scene.of(CancelReply)


def test_words_that_turn_out_to_be_none_have_the_agent_go_on_and_the_model_with_it() -> None:
    scene = interrupted(
        says(5.5, "no on sundays", seconds=0.5),
        (6.25, ReplySentence(2, "Never.")),
        (6.3, words("")),
        reply(7.0, 3, "Do come."),
    )
    assert scene.said[2:] == ["nine to five every day but Sunday.", "Do come."]
    assert CancelReply(2) in [effect for _, effect in scene.of(CancelReply)]


def test_a_turn_that_goes_on_over_the_answer_is_answered_as_one_and_as_soon() -> None:
    scene = play(
        fast(),
        says(3.0, "when are you open"),
        reply(4.75, 1, LONG),
        says(4.6, "on sundays i mean", seconds=0.5),
        reply(5.4, 2, "Never."),
        until=8.0,
    )
    assert [at for at, _ in scene.of(Generate)] == [4.125, 5.225]
    assert scene.spoken[2:] == [(5.6, "Never.")]
    told = [message.text for message in generated(scene)[1].dialogue if message.role == "user"]
    assert told == ["when are you open on sundays i mean"]
    assert scene.dialogue[1:] == ["callee: when are you open on sundays i mean", "agent: Never."]


def test_where_a_word_of_the_answer_was_heard_the_rest_is_answered_as_soon_too() -> None:
    scene = play(
        fast(),
        says(3.0, "when are you open"),
        reply(4.25, 1, LONG),
        says(4.7, "on sundays i mean", seconds=0.5),
        reply(5.5, 2, "Never."),
        until=8.0,
    )
    assert [at for at, _ in scene.of(Generate)] == [4.125, 5.325]
    assert scene.spoken[2:] == [(5.7, "Never.")]
    assert scene.dialogue[1:] == [
        "callee: when are you open",
        "agent: We —",
        "callee: on sundays i mean",
        "agent: Never.",
    ]


def test_an_apology_for_words_that_were_lost_is_not_taken_for_what_was_interrupted() -> None:
    scene = play(
        modelled(limits=Limits(provider_deadline=2.0)),
        says(3.0, "when are you open"),
        reply(4.25, 1, LONG),
        sounds(5.5, seconds=0.5),
        says(13.0, "yeah", seconds=0.5),
        until=14.5,
    )
    assert "nine to five every day but Sunday." not in scene.said


# ── fillers and re-prompts ───────────────────────────────────────────────────────────────────


def test_a_model_that_takes_its_time_is_filled_in_for_once_a_turn() -> None:
    definition = fast(fillers=("Let me think.", "Hm."), filler_delay=1.0)
    scene = play(
        definition,
        says(3.0, "why is that so"),
        reply(7.0, 1, "Because."),
        says(9.0, "and why that"),
        until=12.0,
    )
    assert scene.spoken[1:] == [(5.5, "Let me think."), (7.0, "Because."), (11.5, "Hm.")]
    assert scene.dialogue[2] == "agent: Let me think. Because."


def test_silences_are_broken_with_words_of_ones_own() -> None:
    definition = fast(silence_timeout=3.0, reprompts=("Hello?", "Anybody?"), max_reprompts=3)
    scene = play(definition, until=14.0)
    assert scene.said[1:] == ["Hello?", "Anybody?", "Anybody?"]
