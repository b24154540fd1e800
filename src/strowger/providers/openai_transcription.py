"""Recognition by any server that speaks OpenAI's `/audio/transcriptions`."""

import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from strowger.agent import TranscriberSettings
from strowger.ports import LINE_RATE, Recognised
from strowger.providers.http import HttpConnection
from strowger.providers.http_service import Form
from strowger.providers.openai_hints import hints
from strowger.providers.turn import WholeTurn

LONGEST_TURN = 120
"""Seconds."""
SHORTEST = 0.1
"""Seconds; shorter audio is refused, and nobody says anything in it."""


class OpenAITranscription:
    """SpeechToText over `/audio/transcriptions`: the turn is uploaded when the callee pauses."""

    def __init__(self, connection: HttpConnection, *, default_model: str) -> None:
        self.metered = False
        self._connection = connection
        self._default_model = default_model

    async def warm(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str] = ()
    ) -> None:
        await self._connection.warm()

    @asynccontextmanager
    async def recognise(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str]
    ) -> AsyncIterator[WholeTurn]:
        model = settings.model or self._default_model
        fields = [("model", model), ("response_format", "json")]
        for name, hint in hints(model, language, [*settings.keywords, *phrases]).items():
            if isinstance(hint, list):
                fields += [(f"{name}[]", str(value)) for value in hint]
            else:
                fields.append((name, str(hint)))
        turn = WholeTurn(partial(self._transcribe, fields=fields), longest=LONGEST_TURN)
        try:
            yield turn
        finally:
            turn.close()

    async def _transcribe(self, pcm: bytes, *, fields: Sequence[tuple[str, str]]) -> Recognised:
        if len(pcm) < 2 * SHORTEST * LINE_RATE:
            return Recognised("", final=True)
        form = Form(fields=fields, file=wav(pcm), file_name="turn.wav", file_type="audio/wav")
        async with self._connection.post("audio/transcriptions", form) as answer:
            match await answer.read_json():
                case {"text": str(text)}:
                    return Recognised(text.strip(), final=True)
            raise answer.error("answered without a text")


def wav(pcm: bytes) -> bytes:
    """A mono 16-bit RIFF file at LINE_RATE."""
    head = struct.pack("<HHIIHH", 1, 1, LINE_RATE, 2 * LINE_RATE, 2, 16)
    chunks = b"fmt " + struct.pack("<I", len(head)) + head
    chunks += b"data" + struct.pack("<I", len(pcm)) + pcm
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks
