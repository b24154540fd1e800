"""What a conversation does when a provider fails: apologise, try once more, then say goodbye."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from strowger.conversation import phrases
from strowger.conversation.agent_side import AgentSide
from strowger.conversation.events import Effect, ProviderFailed, ProviderKind
from strowger.conversation.responder import Response
from strowger.conversation.transcript import AgentTurn
from strowger.conversation.turn import TurnMachine
from strowger.lifecycle import EndReason


class Failing:
    """Failures in a row, without a success between them, by kind of provider."""

    def __init__(
        self, agent: AgentSide, turns: TurnMachine, repeat: Callable[[], Response]
    ) -> None:
        """`repeat` is what the callee is to answer, said again."""
        self._agent = agent
        self._turns = turns
        self._repeat = repeat
        self._failures: Counter[ProviderKind] = Counter()

    def succeeded(self, kind: ProviderKind) -> None:
        self._failures[kind] = 0

    def told(self, event: ProviderFailed, *, now: float) -> list[Effect]:
        """Answer a failure, unless it is one of something not wanted any more."""
        speech, kind = self._agent.speech, event.kind
        match kind:
            case ProviderKind.SPEECH_TO_TEXT:
                if event.reference != self._agent.listening or self._agent.closing is not None:
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
        if self._agent.closing is not None:
            if kind is ProviderKind.LANGUAGE_MODEL:
                return self._agent.speech.drop_reply() + self._agent.when_silent(now=now)
            return self._agent.goodbye_failed(self._agent.closing, now=now)
        self._failures[kind] += 1
        if kind is ProviderKind.TEXT_TO_SPEECH:
            return self._voice_failed(now=now, retryable=retryable)
        if not retryable or self._failures[kind] > 1:
            return self._give_up(kind, now=now)
        match kind:
            case ProviderKind.SPEECH_TO_TEXT:
                response = self._repeat()
                response = replace(response, texts=(phrases.APOLOGY, *response.texts))
                return self._agent.perform(response, AgentTurn(words_at=now), now=now)
            case ProviderKind.LANGUAGE_MODEL:
                return self._agent.generate_again(now=now)
            case ProviderKind.SPEECH_TO_SPEECH:
                return []
            case _:
                assert_never(kind)

    def _voice_failed(self, *, now: float, retryable: bool) -> list[Effect]:
        if self._agent.speech.in_fallback_voice():
            return self._agent.give_up_speaking(now=now)
        if retryable and self._failures[ProviderKind.TEXT_TO_SPEECH] == 1:
            return self._agent.speak_again(now=now)
        return self._agent.speak_otherwise(now=now)

    def _give_up(self, kind: ProviderKind, *, now: float) -> list[Effect]:
        return self._agent.close(EndReason.PROVIDER_FAILED, phrases.LAST_APOLOGY, now=now)
