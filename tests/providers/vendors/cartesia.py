"""Cartesia's streaming speech, as its reference describes it.

https://docs.cartesia.ai/api-reference/tts/websocket
"""

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable
from functools import partial

from websockets.http11 import Request

from tests.providers.vendors.behaviour import RATE, Fault, spoken_words, wide, with_fault
from tests.providers.vendors.deepgram import ulaw
from tests.providers.vendors.sockets import Client, Vendor

Form = tuple[Callable[[bytes], bytes], int]
FORMS: dict[str, Form] = {"pcm_mulaw": (ulaw, RATE), "pcm_s16le": (wide, 48000)}
"""How each encoding is made of PCM, and how many bytes a second has."""


class Cartesia(Vendor):
    path = "/tts/websocket"

    def key_of(self, request: Request) -> str | None:
        return request.headers.get("X-API-Key")

    async def serve(self, client: Client) -> None:
        visit = client.visit
        assert visit.headers.get("cartesia-version") or visit.query["cartesia_version"]
        speaking: dict[str, asyncio.Task[None]] = {}
        begun: dict[str, str] = {}
        """Texts of which more is announced."""
        async for frame in client.frames():
            message = json.loads(frame)
            context = message["context_id"]
            if message.get("cancel"):
                if context in speaking:
                    speaking[context].cancel()
                continue
            form = message["output_format"]
            asked = form["container"], form["encoding"], form["sample_rate"]
            assert asked in {("raw", "pcm_mulaw", RATE), ("raw", "pcm_s16le", 3 * RATE)}
            assert message["voice"]["mode"] == "id" and message["add_timestamps"]
            text = begun.pop(context, "") + message["transcript"]
            if message.get("continue"):
                begun[context] = text
                continue
            speak = partial(self._speak, client, text.strip(), context, FORMS[form["encoding"]])
            speaking[context] = client.beside(speak)

    async def _speak(self, client: Client, text: str, context: str, form: Form) -> None:
        behaviour = self.behaviour
        fault = behaviour.next_fault()
        await asyncio.sleep(behaviour.first_sound)
        if fault is Fault.ERROR:
            await client.send(
                type="error", done=True, status_code=500, title="Internal", message="try later",
                context_id=context,
            )  # fmt: skip
            return
        common = {"status_code": 206, "context_id": context}
        encode, per_second = form
        sound = encode(with_fault(behaviour.speak(text), fault))
        step = round(behaviour.chunk * RATE) * per_second // RATE
        for start in range(0, len(sound), step):
            if start and await client.suffer(fault):
                return
            piece = b64encode(sound[start : start + step]).decode()
            await client.send(type="chunk", data=piece, done=False, step_time=1.0, **common)
            if start == 0:
                words = list(spoken_words(text))
                times = {
                    "words": [word for word, _, _ in words],
                    "start": [at for _, at, _ in words],
                    "end": [at + lasts for _, at, lasts in words],
                }
                await client.send(type="timestamps", done=False, word_timestamps=times, **common)
            await asyncio.sleep(behaviour.chunk * behaviour.real_time)
        await client.send(type="done", done=True, **common)
