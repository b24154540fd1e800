"""Conversations in which a provider fails: the agent says so, tries again, and then gives up."""

import pytest

from strowger.agent import Limits, TurnTaking
from strowger.conversation import phrases
from strowger.conversation.conversation import Conversation
from strowger.conversation.dialogue import Message, Role
from strowger.conversation.events import (
    Answered,
    CancelReply,
    Event,
    Generate,
    Listen,
    ProviderFailed,
    ProviderKind,
    ReplyFinished,
    ReplySentence,
    Speak,
    StopSpeaking,
    UtteranceEnded,
    UtteranceStarted,
)
from tests.conversation.stage import (
    Scene,
    generated,
    modelled,
    play,
    says,
    scripted,
    sounds,
    words,
)

QUICK = Limits(provider_deadline=2.0)
APOLOGY = ["I'm sorry, I have a technical problem, one moment please."]
LAST_APOLOGY = ["I'm sorry, I still have a technical problem and have to end the call.", "Goodbye."]


def failed(kind: ProviderKind, reference: int, *, retryable: bool = True) -> ProviderFailed:
    return ProviderFailed(kind, "503", retryable, reference)


def ending(scene: Scene) -> str | None:
    return None if scene.hung_up is None else scene.hung_up[1]


# ── the recogniser ───────────────────────────────────────────────────────────────────────────────


def test_missing_words_are_apologised_for_and_the_question_is_asked_again() -> None:
    scene = play(scripted(limits=QUICK), sounds(4.0, seconds=1.0), says(15.0, "yes"))
    question = ["Hello from Bright Dental.", "Can you come on Tuesday?"]
    assert scene.spoken[2] == (7.5, APOLOGY[0])  # 5.0 + 0.5 of endpointing + 2.0 of waiting
    assert scene.said[2:5] == [*APOLOGY, *question]
    assert scene.conversation.outcome == "confirmed"


def test_words_missing_twice_in_a_row_end_the_call() -> None:
    scene = play(scripted(limits=QUICK), sounds(4.0, seconds=1.0), sounds(15.0, seconds=1.0))
    assert scene.said[-2:] == LAST_APOLOGY
    assert ending(scene) == "provider_failed"


def test_words_that_were_not_final_are_better_than_none() -> None:
    scene = play(scripted(limits=QUICK), sounds(4.0, seconds=1.0), (4.8, words("yes", final=False)))
    assert scene.spoken[2] == (7.5, "See you then.")


def test_a_recogniser_that_fails_while_the_callee_speaks_is_not_waited_for() -> None:
    fault = failed(ProviderKind.SPEECH_TO_TEXT, 1)
    scene = play(scripted(), sounds(4.0, seconds=1.0), (4.5, fault), until=6.0)
    assert scene.spoken[2] == (5.5, APOLOGY[0])


def test_a_recogniser_that_fails_after_the_callee_spoke_is_not_waited_for() -> None:
    fault = failed(ProviderKind.SPEECH_TO_TEXT, 1)
    scene = play(scripted(), sounds(4.0, seconds=1.0), (6.0, fault), until=6.5)
    assert scene.spoken[2] == (6.0, APOLOGY[0])


def test_a_recogniser_that_fails_while_nobody_needs_it_is_asked_again_and_then_given_up() -> None:
    first, second = (failed(ProviderKind.SPEECH_TO_TEXT, turn) for turn in (1, 2))
    once = play(scripted(), (3.0, first), says(4.0, "yes"))
    assert [at for at, _ in once.of(Listen)] == [0.0, 3.0]
    assert once.conversation.outcome == "confirmed"
    twice = play(scripted(), (3.0, first), (3.5, second))
    assert twice.said[2:] == LAST_APOLOGY
    assert ending(twice) == "provider_failed"


def test_a_recogniser_that_recovers_may_fail_again_later() -> None:
    missing, again = sounds(4.0, seconds=1.0), sounds(20.0, seconds=1.0)
    scene = play(scripted(limits=QUICK), missing, says(15.0, "no"), again, until=24.0)
    assert scene.said[-2:] == [*APOLOGY, "Which day suits you?"]


# ── the language model ───────────────────────────────────────────────────────────────────────────


