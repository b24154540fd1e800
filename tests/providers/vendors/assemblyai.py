"""AssemblyAI's Universal Streaming, as its documents describe it.

https://www.assemblyai.com/docs/streaming/message-sequence
"""

import asyncio
import json

from websockets.http11 import Request

from tests.providers.vendors.behaviour import RATE, Fault, Hearing, SpokenWord
from tests.providers.vendors.sockets import Client, Vendor


class AssemblyAI(Vendor):
    path = "/v3/ws"

    def key_of(self, request: Request) -> str | None:
        return request.headers.get("Authorization")

    async def serve(self, client: Client) -> None:
        query = client.visit.query
        if "speech_model" not in query or query.get("sample_rate") != "8000":
            await client.close(3006, "Missing parameter: speech_model")
            return
        await client.send(type="Begin", id="s", expires_at=1)
        behaviour = self.behaviour
        hearing, told, order = Hearing(behaviour), 0.0, 0
        async for frame in client.frames():
            if isinstance(frame, bytes):
                lasts = len(frame) / 2 / RATE
                if not 0.05 <= lasts <= 1.0:
                    await client.send(type="Error", error_code=3007, error="Input Duration Error")
                    await client.close(3007, "Input Duration Error")
                    return
                if hearing.feed(frame):
                    fault = behaviour.next_fault()
                    if fault is Fault.ERROR:
                        await client.send(error="internal error")
                        return
                    if await client.suffer(fault):
                        return
                if hearing.seconds - told >= behaviour.interim_every:
                    told = hearing.seconds
                    await self._tell(client, hearing.words(over=False), order, over=False)
                continue
            match json.loads(frame)["type"]:
                case "ForceEndpoint":
                    await asyncio.sleep(behaviour.final_after)
                    if words := hearing.words(over=True):  # an empty turn has no end
                        await self._tell(client, words, order, over=True)
                        order += 1
                    hearing.end()
                    told = hearing.seconds
                case "Terminate":
                    await client.send(
                        type="Termination", audio_duration_seconds=round(hearing.seconds),
                        session_duration_seconds=round(hearing.seconds),
                    )  # fmt: skip
                    await client.close()
                    return
                case "KeepAlive" | "UpdateConfiguration":
                    pass
                case other:
                    await client.close(3003, f"Invalid message type {other}")
                    return

    async def _tell(
        self, client: Client, words: list[SpokenWord], order: int, *, over: bool
    ) -> None:
        placed = [
            {
                "text": word,
                "start": round(1000 * start),
                "end": round(1000 * end),
                "confidence": 0.95,
                "word_is_final": over or index < len(words) - 1,
            }
            for index, (word, start, end) in enumerate(words)
        ]
        stands = [str(word["text"]) for word in placed if word["word_is_final"]]
        await client.send(
            type="Turn",
            turn_order=order,
            turn_is_formatted=False,
            end_of_turn=over,
            end_of_turn_confidence=0.9 if over else 0.1,
            transcript=" ".join(stands),
            words=placed,
        )
