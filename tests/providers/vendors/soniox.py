"""Soniox's real-time recognition, as its documents describe it.

https://soniox.com/docs/api-reference/stt/websocket-api
"""

import asyncio
import json

from websockets.http11 import Request

from tests.providers.vendors.behaviour import RATE, Fault
from tests.providers.vendors.sockets import Client, Vendor, bearer


class Soniox(Vendor):
    path = "/transcribe-websocket"

    def key_of(self, request: Request) -> str | None:
        return bearer(request)

    async def serve(self, client: Client) -> None:
        behaviour = self.behaviour
        frames = client.frames()
        start = json.loads(await anext(frames))
        if start.get("audio_format") != "pcm_s16le" or "model" not in start:
            await client.send(tokens=[], error_code=400, error_message="Invalid audio format")
            await client.close(1000)
            return
        heard = began = told = 0.0
        words: list[str] | None = None
        async for frame in frames:
            if isinstance(frame, bytes) and frame:
                if words is None:
                    words, fault = behaviour.next_turn().split(), behaviour.next_fault()
                    if fault is Fault.ERROR:
                        await client.send(tokens=[], error_code=503, error_message="Try again")
                        await client.close(1000)
                        return
                    if await client.suffer(fault):
                        return
                heard += len(frame) / 2 / RATE
                if heard - told >= behaviour.interim_every:
                    told = heard
                    so_far = words[: int((heard - began) * behaviour.words_per_second)]
                    await self._tell(client, self._tokens(so_far, began, final=False), heard)
                continue
            if not frame:  # an empty message: the end
                await client.send(tokens=[], finished=True)
                await client.close(1000)
                return
            match json.loads(frame)["type"]:
                case "finalize":
                    await asyncio.sleep(behaviour.final_after)
                    tokens = self._tokens(words or [], began, final=True)
                    await self._tell(client, [*tokens, {"text": "<fin>", "is_final": True}], heard)
                    began, told, words = heard, heard, None
                case "keepalive":
                    pass

    def _tokens(self, words: list[str], began: float, *, final: bool) -> list[dict[str, object]]:
        """Two for each longer word: pieces of words are what the service sends."""
        tokens: list[dict[str, object]] = []
        per_second = self.behaviour.words_per_second
        for index, word in enumerate(words):
            cut = 3 if len(word) > 5 else len(word)
            start = began + index / per_second
            for place, text in enumerate(filter(None, (word[:cut], word[cut:]))):
                tokens.append(
                    {
                        "text": (" " if index and not place else "") + text,
                        "start_ms": round(1000 * (start + 0.4 * place / per_second)),
                        "end_ms": round(1000 * (start + 0.4 * (place + 1) / per_second)),
                        "confidence": 0.9,
                        "is_final": final,
                    }
                )
        return tokens

    @staticmethod
    async def _tell(client: Client, tokens: list[dict[str, object]], heard: float) -> None:
        done = round(1000 * heard)
        await client.send(tokens=tokens, final_audio_proc_ms=done, total_audio_proc_ms=done)
