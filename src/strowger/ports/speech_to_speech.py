"""A service that hears, thinks and speaks: one conversation over one connection."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from strowger.conversation.events import ToolRequested
from strowger.conversation.speech_to_speech.events import (
    AgentWords,
    Brief,
    CalleeBegan,
    CalleeDone,
    CalleeWords,
    ItemOver,
    ResponseOver,
    ToService,
)
from strowger.ports.providers import Word


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of what the agent says, at LINE_RATE, mostly sooner than it can be played."""

    item: str
    pcm: bytes
    words: tuple[Word, ...] = ()
    """Those whose end lies in it or is told with it, in seconds from the beginning of the piece;
    for services that tell times."""


DialogueEvent = (
    Sound
    | AgentWords
    | CalleeBegan
    | CalleeDone
    | CalleeWords
    | ItemOver
    | ResponseOver
    | ToolRequested
)


class Dialogue(Protocol):
    """A conversation with a service that is ready for it. Everything raises ProviderError."""

    @property
    def greets(self) -> bool:
        """The service speaks first by itself, if it is to."""

    @property
    def resumes(self) -> bool:
        """Another connection could be told the dialogue and go on with it."""

    @property
    def is_open(self) -> bool:
        """Whether the service, as far as is known without asking, is still there."""

    async def send(self, pcm: bytes) -> None:
        """The callee's sound at LINE_RATE, silence included."""

    async def tell(self, what: ToService) -> None: ...

    def events(self) -> AsyncIterator[DialogueEvent]:
        """What comes, until the service leaves in order."""


class SpeechToSpeech(Protocol):
    """A service that holds whole conversations."""

    @property
    def greets(self) -> bool:
        """It speaks as soon as it is connected, if it is to speak first."""

    def converse(self, brief: Brief) -> AbstractAsyncContextManager[Dialogue]:
        """Connect, and enter once the service is ready; may be left by another task.

        Raises ProviderError, also where the brief is to go on with a conversation and the service
        cannot.
        """


class SpeechServices(Protocol):
    """The configured services by name."""

    def speech_to_speech(self, name: str) -> SpeechToSpeech:
        """Raises ProviderError for an unknown name, and where it is not configured."""
