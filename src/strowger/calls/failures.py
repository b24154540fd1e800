"""What the providers of a call have failed with that nothing has mended since: why it ended, where
that ended it."""

from collections.abc import Mapping

from strowger.conversation.events import (
    Event,
    ProviderFailed,
    ProviderKind,
    ReplySentence,
    Transcribed,
    UtteranceStarted,
)

MENDED_BY: Mapping[type[Event], ProviderKind] = {
    Transcribed: ProviderKind.SPEECH_TO_TEXT,
    ReplySentence: ProviderKind.LANGUAGE_MODEL,
    UtteranceStarted: ProviderKind.TEXT_TO_SPEECH,
}


class Failures:
    def __init__(self) -> None:
        self._open: dict[ProviderKind, str] = {}

    def note(self, event: Event) -> None:
        """Something happened on the call."""
        if isinstance(event, ProviderFailed):
            self._open[event.kind] = event.message
        elif self._open and (mended := MENDED_BY.get(type(event))) is not None:
            self._open.pop(mended, None)

    def told(self) -> str | None:
        """None where nobody said what was wrong: it was silence."""
        return "; ".join(self._open.values()) or None
