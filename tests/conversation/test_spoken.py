"""Conversations that a service holds: who is heard, what is asked of it, and how they end."""

from dataclasses import replace

import pytest

from strowger.agent import (
    AgentDefinition,
    DigitsTool,
    EndCallTool,
    HandoffTarget,
    HandoffTool,
    HttpTool,
    Limits,
    McpTool,
    Progress,
    TransferTarget,
    TransferTool,
    TurnTaking,
    VoicemailPolicy,
    VoicemailTool,
)
from strowger.conversation import phrases
from strowger.conversation.dialogue import Role
from strowger.conversation.events import (
    AgentFetched,
    Answered,
    DigitPressed,
    DropTool,
    EndRequested,
    FetchAgent,
    FindTools,
    FoundTool,
    HangUp,
    HungUp,
    MediaLost,
    SayRequested,
    SendDigits,
    SpeechStarted,
    SpeechStopped,
    StopSpeaking,
    ToolFinished,
    ToolsFound,
    Transfer,
    TransferAccepted,
    UseTool,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.conversation.journal import parse_journal, replay
from strowger.conversation.replaying import replay_and_compare
from strowger.conversation.speech_to_speech.events import (
    AgentWords,
    AnswerTool,
    CalleeBegan,
    CalleeDone,
    CalleeWords,
    Connect,
    Connected,
    Hush,
    Inform,
    ItemOver,
    OfferTools,
    PassOn,
    ReportHeard,
    Respond,
    Say,
    SayPlainly,
    ServiceLeft,
    SoundBegan,
    SpokenEffect,
    SpokenEvent,
)
from strowger.conversation.speech_to_speech.machine import SpokenConversation
from tests.conversation.spoken_stage import SpokenStage, spoken, texts

BOOK = HttpTool(
    type="http",
    name="book",
    description="Book a table.",
    url="https://example.com",
    parameters={
        "type": "object",
        "properties": {"day": {"type": "integer"}},
        "required": ["day"],
    },
    deadline=5.0,
    progress=Progress(after=1.0, every=3.0, texts=("One moment.", "Still on it.")),
)
END = EndCallTool(type="end_call", outcomes=("booked", "lost"))
SALES = TransferTool(type="transfer", targets=(TransferTarget(name="sales", to="+14155550123"),))
COLLEAGUES = HandoffTool(
    type="handoff", agents=(HandoffTarget(name="billing", agent_id="agent_2"),)
)
SHOP = McpTool(type="mcp", name="shop", url="https://example.com/mcp")


class Theatre(SpokenStage):
    """A stage whose tools answer after half a second."""

    answer_to: ToolFinished | None = None
    accepts = True
    colleague: AgentDefinition | None = None

    def acts(self, effect: SpokenEffect) -> None:
        match effect:
            case UseTool(use):
                self.soon(0.5, ToolFinished(use, True, "booked for Ann"))
            case Transfer(use):
                self.soon(0.2, TransferAccepted(use))
                self.soon(1.0, ToolFinished(use, self.accepts, "nobody answered"))
            case FetchAgent(use) if self.colleague is not None:
                self.soon(0.1, AgentFetched(use, self.colleague))
            case FindTools(server):
                found = FoundTool("buy", "Buy it.", '{"type": "object"}')
                self.soon(0.4, ToolsFound(server.name, (found,)))
            case _:
                pass


class Deaf(Theatre):
    """A service that never says anything by itself."""

    def answer(self) -> None:
        pass


class Falters(Theatre):
    """A service that does not say goodbye, and a fallback voice that may not either."""

    has_voice = True
    breaks_off = False

    def carry_out(self, effect: SpokenEffect) -> None:
        match effect:
            case Say(text) if "oodbye" in text:
                if self.breaks_off:
                    self.fail()
            case SayPlainly(item) if not self.has_voice:
                self.tell(ItemOver(item))
            case _:
                super().carry_out(effect)


def same_again(stage: SpokenStage) -> None:
    """The journal holds the call again, to the last decision."""
    journal = parse_journal(stage.journal.to_lines())
    assert [effect for _, effect in replay(journal)] == [effect for _, effect in stage.effects]
    assert replay_and_compare(journal).differences == ()


# ── who speaks ───────────────────────────────────────────────────────────────────────────────


def test_the_agent_greets_answers_and_the_callee_hangs_up() -> None:
    stage = Theatre(spoken(), replies=["Very well, Tuesday it is."])
    stage.callee(3.0, "Tuesday, please")
    stage.run((9.0, HungUp()))
    assert stage.reason == "callee_hangup"
    assert stage.transcript == [
        ("agent", "Hello, how can I help?"),
        ("callee", "Tuesday, please"),
        ("agent", "Very well, Tuesday it is."),
    ]
    (connect,) = (effect for effect in stage.asked(Connect) if isinstance(effect, Connect))
    assert connect.brief.instructions == "Be brief, Ann."
    assert texts(stage.asked(Say)) == ["Hello, how can I help?"]
    same_again(stage)


def test_an_agent_without_a_first_message_has_the_service_begin() -> None:
    stage = Theatre(spoken(first_message=""), replies=["Good day."]).run((4.0, HungUp()))
    assert stage.asked(Say, Respond) == [Respond()]
    assert stage.transcript == [("agent", "Good day.")]


def test_who_waits_for_the_callee_says_nothing_until_the_hello() -> None:
    taking = TurnTaking(who_speaks_first="callee")
    stage = Theatre(spoken(turn_taking=taking), replies=["Hello there."])
    stage.callee(1.0, "Hello?")
    stage.run((5.0, HungUp()))
    assert stage.asked(Say, Respond) == []
    assert stage.transcript == [("callee", "Hello?"), ("agent", "Hello there.")]


def test_who_waits_for_a_hello_that_does_not_come_speaks_first_after_all() -> None:
    taking = TurnTaking(who_speaks_first="callee", silence_timeout=3.0)
    stage = Theatre(spoken("Is this Ann?", turn_taking=taking)).run((6.0, HungUp()))
    assert texts(stage.asked(Say)) == ["Is this Ann?"]


def test_a_service_that_greets_by_itself_is_not_asked_to() -> None:
    stage = Theatre(spoken(), greets=True)
    stage.at(0.6, lambda: stage.say("Hi, this is Eleven."))
    stage.run((4.0, HungUp()))
    assert stage.asked(Say, Respond) == []
    assert stage.transcript == [("agent", "Hi, this is Eleven.")]


# ── being interrupted ────────────────────────────────────────────────────────────────────────


def test_what_the_callee_cut_off_is_what_was_heard_and_the_service_is_told() -> None:
    greeting = "one two three four five six seven eight nine ten"
    stage = Theatre(spoken(greeting))
    stage.callee(2.0, "stop")
    stage.run((6.0, HungUp()))
    turn = stage.conversation.transcript[0]
    assert turn.interrupted
    assert greeting.startswith(turn.text)
    assert 3 <= len(turn.text.split()) <= 7
    (reported,) = (each for each in stage.asked(ReportHeard) if isinstance(each, ReportHeard))
    assert reported.item.startswith("1.item")
    assert reported.seconds == pytest.approx(1.3, abs=0.01)
    assert stage.transcript[1:] == [("callee", "stop"), ("agent", "Very well.")]
    same_again(stage)


def test_an_agent_that_cannot_be_interrupted_speaks_on() -> None:
    taking = TurnTaking(interruptible=False)
    stage = Theatre(spoken("one two three four five six seven eight", turn_taking=taking))
    stage.callee(1.5, "stop")
    stage.run((8.0, HungUp()))
    assert stage.asked(StopSpeaking) == []
    assert stage.transcript[0] == ("agent", "one two three four five six seven eight")


def test_a_call_that_ends_in_the_middle_of_a_word_has_what_was_heard() -> None:
    stage = Theatre(spoken("one two three four five six seven eight")).run((1.8, HungUp()))
    ((role, text),) = stage.transcript
    assert role == "agent"
    assert text and "one two three four five six seven eight".startswith(text)
    assert len(text.split()) < 8


def test_each_turn_tells_where_its_time_went() -> None:
    stage = Theatre(spoken(), replies=["Yes."])
    stage.callee(3.0, "And?")
    stage.run((7.0, HungUp()))
    latency = stage.conversation.transcript[2].latency
    assert latency is not None
    assert latency.endpointing == pytest.approx(0.5)
    assert latency.total == pytest.approx(1.05)
    stages = (latency.endpointing, latency.model, latency.wire)
    assert sum(stage or 0.0 for stage in stages) == pytest.approx(latency.total)


def test_a_service_that_only_tells_of_turns_that_are_over_has_the_same_figures() -> None:
    stage = Theatre(spoken(), replies=["Yes."])
    stage.at(3.0, SpeechStarted(1003.0))
    stage.at(4.2, SpeechStopped(1004.0))
    stage.at(4.5, lambda: stage.tell(CalleeDone("1.only")))
    stage.at(4.5, lambda: stage.tell(CalleeWords("1.only", "And?")))
    stage.at(4.5, stage.answer)
    stage.run((7.0, HungUp()))
    _, callee, agent = stage.conversation.transcript
    assert (callee.started_at, callee.ended_at) == (3.0, 4.0)
    assert agent.latency is not None
    assert agent.latency.endpointing == pytest.approx(0.5)
    assert agent.latency.total == pytest.approx(1.05)


def test_words_with_times_are_counted_as_far_as_they_were_over() -> None:
    conversation = SpokenConversation(spoken(), {})
    heard: list[tuple[float, SpokenEvent]] = [
        (0.0, Answered()),
        (0.2, Connected(1, True, False)),
        (0.5, AgentWords("1.a", "one, two three four", True)),
        (0.5, SoundBegan(1, "1.a")),
        (0.6, UtteranceStarted(1, 0.6)),
        (1.5, CalleeBegan("1.c")),
        (1.5, UtteranceEnded(1, 0.9, 2.0, False, 3)),
        (2.0, HungUp()),
    ]
    for now, event in heard:
        conversation.receive(event, now=now)
    (turn,) = conversation.transcript
    assert (turn.text, turn.interrupted) == ("one, two three", True)


def test_words_of_the_callee_that_never_come_hold_nothing_up() -> None:
    stage = Theatre(spoken("Hi."), replies=["Well."])
    stage.at(3.0, lambda: stage.tell(CalleeBegan("1.lost")))
    stage.at(4.0, lambda: stage.tell(CalleeDone("1.lost")))
    stage.at(4.0, stage.answer)
    stage.callee(9.0, "Hello?")
    told: list[list[tuple[str, str]]] = []
    for at in (8.0, 19.5):
        stage.at(at, lambda: told.append(stage.transcript))
    stage.run((20.0, HungUp()))
    assert told[0] == [("agent", "Hi.")]
    assert told[1][:3] == [("agent", "Hi."), ("agent", "Well."), ("callee", "Hello?")]


# ── tools ────────────────────────────────────────────────────────────────────────────────────


def test_a_tool_is_used_once_and_the_service_speaks_of_it() -> None:
    stage = Theatre(spoken(tools=(BOOK,)), replies=['call book {"day": 2}', "It is booked."])
    stage.callee(3.0, "Book it")
    stage.run((9.0, HungUp()))
    (use,) = (effect for effect in stage.asked(UseTool) if isinstance(effect, UseTool))
    assert use.arguments == '{"day": 2}'
    (answer,) = (each for each in stage.asked(AnswerTool) if isinstance(each, AnswerTool))
    assert (answer.ok, answer.result) == (True, "booked for Ann")
    assert stage.transcript[2:] == [("tool", "booked for Ann"), ("agent", "It is booked.")]
    same_again(stage)


@pytest.mark.parametrize(
    "asked",
    ['book {"day": "never"}', 'book {"day', "book []", "sell {}", 'transfer_call {"target": "+1"}'],
)
def test_what_is_broken_or_made_up_is_refused_and_the_call_goes_on(asked: str) -> None:
    stage = Theatre(spoken(tools=(BOOK, SALES)), replies=[f"call {asked}", "I cannot do that."])
    stage.callee(3.0, "Do it")
    stage.run((9.0, HungUp()))
    assert stage.asked(UseTool, Transfer) == []
    (answer,) = (each for each in stage.asked(AnswerTool) if isinstance(each, AnswerTool))
    assert not answer.ok
    assert stage.transcript[-1] == ("agent", "I cannot do that.")


def test_a_slow_tool_is_spoken_of_and_given_up() -> None:
    class Slow(Theatre):
        def acts(self, effect: SpokenEffect) -> None:
            pass

    stage = Slow(spoken(tools=(BOOK,)), replies=['call book {"day": 2}', "It did not work."])
    stage.callee(3.0, "Book it")
    stage.run((16.0, HungUp()))
    assert "One moment." in texts(stage.asked(Say))
    assert len(stage.asked(DropTool)) == 1
    assert stage.transcript[-1] == ("agent", "It did not work.")


def test_a_service_that_goes_in_circles_is_stopped() -> None:
    stage = Theatre(spoken(tools=(BOOK,)), replies=['call book {"day": 2}'])
    stage.callee(3.0, "Book it")
    stage.run((60.0, HungUp()))
    assert len(stage.asked(UseTool)) == 8


def test_tools_of_a_server_are_offered_once_they_are_found_and_used() -> None:
    stage = Theatre(spoken(tools=(SHOP,)), replies=["call shop_buy {}", "Bought."])
    stage.callee(3.0, "Buy it")
    stage.run((9.0, HungUp()))
    (offer,) = (each for each in stage.asked(OfferTools) if isinstance(each, OfferTools))
    assert [tool.name for tool in offer.tools] == ["shop_buy"]
    assert len(stage.asked(UseTool)) == 1


def test_keys_are_pressed() -> None:
    tools = (DigitsTool(type="digits"),)
    stage = Theatre(spoken(tools=tools), replies=['call press_keys {"digits": "12#"}', "Done."])
    stage.callee(3.0, "Press one two")
    stage.run((9.0, HungUp()))
    assert stage.asked(SendDigits) == [SendDigits("12#")]


def test_the_callee_is_put_through_once_he_has_heard_why() -> None:
    reply = 'I put you through to sales.\ncall transfer_call {"target": "sales"}'
    stage = Theatre(spoken(tools=(SALES,)), replies=[reply])
    stage.callee(3.0, "Sales please")
    stage.run()
    assert stage.reason == "transferred"
    (transfer,) = (each for each in stage.asked(Transfer) if isinstance(each, Transfer))
    assert transfer.to == "+14155550123"
    assert stage.transcript[2][1] == "I put you through to sales."


def test_a_callee_who_is_not_put_through_is_told() -> None:
    stage = Theatre(
        spoken(tools=(SALES,)),
        replies=['call transfer_call {"target": "sales"}', "Nobody is there."],
    )
    stage.accepts = False
    stage.callee(3.0, "Sales please")
    stage.run((12.0, HungUp()))
    assert stage.reason == "callee_hangup"
    assert stage.transcript[-1] == ("agent", "Nobody is there.")


def test_another_agent_takes_over_at_its_own_service_with_what_was_said() -> None:
    stage = Theatre(spoken(tools=(COLLEAGUES,)), replies=['call hand_off {"agent": "billing"}'])
    stage.colleague = replace(spoken("Billing here."), name="billing", prompt="You bill.")
    stage.callee(3.0, "My bill")
    stage.run((9.0, HungUp()))
    _, second = (each for each in stage.asked(Connect) if isinstance(each, Connect))
    assert second.brief.instructions == "You bill."
    roles = [message.role for message in second.brief.dialogue]
    assert roles[:2] == [Role.ASSISTANT, Role.USER]
    assert stage.transcript[-1] == ("agent", "Billing here.")


def test_an_agent_of_the_other_kind_cannot_take_over() -> None:
    stage = Theatre(
        spoken(tools=(COLLEAGUES,)), replies=['call hand_off {"agent": "billing"}', "I cannot."]
    )
    stage.colleague = AgentDefinition(name="billing", prompt="You bill.")
    stage.callee(3.0, "My bill")
    stage.run((9.0, HungUp()))
    assert len(stage.asked(Connect)) == 1
    assert stage.transcript[-1] == ("agent", "I cannot.")


# ── the end ──────────────────────────────────────────────────────────────────────────────────


def test_the_service_ends_the_call_once_its_goodbye_was_heard() -> None:
    reply = 'See you then, goodbye.\ncall end_call {"outcome": "booked"}'
    stage = Theatre(spoken(tools=(END,)), replies=[reply])
    stage.callee(3.0, "That is all")
    stage.run()
    assert (stage.reason, stage.conversation.outcome) == ("agent_hangup", "booked")
    assert ("agent", "See you then, goodbye.") in stage.transcript
    same_again(stage)


def test_a_goodbye_of_the_tools_own_is_said_first() -> None:
    end = EndCallTool(type="end_call", message="Thank you for calling.")
    stage = Theatre(spoken(tools=(end,)), replies=["call end_call {}"])
    stage.callee(3.0, "That is all")
    stage.run()
    assert stage.reason == "agent_hangup"
    assert stage.transcript[-1] == ("agent", "Thank you for calling.")


def test_a_phrase_ends_the_call() -> None:
    stage = Theatre(spoken(end_call_phrases=("Have a good day",)), replies=["Have a good day!"])
    stage.callee(3.0, "Bye")
    stage.run()
    assert stage.reason == "agent_hangup"


def test_a_machine_that_answers_is_left_the_message() -> None:
    policy = VoicemailPolicy(action="leave_message", message="Please call back, {{name}}.")
    tools = (VoicemailTool(type="voicemail"),)
    definition = replace(spoken(tools=tools), voicemail=policy)
    stage = Theatre(definition, replies=["call voicemail_reached {}"])
    stage.callee(3.0, "Leave a message after the tone")
    stage.run()
    assert stage.reason == "voicemail"
    assert stage.transcript[-1] == ("agent", "Please call back, Ann.")


def test_silence_is_broken_as_often_as_it_may_and_ends_the_call() -> None:
    taking = TurnTaking(silence_timeout=4.0, max_reprompts=2, reprompts=("Hello?", "Still there?"))
    stage = Theatre(spoken("Hi.", turn_taking=taking)).run()
    assert texts(stage.asked(Say)) == ["Hi.", "Hello?", "Still there?", phrases.NOBODY_THERE]
    assert stage.reason == "silence"
    assert stage.longest_silence() < 5.0


def test_the_longest_duration_ends_the_call_with_a_word() -> None:
    stage = Theatre(spoken("Hi.", limits=Limits(max_duration=5.0))).run()
    assert stage.reason == "max_duration"
    assert texts(stage.asked(Say))[-1] == phrases.TIME_IS_UP
    assert stage.asked(Hush) == [Hush()]


@pytest.mark.parametrize("breaks_off", [False, True])
def test_a_goodbye_that_the_service_does_not_say_the_fallback_voice_says(breaks_off: bool) -> None:
    stage = Falters(spoken("Hi.", limits=Limits(max_duration=6.0, provider_deadline=2.0)))
    stage.breaks_off = breaks_off
    stage.run()
    assert stage.reason == "max_duration"
    assert stage.transcript[-1] == ("agent", phrases.TIME_IS_UP)
    assert texts(stage.asked(SayPlainly)) == [phrases.TIME_IS_UP]
    same_again(stage)


def test_where_nobody_can_say_goodbye_the_call_ends_without() -> None:
    stage = Falters(spoken("Hi.", limits=Limits(max_duration=6.0, provider_deadline=2.0)))
    stage.has_voice = False
    stage.run()
    assert (stage.reason, stage.transcript) == ("max_duration", [("agent", "Hi.")])
    assert stage.lasted == pytest.approx(8.0)


def test_a_goodbye_that_takes_too_long_is_cut_short() -> None:
    end = EndCallTool(type="end_call", message="goodbye " * 100)
    stage = Theatre(
        spoken("Hi.", tools=(end,), limits=Limits(max_duration=8.0)), replies=["call end_call {}"]
    )
    stage.callee(3.0, "Bye")
    stage.run()
    assert (stage.reason, stage.lasted) == ("agent_hangup", 18.0)


class Forgetful(Theatre):
    """A far end that takes a transfer and never says what came of it."""

    def acts(self, effect: SpokenEffect) -> None:
        if isinstance(effect, Transfer):
            self.soon(0.2, TransferAccepted(effect.use))


def test_who_talks_on_after_the_time_for_a_transfer_has_not_been_put_through() -> None:
    replies = ['call transfer_call {"target": "sales"}', "It takes a while.", "I am here."]
    stage = Forgetful(spoken(tools=(SALES,)), replies=replies)
    stage.callee(3.0, "Sales please")
    stage.callee(SALES.deadline + 8.0, "Are you there?")
    stage.run((SALES.deadline + 15.0, HungUp()))
    assert stage.reason == "callee_hangup"


class Insistent(Forgetful):
    """One that is asked for another transfer while the first is under way, and refuses that."""

    def acts(self, effect: SpokenEffect) -> None:
        if isinstance(effect, Transfer) and effect.use > 1:
            problem = "the far end cannot be asked now"
            self.soon(0.1, ToolFinished(effect.use, False, problem))
        else:
            super().acts(effect)


def test_another_transfer_that_is_refused_meanwhile_changes_nothing_about_the_first() -> None:
    replies = 2 * ['call transfer_call {"target": "sales"}']
    stage = Insistent(spoken(tools=(SALES,)), replies=replies)
    stage.callee(3.0, "Sales please")
    stage.run((SALES.deadline + 6.0, HungUp()))
    assert len(stage.asked(Transfer)) == 2, "the time for the first was over"
    assert stage.reason == "transferred"


def test_a_callee_is_told_before_he_is_put_through() -> None:
    sales = replace(SALES, message="I put you through.")
    stage = Theatre(spoken(tools=(sales,)), replies=['call transfer_call {"target": "sales"}'])
    stage.callee(3.0, "Sales please")
    stage.run()
    assert stage.reason == "transferred"
    said = next(turn for turn in stage.conversation.transcript if turn.text == "I put you through.")
    put_through = next(at for at, effect in stage.effects if isinstance(effect, Transfer))
    assert put_through >= said.ended_at


def test_a_callee_who_speaks_up_is_not_put_through_yet() -> None:
    sales = replace(SALES, message="I am going to put you through to our sales people now.")
    stage = Theatre(
        spoken(tools=(sales,)), replies=['call transfer_call {"target": "sales"}', "Very well."]
    )
    stage.callee(3.0, "Sales please")
    stage.callee(6.5, "No, wait")
    stage.run((12.0, HungUp()))
    assert stage.asked(Transfer) == []
    (answer,) = (each for each in stage.asked(AnswerTool) if isinstance(each, AnswerTool))
    assert (answer.ok, answer.result) == (False, "the callee spoke before that")


@pytest.mark.parametrize(
    ("event", "reason"),
    [(EndRequested(), "api_request"), (MediaLost(), "media_lost"), (HungUp(), "callee_hangup")],
)
def test_what_ends_a_call_at_once(event: HungUp | EndRequested | MediaLost, reason: str) -> None:
    assert Theatre(spoken()).run((2.0, event)).reason == reason


def test_a_service_whose_agent_ends_the_conversation_ends_the_call() -> None:
    stage = Theatre(spoken("Goodbye then."))
    stage.at(1.0, lambda: stage.tell(ServiceLeft(1)))
    stage.run()
    assert stage.reason == "agent_hangup"
    assert stage.transcript == [("agent", "Goodbye then.")]


# ── what comes from outside ──────────────────────────────────────────────────────────────────


def test_the_customer_has_something_said_once_the_callee_is_done() -> None:
    stage = Theatre(spoken("Hi."))
    stage.at(3.0, SpeechStarted(1003.0))
    stage.at(3.5, SayRequested("We close at nine."))
    stage.at(5.0, SpeechStopped(1005.0))
    stage.run((9.0, HungUp()))
    times = [at for at, effect in stage.effects if effect == Say("We close at nine.")]
    assert times == [5.0]


def test_what_the_customer_wants_said_follows_the_answer_to_the_callee() -> None:
    stage = Theatre(spoken("Hi."))
    stage.callee(3.0, "Are you open?")
    stage.run((3.3, SayRequested("We close at nine.")), (9.0, HungUp()))
    times = [at for at, effect in stage.effects if effect == Say("We close at nine.")]
    assert times == [4.5]


def test_keys_that_the_callee_presses_go_to_the_service_together() -> None:
    stage = Theatre(spoken("Enter your number."))
    keys = [(3.0 + n / 2, DigitPressed(digit)) for n, digit in enumerate("123")]
    stage.run(*keys, (9.0, HungUp()))
    assert texts(stage.asked(PassOn)) == ["(pressed 123)"]
    assert ("callee", "(pressed 123)") in stage.transcript


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────


def test_a_connection_that_breaks_is_replaced_once_and_told_the_dialogue() -> None:
    stage = Theatre(spoken("Hi."), replies=["Very well."])
    stage.callee(3.0, "Tuesday")
    stage.at(8.0, stage.fail)
    stage.run((12.0, HungUp()))
    first, second = (each for each in stage.asked(Connect) if isinstance(each, Connect))
    assert first.brief.dialogue == ()
    assert [message.text for message in second.brief.dialogue] == ["Hi.", "Tuesday", "Very well."]
    assert stage.asked(SayPlainly, Respond) == []
    assert stage.reason == "callee_hangup"
    same_again(stage)


def test_a_service_that_hangs_is_replaced_and_the_callee_hears_why() -> None:
    stage = Theatre(
        spoken("Hi.", limits=Limits(provider_deadline=3.0)), replies=["", "Sorry: yes."]
    )
    stage.callee(3.0, "Tuesday")
    stage.run((15.0, HungUp()))
    assert texts(stage.asked(SayPlainly)) == [phrases.APOLOGY]
    assert stage.asked(Respond) == [Respond()]
    assert stage.transcript[-2:] == [("agent", phrases.APOLOGY), ("agent", "Sorry: yes.")]


def test_the_second_failure_in_a_row_ends_the_call_with_a_word() -> None:
    stage = Theatre(spoken("Hi."), replies=[""])
    stage.callee(3.0, "Tuesday")
    stage.run()
    assert stage.reason == "provider_failed"
    assert texts(stage.asked(SayPlainly)) == [phrases.APOLOGY, phrases.LAST_APOLOGY]
    assert stage.longest_silence() < 6.0
    same_again(stage)


def test_a_wrong_key_is_not_tried_again() -> None:
    class Refused(Theatre):
        def connects(self, effect: Connect) -> None:
            self.fail(retryable=False)

    stage = Refused(spoken()).run()
    assert stage.reason == "provider_failed"
    assert len(stage.asked(Connect)) == 1
    assert stage.transcript == [("agent", phrases.LAST_APOLOGY)]


def test_a_service_that_cannot_resume_is_asked_again_and_then_left() -> None:
    stage = Deaf(spoken(), greets=True, resumes=False)
    stage.say = lambda *args, **kwargs: None  # type: ignore[method-assign]
    stage.callee(3.0, "Tuesday")
    stage.run()
    assert stage.reason == "provider_failed"
    assert phrases.SAY_IT_AGAIN in texts(stage.asked(Say))
    assert len(stage.asked(Connect)) == 1


def test_a_tool_that_was_asked_for_over_a_lost_connection_is_told_in_the_background() -> None:
    stage = Theatre(spoken("Hi.", tools=(BOOK,)), replies=['call book {"day": 2}', "Booked."])
    stage.callee(3.0, "Book it")
    stage.at(5.1, stage.fail)
    stage.run((12.0, HungUp()))
    (informed,) = (each for each in stage.asked(Inform) if isinstance(each, Inform))
    assert "booked for Ann" in informed.text
    assert stage.asked(AnswerTool) == []


def test_what_comes_from_a_connection_that_is_gone_changes_nothing() -> None:
    stage = Theatre(spoken("Hi."))
    stage.at(2.0, Connected(7, True, False))
    stage.at(2.5, ServiceLeft(9))
    stage.run((4.0, HungUp()))
    assert stage.reason == "callee_hangup"
    assert isinstance(stage.effects[-1][1], HangUp)
