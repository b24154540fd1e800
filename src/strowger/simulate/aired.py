"""Configured speech-to-speech services in a rehearsal over real SIP: they are asked for real.

What they say goes into the air with its words, as what rehearsed voices say does, so that a callee
with exact ears hears it: once it is over or, as some services tell no end, once all of its words
are told. What the callee says they hear by themselves.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from strowger.conversation.speech_to_speech.events import (
    AgentWords,
    Brief,
    ItemOver,
    ToService,
)
from strowger.ports import Dialogue, DialogueEvent, Sound, SpeechServices, SpeechToSpeech
from strowger.simulate.performers import Air

LONGEST_ITEM = 60 * 16_000
"""Bytes of one item that are listened to."""


class AiredServices:
    """SpeechServices that are heard by who shares their air."""

    def __init__(self, services: SpeechServices, air: Air) -> None:
        self._services = services
        self._air = air

    def speech_to_speech(self, name: str) -> SpeechToSpeech:
        return _AiredService(self._services.speech_to_speech(name), self._air)


class _AiredService:
    def __init__(self, service: SpeechToSpeech, air: Air) -> None:
        self.greets = service.greets
        self._service = service
        self._air = air

    @asynccontextmanager
    async def converse(self, brief: Brief) -> AsyncIterator[Dialogue]:
        async with self._service.converse(brief) as dialogue:
            yield _AiredDialogue(dialogue, self._air)


class _AiredDialogue:
    def __init__(self, dialogue: Dialogue, air: Air) -> None:
        self.greets, self.resumes = dialogue.greets, dialogue.resumes
        self._dialogue = dialogue
        self._air = air
        self._sounds: dict[str, bytearray] = {}
        self._words: dict[str, str] = {}
        """Of items that are not in the air yet."""

    @property
    def is_open(self) -> bool:
        return self._dialogue.is_open

    async def send(self, pcm: bytes) -> None:
        await self._dialogue.send(pcm)

    async def tell(self, what: ToService) -> None:
        await self._dialogue.tell(what)

    async def events(self) -> AsyncIterator[DialogueEvent]:
        async for event in self._dialogue.events():
            self._listen(event)
            yield event

    def _listen(self, event: DialogueEvent) -> None:
        match event:
            case Sound(item, pcm):
                sound = self._sounds.setdefault(item, bytearray())
                sound += pcm[: LONGEST_ITEM - len(sound)]
            case AgentWords(item, text, True):
                self._words.pop(item, None)
                self._air.spoken(text, self._sounds.setdefault(item, bytearray()))
            case AgentWords(item, text):
                self._words[item] = self._words.get(item, "") + text
            case ItemOver(item):
                sound = self._sounds.pop(item, bytearray())
                if text := self._words.pop(item, ""):
                    self._air.spoken(text, sound)
            case _:
                pass
