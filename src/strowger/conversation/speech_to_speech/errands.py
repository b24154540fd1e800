"""What the service asks for besides speaking: tools, a transfer, a colleague, the end of the call.

The desk judges and `acting.py` carries out; here is what that does to the call.
"""

from typing import assert_never

from strowger.agent import AgentDefinition
from strowger.conversation.events import StopSpeaking, ToolFinished, ToolRequested
from strowger.conversation.orders import (
    Goodbye,
    HandOver,
    Keys,
    PutThrough,
    Refusal,
    Request,
    TakeWay,
)
from strowger.conversation.speech_to_speech.asking import Asking
from strowger.conversation.speech_to_speech.ending import STALL, Ending
from strowger.conversation.speech_to_speech.events import (
    AnswerTool,
    Inform,
    Respond,
    Say,
    SpokenEffect,
)
from strowger.conversation.speech_to_speech.serving import Serving
from strowger.conversation.speech_to_speech.situation import Situation
from strowger.conversation.template import render_speech
from strowger.lifecycle import EndReason


class Errands:
    def __init__(self, call: Situation, asking: Asking, ending: Ending, serving: Serving) -> None:
        self._call = call
        self._asking = asking
        self._ending = ending
        self._serving = serving

    def requested(self, event: ToolRequested, *, now: float) -> list[SpokenEffect]:
        call, acting = self._call, self._call.acting
        if call.link.ready is None:  # it was given up: the callee hears that nothing works
            return []
        call.patience.service_heard()
        call.patience.quiet(now=now)
        leaving = call.closing is not None
        use, order = acting.requested(event, call.link.number, leaving=leaving, now=now)
        match order:
            case Refusal(message):
                refused = acting.answer(use.number, message, call.link.number, ok=False)
                return self._answered(refused, now=now)
            case Keys():
                pressed = acting.carry_out(use, order, event.arguments)
                return pressed + self._finish(use.number, "pressed", ok=True, now=now)
            case Request() | HandOver():
                return acting.carry_out(use, order, event.arguments)
            case PutThrough(tool):
                acting.put_through = use.number, order
                if tool.message:
                    return self._asking.ask(Say(tool.message), now=now)
                return self._ending.when_silent(now=now)
            case Goodbye():
                return self._say_goodbye(use.number, order, now=now)
            case TakeWay():
                return []  # there are none: the desk is at no node
            case _:
                assert_never(order)

    def _say_goodbye(self, use: int, order: Goodbye, *, now: float) -> list[SpokenEffect]:
        call = self._call
        effects = call.acting.finish(use, "the call ends", call.link.number, ok=True, now=now)
        call.outcome = order.outcome or call.outcome
        message, reason = order.tool, EndReason.AGENT_HANGUP
        text = message.message if message.type == "end_call" else ""
        if message.type == "voicemail":
            reason, voicemail = EndReason.VOICEMAIL, call.definition.voicemail
            if voicemail.action == "leave_message":
                text = render_speech(voicemail.message, call.variables)
        if text:
            effects += self._asking.ask(Say(text), now=now)
            call.patience.service_heard()
            self._ending.close_with(text, reason, now=now)
            return effects
        wait = 0.0 if call.patience.answered else STALL
        self._ending.close_when_silent(reason, wait=wait, now=now)
        return effects + self._ending.when_silent(now=now)

    def finished(self, event: ToolFinished, *, now: float) -> list[SpokenEffect]:
        call, desk = self._call, self._call.acting.desk
        if event.ok and desk.is_transfer(event.use):
            desk.finish(event.use, event.result, ok=True, now=now)
            return self._ending.hang_up(EndReason.TRANSFERRED, now=now)
        if call.transferring == event.use:
            call.transferring = None
        return self._finish(event.use, event.result, ok=event.ok, now=now)

    def expire(self, *, now: float) -> list[SpokenEffect]:
        """Give up the uses that are due."""
        return self._answered(self._call.acting.expire(self._call.link.number, now=now), now=now)

    def _finish(self, use: int, result: str, *, ok: bool, now: float) -> list[SpokenEffect]:
        effects = self._call.acting.finish(use, result, self._call.link.number, ok=ok, now=now)
        return self._answered(effects, now=now)

    def _answered(self, effects: list[SpokenEffect], *, now: float) -> list[SpokenEffect]:
        """Have the service go on once it knows what came of all that it asked for."""
        call, acting = self._call, self._call.acting
        told = any(isinstance(effect, AnswerTool | Inform) for effect in effects)
        call.patience.answered = call.patience.answered and not told
        if not told or acting.desk.running or acting.put_through is not None:
            return effects
        if call.callee_has_floor:  # it answers all of it once he is done
            return effects
        call.patience.quiet(now=now)
        return effects + self._asking.ask(Respond(), now=now)

    def hand_over(self, use: int, definition: AgentDefinition, *, now: float) -> list[SpokenEffect]:
        """Another agent goes on with the call, at its own service."""
        call, desk = self._call, self._call.acting.desk
        if not desk.runs(use) or call.closing is not None:
            return []
        if definition.speech_to_speech is None:
            problem = f"{definition.name} cannot take over: no speech-to-speech service holds it"
            return self._finish(use, problem, ok=False, now=now)
        desk.finish(use, f"{definition.name} goes on", ok=True, now=now)
        desk.report()
        stopped = call.record.cut()
        call.hand_over(definition)
        effects: list[SpokenEffect] = [StopSpeaking()] if stopped else []
        return [*effects, *call.acting.find_tools(), self._serving.connect(now=now)]
