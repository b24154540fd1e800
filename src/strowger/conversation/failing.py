"""What becomes of what was asked of providers.

Where one fails, the agent apologises and tries once more, then says goodbye: in the other voice,
where it is the voice that fails.
"""

from collections import Counter
from dataclasses import replace
from typing import assert_never

from strowger.conversation import phrases
from strowger.conversation.agent_side import AgentSide
from strowger.conversation.events import Effect, ProviderFailed, ProviderKind, UtteranceEnded
from strowger.conversation.transcript import AgentTurn
from strowger.conversation.turn import TurnMachine
from strowger.lifecycle import EndReason


class Failing:
    """Failures in a row, without a success between them, by kind of provider."""

    def __init__(self, agent: AgentSide, turns: TurnMachine) -> None:
        self._agent = agent
        self._turns = turns
        self._failures: Counter[ProviderKind] = Counter()

    def succeeded(self, kind: ProviderKind) -> None:
        self._failures[kind] = 0

    def reply_finished(self, reply: int, *, now: float) -> list[Effect]:
        """The model is done; without a word and without a tool it has failed."""
        speech = self._agent.speech
        if not speech.writes(reply):
            return []
        if speech.held:
            speech.finish_held()
            return []
        if not speech.finish_reply():
            return self.failed(ProviderKind.LANGUAGE_MODEL, now=now)
        self.succeeded(ProviderKind.LANGUAGE_MODEL)
        return self._agent.when_silent(now=now)

    def utterance_ended(self, event: UtteranceEnded, *, now: float) -> list[Effect]:
        said, effects = self._agent.utterance_ended(event, now=now)
        if said is not None and said.whole and not said.fallback:
            self.succeeded(ProviderKind.TEXT_TO_SPEECH)
        return effects + self.due(now=now)

    def told(self, event: ProviderFailed, *, now: float) -> list[Effect]:
        """Answer a failure, unless it is one of something not wanted any more."""
        agent, speech, kind = self._agent, self._agent.speech, event.kind
        match kind:
            case ProviderKind.SPEECH_TO_TEXT:
                if event.reference != agent.listening or agent.errands.closing is not None:
                    return []
                return self._recogniser_failed(now=now, retryable=event.retryable)
            case ProviderKind.LANGUAGE_MODEL:
                if speech.drafts(event.reference):
                    speech.drop_draft()  # it is asked again once the callee is done
                    return []
                if speech.held and speech.writes(event.reference):
                    speech.lose_held()  # it is asked again if it is wanted after all
                    return []
                concerns_us = speech.writes(event.reference)
            case ProviderKind.TEXT_TO_SPEECH:
                speech.note_failed(event.reference, hopeless=not event.retryable)
                return self.due(now=now)
            case ProviderKind.SPEECH_TO_SPEECH:
                return []  # it has conversations of its own
            case _:
                assert_never(kind)
        return self.failed(kind, now=now, retryable=event.retryable) if concerns_us else []

    def due(self, *, now: float) -> list[Effect]:
        """Answer a failure of the voice once it would be heard."""
        said = self._agent.speech.failed_next
        if said is None:
            return []
        return self.failed(ProviderKind.TEXT_TO_SPEECH, now=now, retryable=not said.hopeless)

    def _recogniser_failed(self, *, now: float, retryable: bool) -> list[Effect]:
        if self._turns.words_lost():
            return []  # said once the callee is done
        self._failures[ProviderKind.SPEECH_TO_TEXT] += 1
        if not retryable or self._failures[ProviderKind.SPEECH_TO_TEXT] > 1:
            return self._give_up(ProviderKind.SPEECH_TO_TEXT, now=now)
        return [self._agent.listen()]

    def failed(self, kind: ProviderKind, *, now: float, retryable: bool = True) -> list[Effect]:
        """Apologise and try once more; the second time in a row, apologise and hang up.

        But for the voice: what it fails at twice is said in the other.
        """
        if self._agent.errands.closing is not None:
            if kind is ProviderKind.LANGUAGE_MODEL:
                return self._agent.speech.drop_reply() + self._agent.when_silent(now=now)
            return self._goodbye_failed(self._agent.errands.closing, now=now)
        self._failures[kind] += 1
        if kind is ProviderKind.TEXT_TO_SPEECH:
            return self._voice_failed(now=now, retryable=retryable)
        if not retryable or self._failures[kind] > 1:
            return self._give_up(kind, now=now)
        match kind:
            case ProviderKind.SPEECH_TO_TEXT:
                response = self._agent.responder.repeat()
                response = replace(response, texts=(phrases.APOLOGY, *response.texts))
                return self._agent.perform(response, AgentTurn(words_at=now), now=now)
            case ProviderKind.LANGUAGE_MODEL:
                dialogue = self._agent.transcript.dialogue()
                apology = self._agent.speech.say(phrases.APOLOGY, now=now)
                return apology + self._agent.generate(dialogue, now=now)
            case ProviderKind.SPEECH_TO_SPEECH:
                return []
            case _:
                assert_never(kind)

    def _voice_failed(self, *, now: float, retryable: bool) -> list[Effect]:
        speech = self._agent.speech
        if speech.in_fallback_voice():  # it has failed as well: a goodbye, if that can be heard
            effects, _ = speech.stop()
            self._agent.begin_goodbye(EndReason.PROVIDER_FAILED, now=now)
            return effects + speech.say_in_fallback_voice(phrases.LAST_APOLOGY, now=now)
        effects, unheard = speech.silence()
        if retryable and self._failures[ProviderKind.TEXT_TO_SPEECH] == 1:
            effects += speech.say_in_fallback_voice(phrases.APOLOGY, now=now)
        else:
            speech.spare_own_voice(now=now)
        for text in unheard:
            effects += speech.say(text, now=now)
        return effects

    def _goodbye_failed(self, reason: EndReason, *, now: float) -> list[Effect]:
        """Try the other voice, and then let it be."""
        speech = self._agent.speech
        if speech.in_fallback_voice():
            return self._agent.hang_up(reason, now=now)
        effects, unheard = speech.silence()
        for text in unheard:
            effects += speech.say_in_fallback_voice(text, now=now)
        return effects

    def _give_up(self, kind: ProviderKind, *, now: float) -> list[Effect]:
        return self._agent.close(EndReason.PROVIDER_FAILED, phrases.LAST_APOLOGY, now=now)