def reply(at: float, number: int, *sentences: str) -> list[tuple[float, Event]]:
    """The model writes a reply."""
    written = [(at, ReplySentence(number, sentence)) for sentence in sentences]
    return [*written, (at, ReplyFinished(number))]


def test_the_model_answers_what_was_said_and_its_first_sentence_is_spoken_at_once() -> None:
    scene = play(
        modelled(),
        says(3.0, "when are you open"),
        (4.75, ReplySentence(1, "From nine to five.")),
        (5.0, ReplySentence(1, "Every day.")),
        (5.25, ReplyFinished(1)),
        until=8.0,
    )
    assert generated(scene) == [
        Generate(
            1,
            (
                Message(Role.SYSTEM, "Be brief."),
                Message(Role.ASSISTANT, "Hello, how can I help?"),
                Message(Role.USER, "when are you open"),
            ),
        )
    ]
    assert scene.spoken[1:] == [(4.75, "From nine to five."), (5.0, "Every day.")]
    latency = scene.conversation.transcript[-1].latency
    assert latency is not None
    assert (latency.endpointing, latency.transcription) == (0.5, 0.0)
    assert (latency.model, latency.speech, latency.total) == (0.25, 0.125, 0.875)


def test_a_model_agent_stays_silent_at_a_noise_and_has_no_outcome() -> None:
    scene = play(modelled(), sounds(3.0, seconds=1.0), (4.1, words("")), until=6.0)
    assert scene.said == ["Hello, how can I help?"]
    assert scene.conversation.outcome is None
    assert scene.conversation.extracted == {}


def test_the_dialogue_holds_only_what_was_heard() -> None:
    scene = play(
        modelled(),
        says(3.0, "when are you open"),
        reply(4.75, 1, "From nine to five.", "But not on Sundays."),
        says(5.25, "and on sundays"),
        until=7.0,
    )
    assert generated(scene)[1].dialogue[2:] == (
        Message(Role.USER, "when are you open"),
        Message(Role.ASSISTANT, "From nine"),
        Message(Role.USER, "and on sundays"),
    )


def test_a_turn_that_goes_on_before_the_model_has_answered_is_one_turn() -> None:
    scene = play(modelled(), says(3.0, "when are you"), says(4.75, "open on sundays"), until=7.0)
    assert scene.of(CancelReply) == [(5.0, CancelReply(1))]
    assert generated(scene)[1].dialogue[2:] == (Message(Role.USER, "when are you open on sundays"),)


def test_a_false_start_before_the_model_has_answered_has_it_asked_again() -> None:
    scene = play(
        modelled(), says(3.0, "hello"), sounds(4.75, seconds=0.5), (5.5, words("")), until=7.0
    )
    first, second = generated(scene)
    assert first.dialogue == second.dialogue


def test_a_model_that_says_nothing_is_apologised_for_asked_again_and_then_given_up() -> None:
    scene = play(modelled(limits=QUICK), says(3.0, "hello"))
    assert scene.said[1:] == [*APOLOGY, *LAST_APOLOGY]
    assert scene.of(CancelReply) == [(6.5, CancelReply(1)), (8.5, CancelReply(2))]
    assert [at for at, _ in scene.of(Generate)] == [4.125, 6.5]
    assert ending(scene) == "provider_failed"


def test_a_model_that_recovers_goes_on_with_the_call() -> None:
    fault = failed(ProviderKind.LANGUAGE_MODEL, 1)
    scene = play(
        modelled(), says(3.0, "hello"), (4.6, fault), reply(5.0, 2, "Hello again."), until=9.0
    )
    assert scene.said[1:] == [*APOLOGY, "Hello again."]
    assert scene.dialogue[-1] == f"agent: {APOLOGY[0]} Hello again."


def test_a_model_that_stalls_in_the_middle_keeps_what_it_has_said() -> None:
    scene = play(
        modelled(limits=QUICK), says(3.0, "hello"), (5.0, ReplySentence(1, "Well,")), until=8.0
    )
    assert generated(scene)[1].dialogue[-1] == Message(Role.ASSISTANT, "Well,")


def test_a_model_that_recovers_may_fail_again_later() -> None:
    fault, later = (failed(ProviderKind.LANGUAGE_MODEL, number) for number in (1, 3))
    scene = play(
        modelled(),
        says(3.0, "hello"),
        (4.6, fault),
        reply(5.0, 2, "Hello again."),
        says(10.0, "yes"),
        (11.75, later),
        until=12.0,
    )
    assert scene.said[-1:] == APOLOGY


