"""Cartesia's streaming speech, as its reference describes it.

https://docs.cartesia.ai/api-reference/tts/websocket
"""

import asyncio
import json
from base64 import b64encode
from functools import partial

from websockets.http11 import Request

from tests.providers.vendors.behaviour import RATE, Fault, spoken_words, with_fault
from tests.providers.vendors.deepgram import ulaw
from tests.providers.vendors.sockets import Client, Vendor


class Cartesia(Vendor):
    path = "/tts/websocket"

    def key_of(self, request: Request) -> str | None:
        return request.headers.get("X-API-Key")

    async def serve(self, client: Client) -> None:
        assert client.visit.headers["cartesia-version"]
        speaking: dict[str, asyncio.Task[None]] = {}
        async for frame in client.frames():
            message = json.loads(frame)
            context = message["context_id"]
            if message.get("cancel"):
                if context in speaking:
                    speaking[context].cancel()
                continue
            form = message["output_format"]
            assert form == {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": RATE}
            assert message["voice"]["mode"] == "id" and message["add_timestamps"]
            text = message["transcript"]
            speaking[context] = client.beside(partial(self._speak, client, text, context))

    async def _speak(self, client: Client, text: str, context: str) -> None:
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
        sound = ulaw(with_fault(behaviour.speak(text), fault))
        step = round(behaviour.chunk * RATE)
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
