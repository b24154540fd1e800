"""Speech by any server that speaks OpenAI's `/audio/speech`."""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing

from strowger.agent import VoiceSettings
from strowger.errors import ProviderError
from strowger.media.resample import Resampler
from strowger.ports import LINE_RATE
from strowger.providers.http import HttpAnswer, HttpConnection

RATE = 24000
"""Samples per second of `pcm` where the server does not say another."""
RATES = range(8000, 48001)
LONGEST_TEXT = 4096
RAW_AUDIO = {"", "application/octet-stream", "audio/l16", "audio/pcm", "audio/raw", "audio/x-raw"}
CONTAINERS = (b"RIFF", b"ID3", b"OggS", b"fLaC")
"""How audio begins that is not the raw samples asked for."""


class OpenAISpeech:
    """TextToSpeech over `/audio/speech`, streamed as raw PCM."""

    def __init__(self, connection: HttpConnection, *, model: str, default_voice: str) -> None:
        self._connection = connection
        self._model = model
        self._default_voice = default_voice

    async def warm(self, settings: VoiceSettings, *, language: str) -> None:
        await self._connection.warm()

    async def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes]:
        """The model hears the language from the text."""
        if len(text) > LONGEST_TEXT:
            raise ProviderError(
                f"a text of {len(text)} characters; speech takes {LONGEST_TEXT}", retryable=False
            )
        request = {
            "model": self._model,
            "input": text,
            "voice": settings.voice_id or self._default_voice,
            "response_format": "pcm",
            "speed": settings.speed,
        }
        async with self._connection.post("audio/speech", request) as answer:
            resampler = Resampler(rate_of(answer), LINE_RATE)
            size = 0
            async with aclosing(answer.pieces()) as pieces:
                async for piece in pieces:
                    if size == 0 and piece.startswith(CONTAINERS):
                        raise answer.error("sent a sound file instead of raw PCM")
                    size += len(piece)
                    if pcm := resampler.process(piece):
                        yield pcm
            if size == 0:
                raise answer.error("sent no audio", retryable=True)
            if size % 2:
                raise answer.error("sent half a sample: the audio broke off", retryable=True)
            if pcm := resampler.flush():
                yield pcm


def rate_of(answer: HttpAnswer) -> int:
    if answer.media_type not in RAW_AUDIO:
        raise answer.error(f"answered {answer.media_type} instead of raw PCM")
    said = re.search(r"\brate=(\d{1,6})\b", answer.content_type)
    rate = int(said[1]) if said else RATE
    if rate not in RATES:
        raise answer.error(f"speaks at {rate} Hz")
    return rate