def test_every_sentence_gives_the_model_its_time_anew_and_marks_alone_are_not_spoken() -> None:
    sentences = [(4.5 + 1.5 * n, ReplySentence(1, text)) for n, text in enumerate(("a", "*", "b"))]
    scene = play(
        modelled(limits=QUICK), says(3.0, "hello"), *sentences, (9.0, ReplyFinished(1)), until=12.0
    )
    assert scene.said[1:] == ["a", "b"]


def test_an_empty_reply_is_a_failure_and_a_fault_that_will_stay_is_not_tried_again() -> None:
    empty = play(modelled(), says(3.0, "hello"), (4.6, ReplyFinished(1)), until=6.0)
    assert empty.said[1:] == APOLOGY
    fault = failed(ProviderKind.LANGUAGE_MODEL, 1, retryable=False)
    assert play(modelled(), says(3.0, "hello"), (4.6, fault)).said[1:] == LAST_APOLOGY


def test_sentences_of_a_reply_that_was_cancelled_are_not_spoken() -> None:
    scene = play(
        modelled(), says(3.0, "hello"), says(4.75, "no wait"), reply(5.5, 1, "Hello."), until=9.0
    )
    assert "Hello." not in scene.said


def test_an_agent_without_a_greeting_has_the_model_open() -> None:
    scene = play(modelled(first_message=""), reply(0.5, 1, "Good morning."), until=2.0)
    assert generated(scene) == [Generate(1, (Message(Role.SYSTEM, "Be brief."),))]
    assert scene.said == ["Good morning."]


def test_a_model_agent_breaks_the_silence_and_asks_again_for_lost_words() -> None:
    assert play(modelled(), until=9.0).said[1:] == [phrases.ARE_YOU_THERE]
    lost = play(modelled(limits=QUICK), sounds(3.0, seconds=1.0), until=8.0)
    assert lost.said[1:] == [*APOLOGY, phrases.SAY_IT_AGAIN]


# ── the voice ────────────────────────────────────────────────────────────────────────────────────


def test_a_voice_that_fails_is_apologised_for_in_another_and_tried_again() -> None:
    fault = failed(ProviderKind.TEXT_TO_SPEECH, 1)
    scene = play(scripted(), (0.1, fault), until=9.0)
    assert [effect for _, effect in scene.effects[3:]] == [
        StopSpeaking(),
        Speak(3, APOLOGY[0], True),
        Speak(4, "Hello from Bright Dental."),
        Speak(5, "Can you come on Tuesday?"),
    ]
    assert scene.conversation.ended is False


def test_a_sentence_that_fails_does_not_cut_off_the_one_before_it() -> None:
    fault = failed(ProviderKind.TEXT_TO_SPEECH, 2)
    scene = play(scripted(), (0.5, fault), until=9.0)
    assert scene.effects[3:] == [
        (1.125, StopSpeaking()),  # the first has been heard
        (1.125, Speak(3, APOLOGY[0], True)),
        (1.125, Speak(4, "Can you come on Tuesday?")),
    ]


def voices(scene: Scene) -> list[tuple[str, bool]]:
    """What was said, and whether in the fallback voice."""
    spoken = (effect for _, effect in scene.effects if isinstance(effect, Speak))
    return [(said.text, said.fallback) for said in spoken]


@pytest.mark.parametrize("retryable", [True, False])
def test_what_the_voice_fails_at_twice_is_said_in_the_other_and_the_call_goes_on(
    retryable: bool,
) -> None:
    first = failed(ProviderKind.TEXT_TO_SPEECH, 1, retryable=retryable)
    again = failed(ProviderKind.TEXT_TO_SPEECH, 4)  # while the apology is heard
    faults: list[tuple[float, Event]] = [(0.1, first), *([(0.5, again)] if retryable else [])]
    scene = play(scripted(), faults, says(9.0, "no"), says(13.0, "friday"))
    assert voices(scene)[-5:] == [
        ("Hello from Bright Dental.", True),
        ("Can you come on Tuesday?", True),
        ("Which day suits you?", True),
        ("Until friday.", True),
        ("Goodbye.", True),
    ]
    assert (APOLOGY[0] in scene.said) == retryable
    assert ending(scene) == "agent_hangup"


