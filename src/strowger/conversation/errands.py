"""What the model asks for besides words: done at once, or once what is being said was heard.

The desk judges what a tool call comes to; here is what that does to the call.
"""

from strowger.agent import VoicemailPolicy
from strowger.conversation.events import (
    Effect,
    FetchAgent,
    SendDigits,
    ToolRequested,
    Transfer,
    UseTool,
)
from strowger.conversation.orders import (
    Goodbye,
    HandOver,
    Keys,
    Order,
    PutThrough,
    Refusal,
    Request,
    TakeWay,
)
from strowger.conversation.speech import AgentSpeech
from strowger.conversation.tool_desk import ToolDesk
from strowger.conversation.transcript import Transcript
from strowger.lifecycle import EndReason


class Errands:
    """What runs, and what is to follow the agent's words: one thing at the most."""

    def __init__(self, speech: AgentSpeech, desk: ToolDesk, transcript: Transcript) -> None:
        self.closing: EndReason | None = None
        """The agent is saying goodbye; this will have been the reason."""
        self.way: TakeWay | None = None
        """Chosen by the model: taken once what is being said was heard."""
        self.put_through: tuple[int, PutThrough] | None = None
        """A transfer that waits until what is being said was heard: the use, and where to."""
        self.outcome: str | None = None
        """What the model says that the call came to."""
        self.voicemail = VoicemailPolicy()
        self._speech = speech
        self._desk = desk
        self._transcript = transcript

    def requested(self, event: ToolRequested, *, enough: bool, now: float) -> list[Effect]:
        """Have a tool used, or take down why not; one of another reply is not wanted any more.

        With `enough` no further one is used before the agent has spoken.
        """
        if self._speech.drafts(event.reply):
            self._speech.note_in_draft(event)
        if not self._speech.writes(event.reply) or self._speech.hold_tool(event):
            return []
        self._speech.tool_requested(now=now)
        order = self._desk.judge(event)
        if enough and not isinstance(order, Refusal):
            order = Refusal("that is enough for now: speak to the callee")
        leaves = self.closing or self.put_through or self.way
        if isinstance(order, Goodbye | PutThrough | TakeWay) and leaves:
            order = Refusal("something else was asked for first")
        use = self._desk.begin(event, order, now=now)
        self._transcript.add(use)
        return self._carry_out(order, use.number, event.arguments, now=now)

    def _carry_out(
        self, order: Order | Refusal, use: int, arguments: str, *, now: float
    ) -> list[Effect]:
        match order:
            case Refusal():
                return []
            case Request(tool, remote):
                return [UseTool(use, tool, remote, arguments)]
            case Keys(digits):
                self._desk.finish(use, "pressed", ok=True, now=now)
                return [SendDigits(digits)]
            case HandOver(target):
                return [FetchAgent(use, target.agent_id)]
            case TakeWay():
                self._desk.finish(use, "it goes on from here", ok=True, now=now)
                self.way = order
                return []
            case PutThrough(tool):
                self.put_through = use, order
                return self._speech.say(tool.message, now=now)
            case Goodbye(tool, outcome):
                self._desk.finish(use, "the call ends", ok=True, now=now)
                if outcome is not None:
                    self.outcome = outcome
                if tool.type == "end_call":
                    self.closing = EndReason.AGENT_HANGUP
                    return self._speech.say(tool.message, now=now)
                self.closing = EndReason.VOICEMAIL
                leaves = self.voicemail.action == "leave_message"
                return self._speech.say(self.voicemail.message, now=now) if leaves else []

    def transfer(self, *, now: float) -> list[Effect]:
        """What was said before a transfer was heard: put the callee through."""
        assert self.put_through is not None
        (use, order), self.put_through = self.put_through, None
        if not self._desk.restart(use, now=now):
            return []
        return [Transfer(use, order.target.to, order.briefing)]

    def interrupted(self, *, now: float) -> None:
        """The callee has the floor: what was to follow the agent's words does not."""
        self.way = None
        if self.put_through is not None:
            (use, _), self.put_through = self.put_through, None
            self._desk.finish(use, "the callee spoke before that", ok=False, now=now)
