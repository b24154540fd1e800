"""Whole conversations with a scripted agent, each told as it is heard."""

import pytest

from strowger.agent import Limits, TurnTaking
from strowger.conversation import phrases
from strowger.conversation.conversation import Conversation
from strowger.conversation.events import (
    Answered,
    DigitPressed,
    EndRequested,
    HangUp,
    HungUp,
    Listen,
    MediaLost,
    SayRequested,
    Speak,
    SpeechStarted,
    SpeechStopped,
    StopSpeaking,
    Transcribed,
)
from strowger.errors import InvalidRequest
from tests.conversation.stage import START, play, says, scripted, sounds, words

GREETING = "agent: Hello from Bright Dental. Can you come on Tuesday?"


def test_a_yes_leads_to_the_goodbye_and_the_agent_hangs_up_once_it_was_heard() -> None:
    scene = play(scripted(), says(4.0, "yes I can"))
    assert scene.dialogue == [GREETING, "callee: yes I can", "agent: See you then. Goodbye."]
    assert scene.spoken[2:] == [(5.5, "See you then."), (5.5, "Goodbye.")]
    assert scene.hung_up == (6.625, "agent_hangup")
    assert scene.conversation.outcome == "confirmed"
    assert scene.conversation.extracted == {}


def test_a_no_leads_to_the_next_question_whose_answer_is_kept() -> None:
    scene = play(scripted(), says(4.0, "no sorry"), says(8.0, "friday would be good"))
    assert scene.dialogue[1:] == [
        "callee: no sorry",
        "agent: Which day suits you?",
        "callee: friday would be good",
        "agent: Until friday. Goodbye.",
    ]
    assert scene.conversation.outcome == "moved to friday"
    assert scene.conversation.extracted == {"day": "friday"}


def test_the_recogniser_is_told_what_may_be_answered_before_the_question_is_spoken() -> None:
    scene = play(scripted(), says(4.0, "no"))
    kinds = [type(effect) for _, effect in scene.effects]
    assert kinds == [Listen, Speak, Speak, Listen, Speak, *kinds[5:]]
    first, second = (effect for _, effect in scene.effects[:4] if isinstance(effect, Listen))
    assert "yes" in first.phrases and "friday" not in first.phrases
    assert set(second.phrases) == {"thursday", "on thursday", "friday", "on friday"}
    assert (first.turn, second.turn) == (1, 2)


def test_speaking_over_the_agent_stops_it_and_the_transcript_keeps_what_was_heard() -> None:
    # the question lasts from 1.125 to 2.375 and is cut at 1.75, in its middle
    scene = play(scripted(), says(1.5, "yes of course"))
    assert scene.of(StopSpeaking) == [(1.75, StopSpeaking())]
    assert scene.dialogue == [
        "agent: Hello from Bright Dental. Can you come —",
        "callee: yes of course",
        "agent: See you then. Goodbye.",
    ]
    heard = scene.conversation.transcript[0]
    assert (heard.started_at, heard.ended_at, heard.interrupted) == (0.125, 1.75, True)


def test_a_cough_does_not_stop_the_agent_and_its_words_are_ignored() -> None:
    scene = play(
        scripted(),
        sounds(1.0, seconds=0.2),
        (1.3, words("yes", turn=1)),
        says(4.0, "no"),
        until=6.0,
    )
    assert not scene.of(StopSpeaking)
    assert [effect.turn for at, effect in scene.effects if isinstance(effect, Listen)] == [
        1,
        2,
        3,
    ]
    assert scene.dialogue[:2] == [GREETING, "callee: no"]


def test_a_sound_is_long_enough_even_if_its_end_is_heard_of_before_the_timer_fires() -> None:
    scene = play(
        scripted(),
        (1.5, SpeechStarted(START + 1.2)),
        (1.5, SpeechStopped(START + 1.5)),
        (1.6, words("yes")),
    )
    assert scene.of(StopSpeaking) == [(1.5, StopSpeaking())]
    assert scene.dialogue[1] == "callee: yes"


def test_a_false_start_has_the_agent_go_on_from_the_word_it_was_cut_off_at() -> None:
    scene = play(scripted(), sounds(1.5, seconds=0.5), (2.1, words("")))
    assert scene.said[:3] == [
        "Hello from Bright Dental.",
        "Can you come on Tuesday?",
        "on Tuesday?",
    ]
    # at 1.75 the question had been heard for 0.625 s, and its sound goes on there
    assert scene.of(Speak)[2] == (2.5, Speak(3, "on Tuesday?", after=2, skip=0.625))
    assert scene.dialogue[:2] == [
        "agent: Hello from Bright Dental. Can you come —",
        "agent: on Tuesday?",
    ]