def test_the_voice_that_was_lost_is_tried_again_after_a_while() -> None:
    lost = failed(ProviderKind.TEXT_TO_SPEECH, 1, retryable=False)
    definition = modelled(turn_taking=TurnTaking(silence_timeout=20.0, max_reprompts=3))
    scene = play(definition, (0.1, lost), until=50.0)
    assert voices(scene) == [
        ("Hello, how can I help?", False),
        ("Hello, how can I help?", True),
        (phrases.ARE_YOU_THERE, True),
        (phrases.ARE_YOU_THERE, False),
    ]


def test_where_the_other_voice_fails_too_the_call_ends() -> None:
    faults: list[tuple[float, Event]] = [
        (at, failed(ProviderKind.TEXT_TO_SPEECH, number))
        for at, number in ((0.1, 1), (0.2, 3), (0.3, 6), (0.4, 7))
    ]
    scene = play(scripted(), faults)
    assert voices(scene)[-2:] == [(text, True) for text in LAST_APOLOGY]
    assert ending(scene) == "provider_failed"


def test_a_voice_that_never_speaks_ends_the_call() -> None:
    scene = play(scripted(limits=QUICK), mute=True)
    apologies = [effect for _, effect in scene.effects if isinstance(effect, Speak)][2:]
    assert [(at, type(effect).__name__) for at, effect in scene.effects if at > 0] == [
        (2.0, "StopSpeaking"),
        *((2.0, "Speak"),) * 3,
        (4.0, "StopSpeaking"),
        *((4.0, "Speak"),) * 2,
        (6.0, "HangUp"),
    ]
    assert apologies[-1].fallback
    assert ending(scene) == "provider_failed"


def test_a_voice_that_begins_and_never_ends_counts_as_failed() -> None:
    conversation = Conversation(modelled("Hello.", limits=QUICK), {})
    conversation.receive(Answered(), now=0.0)
    conversation.receive(UtteranceStarted(1, 0.5), now=0.5)
    assert conversation.next_timer() == pytest.approx(4.9)  # 0.5 + 2.0 + 6 letters of 0.4 s
    assert conversation.handle_timer(now=5.0) == [
        StopSpeaking(),
        Speak(2, APOLOGY[0], True),
        Speak(3, "Hello."),
    ]


def test_a_voice_that_recovers_may_fail_again_later() -> None:
    first, later = (failed(ProviderKind.TEXT_TO_SPEECH, number) for number in (1, 6))
    scene = play(scripted(), (0.1, first), says(8.0, "no"), (9.55, later), until=12.0)
    assert scene.said[-2:] == [*APOLOGY, "Which day suits you?"]


def test_an_utterance_that_starts_ends_all_before_it() -> None:
    conversation = Conversation(scripted(), {})
    conversation.receive(Answered(), now=0.0)
    conversation.receive(UtteranceStarted(2, 1.0), now=1.0)  # nothing was heard of the first
    conversation.receive(UtteranceEnded(2, 1.5, 1.5, True), now=2.5)
    assert [turn.text for turn in conversation.transcript] == ["Can you come on Tuesday?"]
    assert conversation.next_timer() == 9.5


def test_a_goodbye_that_fails_is_said_in_the_other_voice_and_the_reason_stays() -> None:
    fault = failed(ProviderKind.TEXT_TO_SPEECH, 3)
    scene = play(scripted(), says(4.0, "yes"), (5.55, fault))
    spoken = [effect for _, effect in scene.effects if isinstance(effect, Speak)]
    assert [(said.text, said.fallback) for said in spoken[4:]] == [
        ("See you then.", True),
        ("Goodbye.", True),
    ]
    assert ending(scene) == "agent_hangup"


@pytest.mark.parametrize("kind", list(ProviderKind))
def test_failures_of_what_is_no_longer_wanted_change_nothing(kind: ProviderKind) -> None:
    scene = play(
        modelled(), (2.0, failed(kind, 99)), (2.1, UtteranceEnded(99, 1, 1, True)), until=5
    )
    assert scene.said == ["Hello, how can I help?"]
