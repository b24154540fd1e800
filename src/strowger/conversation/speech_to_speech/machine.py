"""One conversation that a speech-to-speech service holds: hears events, asks for effects. Pure.

Whose turn it is, the service decides; what it says is played, and cut where it hears the callee
speak. Ours are the limits of the call, the tools, the hanging up and the record of what was heard.
Whatever the service does or fails to do, nobody waits in silence for longer than the limits say,
and the call ends with a reason.
"""

from collections.abc import Mapping
from typing import assert_never

from strowger.agent import AgentDefinition, Scalar
from strowger.conversation.answers import words_of
from strowger.conversation.events import (
    AgentFetched,
    Answered,
    DigitPressed,
    EndRequested,
    HungUp,
    MediaLost,
    SayRequested,
    SpeechStarted,
    SpeechStopped,
    StopSpeaking,
    ToolFinished,
    ToolRequested,
    ToolsFound,
    TransferAccepted,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.conversation.speech_to_speech.call import SpokenCall
from strowger.conversation.speech_to_speech.events import (
    AgentWords,
    Brief,
    CalleeBegan,
    CalleeDone,
    CalleeWords,
    Connect,
    Connected,
    Hush,
    ItemOver,
    PassOn,
    ReportHeard,
    ResponseOver,
    ServiceFailed,
    ServiceLeft,
    SoundBegan,
    SpokenEffect,
    SpokenEvent,
)
from strowger.conversation.speech_to_speech.record import AgentItem, CalleeItem
from strowger.lifecycle import EndReason
from strowger.model import Turn

ENDINGS: dict[type[SpokenEvent], EndReason] = {
    HungUp: EndReason.CALLEE_HANGUP,
    EndRequested: EndReason.API_REQUEST,
    MediaLost: EndReason.MEDIA_LOST,
}
"""Events after which there is nobody to talk to."""
BEFORE_THE_ANSWER = frozenset({Answered, *ENDINGS})


def first_brief(definition: AgentDefinition, variables: Mapping[str, Scalar]) -> Brief:
    """What the service will be told at the answer.

    Raises ValueError for an agent that no service speaks for.
    """
    effects = SpokenConversation(definition, variables).receive(Answered(), now=0.0)
    return next(effect.brief for effect in effects if isinstance(effect, Connect))


class SpokenConversation:
    """The agent's side of one call. Raises ValueError for an agent that no service speaks for."""

    def __init__(self, definition: AgentDefinition, variables: Mapping[str, Scalar]) -> None:
        self._call = SpokenCall(definition, variables)
        self._last_callee: CalleeItem | None = None
        self._cause: CalleeItem | None = None
        """The turn of the callee's that nobody was heard to answer yet."""
        self._keys = 0

    @property
    def transcript(self) -> tuple[Turn, ...]:
        """The turns so far; each appears once nothing can change it any more."""
        call = self._call
        if call.answered_at is None:
            return ()
        if call.ended:
            return call.record.all(call.answered_at)
        return call.record.settled(call.answered_at)

    @property
    def outcome(self) -> str | None:
        return self._call.outcome

    @property
    def extracted(self) -> Mapping[str, Scalar]:
        """A service sets no variables."""
        return {}

    @property
    def ended(self) -> bool:
        return self._call.ended

    def next_timer(self) -> float | None:
        """When `handle_timer` is to be called, unless an event comes first."""
        return self._call.next_timer()

    def handle_timer(self, *, now: float) -> list[SpokenEffect]:
        """Do what is due; of several the first, the others are due again at once."""
        due = self._call.next_timer()
        if due is None or now < due:
            return []
        self._call.record.give_up(now=now)
        if due == self._call.patience.digits_due():
            return self._digits_over(now=now)
        return self._call.handle_timer(due, now=now)

    def receive(self, event: SpokenEvent, *, now: float) -> list[SpokenEffect]:
        call = self._call
        unanswered = call.answered_at is None and type(event) not in BEFORE_THE_ANSWER
        if call.ended or unanswered:
            return []
        call.record.give_up(now=now)
        match event:
            case Answered():
                return call.answered(now=now)
            case HungUp() if call.transferring:
                return call.hang_up(EndReason.TRANSFERRED, now=now)
            case HungUp() | EndRequested() | MediaLost():
                return call.hang_up(ENDINGS[type(event)], now=now)
            case SayRequested(text):
                return call.say_unasked(text, now=now)
            case Connected() | ServiceFailed() | ServiceLeft():
                return self._of_service(event, now=now)
            case SpeechStarted() | SpeechStopped() | DigitPressed():
                return self._on_the_line(event, now=now)
            case CalleeBegan() | CalleeDone() | CalleeWords():
                return self._of_callee(event, now=now)
            case AgentWords() | SoundBegan() | UtteranceStarted() | UtteranceEnded():
                return self._of_agent(event, now=now)
            case ItemOver(item):
                return self._item_over(item, now=now)
            case ResponseOver():
                return call.response_over(now=now)
            case (
                ToolRequested()
                | ToolFinished()
                | TransferAccepted()
                | AgentFetched()
                | ToolsFound()
            ):
                return self._of_tools(event, now=now)
            case _:
                assert_never(event)

    # ── the service and the line ─────────────────────────────────────────────────────────────

    def _of_service(
        self, event: Connected | ServiceFailed | ServiceLeft, *, now: float
    ) -> list[SpokenEffect]:
        if event.connection != self._call.connection:
            return []
        match event:
            case Connected():
                return self._call.connected(event, now=now)
            case ServiceFailed(_, _, retryable):
                return self._call.service_lost(retryable=retryable, now=now)
            case ServiceLeft():
                return self._call.service_left(now=now)

    def _on_the_line(
        self, event: SpeechStarted | SpeechStopped | DigitPressed, *, now: float
    ) -> list[SpokenEffect]:
        patience = self._call.patience
        match event:
            case SpeechStarted(at):
                patience.speech_started(at)
                return []
            case SpeechStopped(at):
                patience.speech_stopped(at, now=now)
                last = self._last_callee
                if last is not None and last.started_at <= at < last.ended_at:
                    last.ended_at = at
                return self._call.say_what_waits(now=now)
            case DigitPressed(digit):
                return self._pressed(digit, now=now)

    def _pressed(self, digit: str, *, now: float) -> list[SpokenEffect]:
        call = self._call
        if call.closing is not None:
            return []
        effects: list[SpokenEffect] = []
        if not call.patience.digits:
            effects = self._interrupt(now=now)
            effects += [Hush()] if effects else []
        call.patience.digits += digit
        call.patience.digits_at = now
        return effects + (self._digits_over(now=now) if digit == "#" else [])

    def _digits_over(self, *, now: float) -> list[SpokenEffect]:
        call = self._call
        began = call.patience.digits_at
        digits = call.patience.take_digits()
        if not digits:
            return []
        self._keys += 1
        entry = call.record.callee(f"keys {self._keys}", started_at=began, ended_at=began)
        entry.text, entry.done_at = f"(pressed {digits})", now
        self._callee_acts()
        return call.ask(PassOn(entry.text), now=now)

    # ── the callee ───────────────────────────────────────────────────────────────────────────

    def _of_callee(
        self, event: CalleeBegan | CalleeDone | CalleeWords, *, now: float
    ) -> list[SpokenEffect]:
        call = self._call
        entry = self._callee_item(event.item, now=now)
        match event:
            case CalleeBegan():
                self._last_callee = entry
                call.callee_has_floor = True
                call.patience.service_heard()
                call.patience.sounded(now=now)
                if call.closing is not None or not call.interruptible:
                    return []
                return self._interrupt(now=now)
            case CalleeDone():
                if entry.done_at is None:
                    entry.done_at = now
                    until = call.patience.spoke_until(since=entry.started_at, now=now)
                    entry.ended_at = max(entry.started_at, until)
                    self._last_callee = self._cause = entry
                    self._callee_acts()
                call.callee_has_floor = False
                call.awaits(now=now)
                return call.say_what_waits(now=now)
            case CalleeWords(_, text):
                if entry.text is None:
                    entry.text = " ".join(text.split())
                    if entry.text:
                        self._callee_acts()
                        # After the time for a transfer: it was not done, and he is still here.
                        call.transferring = call.transferring and call.acting.desk.puts_through
                return []

    def _callee_item(self, item: str, *, now: float) -> CalleeItem:
        known = self._call.record.known_callee(item)
        if known is not None:
            return known
        began = self._call.patience.spoke_from(now=now)
        return self._call.record.callee(item, started_at=began, ended_at=now)

    def _callee_acts(self) -> None:
        self._call.opened = True
        self._call.patience.reprompts = 0
        self._call.acting.callee_spoke()

    def _interrupt(self, *, now: float) -> list[SpokenEffect]:
        """The callee takes the floor: what the agent says is cut, and what was to follow."""
        call = self._call
        effects = call.acting.drop_transfer(call.connection, now=now)
        if call.record.cut():
            effects.append(StopSpeaking())
        return effects

    # ── the agent ────────────────────────────────────────────────────────────────────────────

    def _of_agent(
        self, event: AgentWords | SoundBegan | UtteranceStarted | UtteranceEnded, *, now: float
    ) -> list[SpokenEffect]:
        call = self._call
        match event:
            case AgentWords(item, text, whole):
                entry = call.record.agent(item)
                entry.text = text if whole else entry.text + text
                return []
            case SoundBegan(utterance, item):
                entry = call.record.sounds(utterance, item)
                if entry.interrupted:  # in a gap of its sound, when there was nothing to stop
                    return [StopSpeaking()]
                if entry.cause is None and entry.started_at is None:
                    entry.cause, self._cause = self._cause, None
                call.sounds(item)
                return []
            case UtteranceStarted(utterance):
                started = call.record.of_utterance(utterance)
                if started is not None:
                    started.started(event)
                    call.heard(started.item)
                return []
            case UtteranceEnded(utterance):
                ended = call.record.of_utterance(utterance)
                if ended is None:
                    return []
                ended.ended(event, now=now)
                return self._stretch_over(ended, now=now)

    def _stretch_over(self, entry: AgentItem, *, now: float) -> list[SpokenEffect]:
        call = self._call
        call.patience.sounded(now=now)
        effects: list[SpokenEffect] = []
        if entry.playing:
            return effects
        if entry.interrupted and entry.heard < entry.sound and not call.is_plain(entry.item):
            effects.append(ReportHeard(entry.item, round(entry.heard, 3)))
        self._listen_for_goodbye(entry, now=now)
        return effects + call.when_silent(now=now)

    def _item_over(self, item: str, *, now: float) -> list[SpokenEffect]:
        entry = self._call.record.known_agent(item)
        if entry is None:
            return self._call.never_sounded(item, now=now)
        entry.over = True
        if entry.started_at is None and not entry.playing:
            return self._call.never_sounded(item, now=now)
        if entry.playing:
            return []
        self._listen_for_goodbye(entry, now=now)
        return self._call.when_silent(now=now)

    def _listen_for_goodbye(self, entry: AgentItem, *, now: float) -> None:
        """Whether the agent has said one of the phrases after which it hangs up."""
        call = self._call
        if call.closing is not None or entry.interrupted or call.is_plain(entry.item):
            return
        said = f" {' '.join(words_of(entry.spoken()))} "
        if any(f" {' '.join(words)} " in said for words in call.last_phrases):
            call.close_when_silent(EndReason.AGENT_HANGUP, wait=0.0, now=now)

    # ── tools ────────────────────────────────────────────────────────────────────────────────

    def _of_tools(
        self,
        event: ToolRequested | ToolFinished | TransferAccepted | AgentFetched | ToolsFound,
        *,
        now: float,
    ) -> list[SpokenEffect]:
        call = self._call
        match event:
            case ToolRequested():
                return call.tool_requested(event, now=now)
            case ToolFinished():
                return call.tool_finished(event, now=now)
            case TransferAccepted(use):
                call.transferring = call.acting.desk.runs(use)
                return []
            case AgentFetched(use, definition):
                return call.hand_over(use, definition, now=now)
            case ToolsFound(server, tools):
                return call.tools_found(server, tools)