def test_an_agent_that_cannot_be_interrupted_speaks_on_and_hears_who_still_speaks_then() -> None:
    stubborn = scripted(turn_taking=TurnTaking(interruptible=False))
    scene = play(stubborn, says(1.5, "yes", seconds=2.0))
    assert not scene.of(StopSpeaking)
    assert scene.dialogue == [GREETING, "callee: yes", "agent: See you then. Goodbye."]


def test_a_callee_still_speaking_when_the_agent_ends_has_the_floor() -> None:
    # the question ends at 2.375: 0.2 s into the answer, too soon to interrupt it
    scene = play(scripted(), says(2.175, "yes"))
    assert not scene.of(StopSpeaking)
    assert scene.dialogue[:2] == [GREETING, "callee: yes"]


def test_words_that_come_after_the_silence_are_waited_for() -> None:
    scene = play(scripted(), sounds(4.0, seconds=1.0), (6.5, words("yes")))
    assert scene.spoken[2] == (6.5, "See you then.")
    latency = scene.conversation.transcript[2].latency
    assert latency is not None
    assert (latency.endpointing, latency.transcription) == (0.5, 1.0)
    assert (latency.model, latency.speech, latency.total) == (None, 0.125, 1.625)


def test_words_that_come_after_the_turn_was_taken_for_a_noise_are_answered_at_once() -> None:
    scene = play(
        scripted(), sounds(4.0, seconds=0.2), (4.3, words("")), (6.0, words("yes", turn=1))
    )
    assert scene.spoken[2] == (6.0, "See you then.")
    assert scene.dialogue[1] == "callee: yes"


def test_a_pause_for_breath_does_not_end_the_turn() -> None:
    scene = play(
        scripted(),
        sounds(4.0, seconds=0.5),
        (4.6, words("well")),
        sounds(4.8, seconds=0.7),
        (5.6, words("well yes")),
    )
    assert scene.spoken[2] == (6.0, "See you then.")
    assert scene.dialogue[1] == "callee: well yes"


def test_a_turn_taken_for_finished_too_early_is_answered_together_with_its_second_part() -> None:
    # the callee goes on at 5.55, before the question in answer to the first part is heard at 5.625
    scene = play(scripted(), says(4.0, "well I"), says(5.55, "think so, no"))
    assert scene.said[2:4] == ["Sorry, yes or no?", "Which day suits you?"]
    assert scene.dialogue[1:4] == [
        "callee: well I",
        "callee: think so, no",
        "agent: Which day suits you?",
    ]


def test_a_second_part_that_overlaps_the_answers_first_words_still_belongs_to_the_turn() -> None:
    # the answer is heard from 5.625 on; nobody reacts to it within 0.1 s
    scene = play(scripted(), says(4.0, "no"), says(5.7, "no I mean not tuesday", seconds=1.5))
    assert scene.dialogue[:5] == [
        GREETING,
        "callee: no",
        "agent: Which —",
        "callee: no I mean not tuesday",
        "agent: Which day suits you?",
    ]


def test_an_answer_that_is_not_understood_is_asked_for_again_and_then_given_up() -> None:
    scene = play(scripted(), says(4.0, "blue"), says(8.0, "green"))
    assert scene.said[2:] == ["Sorry, yes or no?", "I will call again.", "Goodbye."]
    assert scene.conversation.outcome == "lost"


def test_a_long_sound_without_words_is_an_answer_that_was_not_understood() -> None:
    scene = play(scripted(), sounds(4.0, seconds=1.0), (5.1, words("")))
    assert scene.spoken[2] == (5.5, "Sorry, yes or no?")


def test_silence_is_broken_twice_and_then_ends_the_call() -> None:
    scene = play(scripted())
    question = ["Hello from Bright Dental.", "Can you come on Tuesday?"]
    goodbye = ["I cannot hear you, so I am ending the call now.", "Goodbye."]
    assert scene.said == [*question, *question, *question, *goodbye]
    assert [at for at, _ in scene.spoken[::2]] == [0.0, 9.375, 18.75, 28.125]
    assert scene.hung_up == (31.25, "silence")


def test_noises_without_words_do_not_keep_a_silent_call_alive() -> None:
    noises = [
        event for at in range(3, 60) for event in [*sounds(at, seconds=0.1), (at + 0.3, words(""))]
    ]
    assert (play(scripted(), noises).hung_up or (0, ""))[1] == "silence"


