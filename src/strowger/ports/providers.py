"""Who listens, who thinks and who speaks, and what of them there is."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from strowger.agent import (
    ModelSettings,
    TranscriberSettings,
    VoiceSettings,
)
from strowger.conversation.dialogue import Message, OfferedTool, ToolCall
from strowger.conversation.events import ProviderKind


@dataclass(frozen=True, slots=True)
class Word:
    """One word and where it lies, in seconds from the first sample of the turn or utterance."""

    text: str
    start: float
    end: float
    confidence: float | None = None
    """From 0 to 1, where a recogniser says how sure it is."""


class TurnSign(StrEnum):
    """What a recogniser that listens for ends of turns makes of the present one."""

    PERHAPS_OVER = "perhaps_over"
    """Good enough to begin on a reply; RESUMED takes it back."""
    OVER = "over"
    RESUMED = "resumed"
    """The callee speaks on after all."""


@dataclass(frozen=True, slots=True)
class Recognised:
    text: str
    """All words of the turn so far."""
    final: bool
    """Includes everything sent before the last `flush`."""
    confidence: float | None = None
    words: tuple[Word, ...] = ()
    """Those of `text`, where the recogniser tells their times."""
    sign: TurnSign | None = None
    """What changed with this result, where the recogniser listens for ends of turns."""


class Recognition(Protocol):
    """The recognition of one turn of the callee's."""

    async def send(self, pcm: bytes) -> None: ...

    async def flush(self) -> None:
        """The callee fell silent: a final result for all that was sent so far is wanted.

        More may follow, when the silence was only a pause.
        """

    def results(self) -> AsyncIterator[Recognised]: ...


class SpeechToText(Protocol):
    @property
    def metered(self) -> bool:
        """To stand ready costs something: it is not to be warmed for who may never answer."""

    async def warm(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str] = ()
    ) -> None:
        """Get ready, so that the next turn need not wait for a start; may do nothing.

        `phrases` are those that will be expected in it.

        What goes wrong here is not told: the first turn will.
        """

    def recognise(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str]
    ) -> AbstractAsyncContextManager[Recognition]:
        """Recognise one turn. `phrases` are the answers that may come; empty for any.

        Everything here raises ProviderError and nothing else.
        """


class TurnJudge(Protocol):
    async def judge(self, pcm: bytes) -> float | None:
        """From the sound up to a pause: 0, the callee goes on, to 1, he is done.

        At most 8 seconds are looked at. None where it cannot tell, or not in time.
        """


class TextToSpeech(Protocol):
    async def warm(self, settings: VoiceSettings, *, language: str) -> None:
        """Get ready, so that the next text need not wait for a start; may do nothing.

        What goes wrong here is not told: the next text will.
        """

    def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes | Word]:
        """PCM at LINE_RATE in pieces as they become ready. Raises ProviderError.

        A voice that knows when its words are spoken says so between the pieces, each word once
        and in order; a word may come before its sound or after it.
        """


async def pcm_of(speech: AsyncIterator[bytes | Word]) -> AsyncGenerator[bytes, None]:
    """The sound alone. Closing this closes the speech, and with it what it holds open."""
    try:
        async for piece in speech:
            if isinstance(piece, bytes):
                yield piece
    finally:
        if isinstance(speech, AsyncGenerator):
            await speech.aclose()


@dataclass(frozen=True, slots=True)
class ReplyText:
    """A piece of what the model wants said, as it writes it."""

    text: str


@dataclass(frozen=True, slots=True)
class ReplyEnd:
    """The model is done: nothing follows."""

    input_tokens: int | None = None
    """What was read, where the provider tells."""
    output_tokens: int | None = None
    cached_tokens: int | None = None
    """How many of `input_tokens` the provider knew already."""
    truncated: bool = False
    """The limit of tokens cut the reply off."""


ReplyPart = ReplyText | ToolCall | ReplyEnd


class LanguageModel(Protocol):
    async def warm(self, settings: ModelSettings) -> None:
        """Get ready, so that the next reply need not wait for a start; may do nothing.

        What goes wrong here is not told: the next reply will.
        """

    def reply(
        self,
        dialogue: Sequence[Message],
        settings: ModelSettings,
        *,
        tools: Sequence[OfferedTool] = (),
    ) -> AsyncIterator[ReplyPart]:
        """The reply as the model writes it, ended by exactly one ReplyEnd.

        A ToolCall comes whole, once the model has finished it; its arguments are handed on as
        they were written, broken or not, but its name is one of `tools`' or of the model's own
        invention, never empty. A reply without a text and without a tool is a failure.

        Leaving early stops the model. Raises ProviderError and nothing else.
        """


class Providers(Protocol):
    """The configured providers by name. An unknown name raises ProviderError."""

    def speech_to_text(self, name: str) -> SpeechToText: ...
    def text_to_speech(self, name: str) -> TextToSpeech: ...
    def language_model(self, name: str) -> LanguageModel: ...
    def fallback_voice(self) -> TextToSpeech | None:
        """A voice that needs no network, where one is installed."""


class ProviderWatch(Protocol):
    """Hears which providers one call is held with."""

    def provider_used(self, kind: ProviderKind, name: str, problems: Mapping[str, str]) -> None:
        """It does its part of the call now. `problems` says of others of its kind what they failed
        with last, by their names."""


class WatchedProviders(Providers, Protocol):
    def watched(self, by: ProviderWatch) -> Providers:
        """The same providers, for one call."""


class ProviderObserver(Protocol):
    """Hears how the providers do."""

    def provider_answered(self, kind: ProviderKind, name: str, seconds: float) -> None:
        """It took so long from the question to the first sound or word, or from a pause of the
        callee's to the final words."""

    def provider_failed(self, kind: ProviderKind, name: str) -> None:
        """It failed, or kept silent for too long; whether another went on, this does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderDescription:
    """One provider, as `strowger doctor` and the lists of voices and models show it."""

    kind: ProviderKind
    name: str
    available: bool
    problem: str | None = None
    """Why it is not available."""
    voices: tuple[str, ...] = ()
    default: str | None = None
    """The voice or model that is used where an agent names none."""


class Catalogue(Protocol):
    """What the configured providers offer."""

    async def describe(self) -> Sequence[ProviderDescription]: ...
