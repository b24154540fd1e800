"""The agent's part in a call that a service holds: what the callee hears of it, and its goodbye."""

from strowger.conversation.answers import words_of
from strowger.conversation.events import StopSpeaking, UtteranceEnded, UtteranceStarted
from strowger.conversation.speech_to_speech.ending import Ending
from strowger.conversation.speech_to_speech.events import (
    AgentWords,
    ReportHeard,
    SoundBegan,
    SpokenEffect,
)
from strowger.conversation.speech_to_speech.items import AgentItem, is_plain
from strowger.conversation.speech_to_speech.serving import Serving
from strowger.conversation.speech_to_speech.situation import Situation
from strowger.lifecycle import EndReason


class Speaking:
    def __init__(self, call: Situation, ending: Ending, serving: Serving) -> None:
        self._call = call
        self._ending = ending
        self._serving = serving

    def of_agent(
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
                    entry.cause, call.unanswered = call.unanswered, None
                self._serving.sounds(item, plain=is_plain(item))
                return []
            case UtteranceStarted(utterance):
                started = call.record.of_utterance(utterance)
                if started is not None:
                    started.started(event)
                    self._serving.heard(plain=started.plain)
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
        if entry.interrupted and entry.heard < entry.sound and not entry.plain:
            effects.append(ReportHeard(entry.item, round(entry.heard, 3)))
        self._listen_for_goodbye(entry, now=now)
        return effects + self._ending.when_silent(now=now)

    def item_over(self, item: str, *, now: float) -> list[SpokenEffect]:
        entry = self._call.record.known_agent(item)
        if entry is None:
            return self._ending.never_sounded(plain=is_plain(item), now=now)
        entry.over = True
        if entry.started_at is None and not entry.playing:
            return self._ending.never_sounded(plain=is_plain(item), now=now)
        if entry.playing:
            return []
        self._listen_for_goodbye(entry, now=now)
        return self._ending.when_silent(now=now)

    def _listen_for_goodbye(self, entry: AgentItem, *, now: float) -> None:
        """Whether the agent has said one of the phrases after which it hangs up."""
        call = self._call
        if call.closing is not None or entry.interrupted or entry.plain:
            return
        said = f" {' '.join(words_of(entry.spoken()))} "
        if any(f" {' '.join(words)} " in said for words in call.last_phrases):
            self._ending.close_when_silent(EndReason.AGENT_HANGUP, wait=0.0, now=now)