def test_words_reset_the_patience_with_silence() -> None:
    scene = play(scripted(), says(20.0, "no", seconds=1.5))
    assert scene.spoken[6] == (22.0, "Which day suits you?")
    assert len([text for text in scene.said if text == "Which day suits you?"]) == 3


def test_the_longest_duration_ends_the_call_with_a_word_of_goodbye() -> None:
    short = scripted(limits=Limits(max_duration=2.0))
    scene = play(short)
    assert scene.effects[-4:-1] == [
        (2.0, StopSpeaking()),
        (2.0, Speak(3, "I'm sorry, our time is up and I have to end the call now.")),
        (2.0, Speak(4, "Goodbye.")),
    ]
    assert scene.hung_up == (5.875, "max_duration")
    assert scene.dialogue[0] == "agent: Hello from Bright Dental. Can you come on —"


def test_a_goodbye_at_the_limit_that_is_never_heard_is_cut_short() -> None:
    scene = play(scripted(limits=Limits(max_duration=2.0, provider_deadline=30.0)), mute=True)
    assert scene.hung_up == (12.0, "max_duration")


def test_digits_answer_where_the_length_is_known_at_once() -> None:
    scene = play(scripted(), (4.0, DigitPressed("2")))
    assert scene.spoken[2] == (4.0, "Which day suits you?")
    assert scene.dialogue[1] == "callee: (pressed 2)"


def test_a_digit_interrupts_the_agent_at_once() -> None:
    scene = play(scripted(), (1.0, DigitPressed("1")))
    assert scene.of(StopSpeaking) == [(1.0, StopSpeaking())]
    assert scene.spoken[2] == (1.0, "See you then.")


def test_a_digit_pressed_while_the_agent_cannot_be_interrupted_counts_when_it_is_done() -> None:
    stubborn = scripted(turn_taking=TurnTaking(interruptible=False))
    scene = play(stubborn, (1.0, DigitPressed("1")))
    assert scene.spoken[2] == (2.375, "See you then.")


def test_the_customer_has_the_agent_say_something_now_or_when_the_callee_is_done() -> None:
    during, open_, speaking = (
        play(scripted(), says(4.0, "yes"), (at, SayRequested("By the way, bring your card.")))
        for at in (1.0, 3.0, 4.5)
    )
    assert during.spoken[2] == (1.0, "By the way, bring your card.")
    assert during.dialogue[0] == f"{GREETING} By the way, bring your card."
    assert open_.spoken[2] == (3.0, "By the way, bring your card.")
    assert speaking.spoken[2:4] == [(5.5, "By the way, bring your card."), (5.5, "See you then.")]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (HungUp(), "callee_hangup"),
        (EndRequested(), "api_request"),
        (MediaLost(), "media_lost"),
    ],
)
def test_the_call_ends_at_once_when_somebody_else_ends_it(
    event: HungUp | EndRequested | MediaLost, reason: str
) -> None:
    scene = play(scripted(), (1.2, event), says(3.0, "yes"))
    assert scene.hung_up == (1.2, reason)
    assert scene.conversation.ended
    assert scene.dialogue == ["agent: Hello from Bright Dental."]


def test_a_callee_who_is_to_speak_first_is_waited_for_no_longer_than_a_silence() -> None:
    patient = scripted(turn_taking=TurnTaking(who_speaks_first="callee"))
    greeted, silent = play(patient, says(1.0, "hello")), play(patient)
    assert greeted.spoken[0] == (2.5, "Hello from Bright Dental.")
    assert greeted.dialogue[0] == "callee: hello"
    assert silent.spoken[0] == (7.0, "Hello from Bright Dental.")


def test_the_agent_hangs_up_after_a_phrase_that_ends_calls() -> None:
    scene = play(scripted(end_call_phrases=("can you come",)))
    assert scene.hung_up == (2.375, "agent_hangup")


def test_the_transcript_only_shows_what_nothing_can_change_any_more() -> None:
    assert play(scripted(), until=2.0).dialogue == []
    assert play(scripted(), says(4.0, "no"), until=5.6).dialogue == [GREETING]
    assert play(scripted(), says(4.0, "no"), until=5.7).dialogue == [GREETING, "callee: no"]


def test_nothing_is_said_before_the_answer_and_a_second_answer_is_ignored() -> None:
    scene = play(scripted(), (0.5, Answered()))
    assert scene.said[:3] == [
        "Hello from Bright Dental.",
        "Can you come on Tuesday?",
        scene.said[0],
    ]


