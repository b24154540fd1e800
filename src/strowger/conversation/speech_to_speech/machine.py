"""One conversation that a speech-to-speech service holds: hears events, asks for effects. Pure.

Whose turn it is, the service decides; what it says is played, and cut where it hears the callee
speak. Ours are the limits of the call, the tools, the hanging up and the record of what was heard.
Whatever the service does or fails to do, nobody waits in silence for longer than the limits say,
and the call ends with a reason.
"""

from collections.abc import Mapping
from typing import assert_never

from strowger.agent import AgentDefinition, Scalar
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
    ToolFinished,
    ToolRequested,
    ToolsFound,
    TransferAccepted,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.conversation.speech_to_speech.asking import Asking
from strowger.conversation.speech_to_speech.ending import Ending
from strowger.conversation.speech_to_speech.errands import Errands
from strowger.conversation.speech_to_speech.events import (
    AgentWords,
    Brief,
    CalleeBegan,
    CalleeDone,
    CalleeWords,
    Connect,
    Connected,
    ItemOver,
    ResponseOver,
    ServiceFailed,
    ServiceLeft,
    SoundBegan,
    SpokenEffect,
    SpokenEvent,
)
from strowger.conversation.speech_to_speech.hearing import Hearing
from strowger.conversation.speech_to_speech.serving import Serving
from strowger.conversation.speech_to_speech.situation import Situation
from strowger.conversation.speech_to_speech.speaking import Speaking
from strowger.conversation.speech_to_speech.timing import Timing
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
        self._call = Situation(definition, variables)
        self._asking = Asking(self._call)
        self._ending = Ending(self._call, self._asking)
        self._serving = Serving(self._call, self._asking, self._ending)
        self._errands = Errands(self._call, self._asking, self._ending, self._serving)
        self._timing = Timing(self._call, self._asking, self._ending, self._serving, self._errands)
        self._hearing = Hearing(self._call, self._asking)
        self._speaking = Speaking(self._call, self._ending, self._serving)

    @property
    def transcript(self) -> tuple[Turn, ...]:
        """The turns so far; each appears once nothing can change it any more."""
        call = self._call
        if call.answered_at is None:
            return ()
        if call.leaving.ended:
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
        return self._call.leaving.ended

    def next_timer(self) -> float | None:
        """When `handle_timer` is to be called, unless an event comes first."""
        return self._timing.next_timer()

    def handle_timer(self, *, now: float) -> list[SpokenEffect]:
        """Do what is due; of several the first, the others are due again at once."""
        due = self._timing.next_timer()
        if due is None or now < due:
            return []
        self._call.record.give_up(now=now)
        if due == self._call.patience.digits_due():
            return self._hearing.digits_over(now=now)
        return self._timing.handle(due, now=now)

    def receive(self, event: SpokenEvent, *, now: float) -> list[SpokenEffect]:
        call = self._call
        unanswered = call.answered_at is None and type(event) not in BEFORE_THE_ANSWER
        if call.leaving.ended or unanswered:
            return []
        call.record.give_up(now=now)
        match event:
            case Answered():
                return self._answered(now=now)
            case HungUp() if call.transferring is not None:
                return self._ending.hang_up(EndReason.TRANSFERRED, now=now)
            case HungUp() | EndRequested() | MediaLost():
                return self._ending.hang_up(ENDINGS[type(event)], now=now)
            case SayRequested(text):
                return self._asking.say_unasked(text, now=now)
            case Connected() | ServiceFailed() | ServiceLeft():
                return self._of_service(event, now=now)
            case SpeechStarted() | SpeechStopped() | DigitPressed():
                return self._hearing.on_the_line(event, now=now)
            case CalleeBegan() | CalleeDone() | CalleeWords():
                return self._hearing.of_callee(event, now=now)
            case AgentWords() | SoundBegan() | UtteranceStarted() | UtteranceEnded():
                return self._speaking.of_agent(event, now=now)
            case ItemOver(item):
                return self._speaking.item_over(item, now=now)
            case ResponseOver():
                return self._ending.response_over(now=now)
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

    def _answered(self, *, now: float) -> list[SpokenEffect]:
        call = self._call
        if call.answered_at is not None:
            return []
        call.answered_at = now
        call.patience.quiet(now=now)
        return [*call.acting.find_tools(), self._serving.connect(now=now)]

    # ── the service and the line ─────────────────────────────────────────────────────────────

    def _of_service(
        self, event: Connected | ServiceFailed | ServiceLeft, *, now: float
    ) -> list[SpokenEffect]:
        if event.connection != self._call.link.number:
            return []
        match event:
            case Connected():
                return self._serving.connected(event, now=now)
            case ServiceFailed(_, _, retryable):
                return self._serving.lost(retryable=retryable, now=now)
            case ServiceLeft():
                return self._serving.left(now=now)

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
                return self._errands.requested(event, now=now)
            case ToolFinished():
                return self._errands.finished(event, now=now)
            case TransferAccepted(use):
                if call.acting.desk.runs(use):
                    call.transferring = use
                return []
            case AgentFetched(use, definition):
                return self._errands.hand_over(use, definition, now=now)
            case ToolsFound(server, tools):
                return self._serving.tools_found(server, tools)