def test_a_second_part_is_no_answer_to_the_question_it_came_before() -> None:
    scene = play(scripted(), says(4.0, "no"), says(5.7, "friday"), until=9.0)
    assert scene.dialogue[-2:] == ["callee: friday", "agent: Which day suits you?"]


def test_each_question_has_attempts_of_its_own() -> None:
    answers = ["blue", "no", "green", "red"]
    scene = play(scripted(), *(says(4.0 + 4 * n, text) for n, text in enumerate(answers)), until=20)
    assert scene.said[-2:] == ["Which day suits you?", "Which day suits you?"]


def test_an_interrupted_goodbye_phrase_ends_nothing() -> None:
    scene = play(scripted(end_call_phrases=("can you",)), says(1.5, "yes"))
    assert scene.conversation.outcome == "confirmed"


def test_at_the_longest_duration_a_pending_answer_is_not_given() -> None:
    scene = play(scripted(limits=Limits(max_duration=5.25)), says(4.0, "yes"))
    assert scene.said[2:] == [*phrases.TIME_IS_UP.partition(" Good")[:1], "Goodbye."]


def test_words_of_another_turn_are_dropped() -> None:
    late = (5.2, Transcribed(7, "no", True))
    scene = play(scripted(), sounds(4.0, seconds=1.0), (5.1, words("yes")), late)
    assert scene.dialogue[1] == "callee: yes"


def test_a_flow_that_is_not_sound_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        play(scripted({}, start="nowhere"))
    assert refused.value.problems


def test_every_stock_phrase_is_a_sentence() -> None:
    texts = [text for name, text in vars(phrases).items() if name.isupper()]
    assert len(texts) == 8
    assert all(text[0].isupper() and text[-1] in ".?" for text in texts)


def test_a_hello_before_the_greeting_is_heard_is_answered_with_the_greeting() -> None:
    scene = play(scripted(), says(0.2, "hello", seconds=0.5), until=6.0)
    assert scene.said[2:] == ["Hello from Bright Dental.", "Can you come on Tuesday?"]
    assert scene.dialogue == ["agent: Hello —", "callee: hello", GREETING]


def test_a_hello_over_the_greeting_is_no_answer_to_a_question_not_heard_yet() -> None:
    scene = play(scripted(), says(0.6, "hello", seconds=0.5), says(6.0, "no"), until=8.5)
    assert scene.said[2:4] == ["Hello from Bright Dental.", "Can you come on Tuesday?"]
    assert scene.dialogue[:4] == [
        "agent: Hello from Bright —",
        "callee: hello",
        GREETING,
        "callee: no",
    ]


def test_who_interrupts_a_second_time_without_an_answer_is_told_what_is_asked() -> None:
    scene = play(scripted(), says(0.6, "hello", seconds=0.5), says(3.0, "who is this"), until=7.0)
    assert scene.said[4] == "Sorry, yes or no?"


def test_a_noise_lets_the_agent_say_what_the_customer_wanted_said_meanwhile() -> None:
    noise = [*sounds(4.0, seconds=0.2), (4.3, words(""))]
    scene = play(scripted(), noise, (4.1, SayRequested("One more thing.")), until=6.0)
    assert scene.spoken[2] == (4.7, "One more thing.")


def test_a_callee_who_goes_on_before_the_first_answer_is_heard_is_greeted_once() -> None:
    patient = scripted(turn_taking=TurnTaking(who_speaks_first="callee"))
    scene = play(patient, says(1.0, "hello"), says(2.6, "who is there"), until=9.0)
    assert scene.dialogue[:3] == ["callee: hello", "callee: who is there", GREETING]


def test_a_goodbye_under_way_at_the_longest_duration_is_finished() -> None:
    scene = play(scripted(limits=Limits(max_duration=6.0)), says(4.0, "yes"))
    assert scene.said[-2:] == ["See you then.", "Goodbye."]
    assert scene.hung_up == (6.625, "agent_hangup")


def test_before_the_answer_there_is_no_transcript_and_no_timer() -> None:
    conversation = Conversation(scripted(), {})
    assert conversation.transcript == ()
    assert conversation.next_timer() is None
    assert conversation.receive(SpeechStarted(1.0), now=1.0) == []
    assert conversation.handle_timer(now=5.0) == []
    assert conversation.receive(HungUp(), now=6.0) == [HangUp("callee_hangup")]
