"""Deepgram: `/v1/listen`, `/v2/listen` (Flux) and `/v1/speak`, as their references describe them.

https://developers.deepgram.com/reference/speech-to-text/listen-streaming
https://developers.deepgram.com/reference/speech-to-text/listen-flux
https://developers.deepgram.com/reference/text-to-speech/speak-streaming
"""

import asyncio
import json
from functools import partial

import numpy as np
from websockets.http11 import Request

from strowger.media.events import Codec
from strowger.media.g711 import encode
from tests.providers.vendors.behaviour import (
    RATE,
    Fault,
    Hearing,
    SpokenWord,
    is_voiced,
    with_fault,
)
from tests.providers.vendors.sockets import Client, Vendor, bearer

IDLE = 10.0
"""Seconds without sound and KeepAlive after which a Nova stream is closed."""


class _Deepgram(Vendor):
    def key_of(self, request: Request) -> str | None:
        return bearer(request, "Token ")


def placed(words: list[SpokenWord]) -> list[dict[str, object]]:
    return [
        {
            "word": word.lower().strip(".,?!"),
            "punctuated_word": word,
            "start": round(start, 3),
            "end": round(end, 3),
            "confidence": 0.98,
        }
        for word, start, end in words
    ]


class DeepgramNova(_Deepgram):
    """Segments of sound: interim results as it comes, a final one at `Finalize`."""

    path = "/v1/listen"

    async def serve(self, client: Client) -> None:
        behaviour = self.behaviour
        rate = int(client.visit.query["sample_rate"])
        hearing, told = Hearing(behaviour, rate), 0.0
        fault: Fault | None = None
        while True:
            try:
                async with asyncio.timeout(IDLE):
                    frame = await client.next_frame()
            except TimeoutError:
                await client.close(1011, "NET-0001: no audio or KeepAlive")
                return
            if frame is None:
                return
            if isinstance(frame, bytes):
                if hearing.feed(frame):
                    fault = behaviour.next_fault()
                if fault is Fault.ERROR:
                    await client.send(type="Error", description="model is overloaded")
                    return
                if await client.suffer(Fault.CUT if hearing.is_cut else fault):
                    return
                if hearing.seconds - told >= behaviour.interim_every:
                    told = hearing.seconds
                    await self._tell(client, hearing, final=False)
                continue
            message = json.loads(frame)
            match message["type"]:
                case "Finalize":
                    await asyncio.sleep(behaviour.final_after)
                    await self._tell(client, hearing, final=True)
                    hearing.end()
                    told = hearing.seconds
                case "KeepAlive":
                    pass
                case "CloseStream":
                    await client.send(type="Metadata", duration=hearing.seconds, channels=1)
                    await client.close()
                    return
                case _:
                    await client.close(1008, "DATA-0000")
                    return

    async def _tell(
        self, client: Client, hearing: Hearing, *, final: bool, by_itself: bool = False
    ) -> None:
        words = hearing.words(over=final)
        best = {
            "transcript": " ".join(word for word, *_ in words),
            "confidence": 0.98 if words else 0.0,
            "words": placed(words),
        }
        await client.send(
            type="Results",
            channel_index=[0, 1],
            start=round(hearing.began, 3),
            duration=round(hearing.seconds - hearing.began, 3),
            is_final=final,
            speech_final=by_itself,
            from_finalize=final and not by_itself,
            channel={"alternatives": [best]},
            metadata={"request_id": "r"},
        )


class DeepgramFlux(_Deepgram):
    """Turns: an update for each quarter of a second, ends by the silence that is heard."""

    path = "/v2/listen"
    eager_after, over_after = 0.2, 0.5
    """Seconds of silence."""

    async def serve(self, client: Client) -> None:
        state = _FluxTurn(self, client)
        await client.send(type="Connected", request_id="r", sequence_id=0)
        async for frame in client.frames():
            if isinstance(frame, bytes):
                if not await state.hear(frame):
                    return
                continue
            match json.loads(frame)["type"]:
                case "ForceEndTurn":
                    await state.force()
                case "CloseStream":
                    await client.close()
                    return
                case _:  # KeepAlive is none of Flux's
                    await client.send(
                        type="Error", code="UNPARSABLE_CLIENT_MESSAGE", description="?"
                    )
                    await client.close(1008)
                    return


class _FluxTurn:
    def __init__(self, vendor: DeepgramFlux, client: Client) -> None:
        self._vendor = vendor
        self._client = client
        self._heard = self._told = self._voiced = self._silent = self._began = 0.0
        self._words: list[str] = []
        self._said = 0
        self._index = self._sequence = 0
        self._eager = False
        self._fault: Fault | None = None

    async def hear(self, pcm: bytes) -> bool:
        """False where the connection is over."""
        step = 2 * RATE // 10
        for start in range(0, len(pcm), step):
            piece = pcm[start : start + step]
            lasts = len(piece) / 2 / RATE
            self._heard += lasts
            if is_voiced(piece):
                if not await self._voice(lasts):
                    return False
            else:
                await self._silence(lasts)
            if self._heard - self._told >= 0.25:
                await self._tell("Update")
        return True

    async def force(self) -> None:
        if self._words:
            await self._end("manual")

    async def _voice(self, lasts: float) -> bool:
        behaviour = self._vendor.behaviour
        if not self._words:
            self._words, self._said = behaviour.next_turn().split(), 0
            self._fault = behaviour.next_fault()
            self._began, self._voiced = self._heard - lasts, 0.0
            if self._fault is Fault.ERROR:
                await self._client.send(
                    type="Error", sequence_id=1, code="INTERNAL_SERVER_ERROR", description="sorry"
                )
                await self._client.close(1011)
                return False
            if await self._client.suffer(self._fault):
                return False
            await self._tell("StartOfTurn")
        self._voiced, self._silent = self._voiced + lasts, 0.0
        self._said = max(1, int(self._voiced * behaviour.words_per_second))
        if self._eager:
            self._eager = False
            await self._tell("TurnResumed")
        return True

    async def _silence(self, lasts: float) -> None:
        if not self._words:
            return
        self._silent += lasts
        self._said = len(self._words)
        if not self._eager and self._silent >= self._vendor.eager_after - 1e-6:
            self._eager = True
            if "eager_eot_threshold" in self._client.visit.query:
                await self._tell("EagerEndOfTurn")
        if self._silent >= self._vendor.over_after - 1e-6:
            await self._end("model")

    async def _end(self, trigger: str) -> None:
        self._said = len(self._words)
        await self._tell("EndOfTurn", trigger=trigger)
        self._words, self._eager, self._silent = [], False, 0.0
        self._index += 1

    async def _tell(self, event: str, **more: object) -> None:
        self._sequence += 1
        self._told = self._heard
        words = self._words[: self._said]
        began, each = self._began, 1 / self._vendor.behaviour.words_per_second
        known = placed(
            [(word, began + n * each, began + (n + 0.8) * each) for n, word in enumerate(words)]
        )
        await self._client.send(
            type="TurnInfo",
            request_id="r",
            sequence_id=self._sequence,
            event=event,
            turn_index=self._index,
            audio_window_start=0.0,
            audio_window_end=round(self._heard, 3),
            transcript=" ".join(words),
            words=[
                {key: word[key] for key in ("word", "confidence", "start", "end")} for word in known
            ],
            end_of_turn_confidence=0.9 if event == "EndOfTurn" else 0.2,
            **more,
        )


class DeepgramAura(_Deepgram):
    """Speech: bytes of sound for what was spoken of since the last `Flush`, then `Flushed`."""

    path = "/v1/speak"
    most_flushes = 20

    async def serve(self, client: Client) -> None:
        text, flushes = "", 0
        speaking: asyncio.Task[None] | None = None
        await client.send(type="Metadata", request_id="r", model_name=client.visit.query["model"])
        async for frame in client.frames():
            assert isinstance(frame, str), "Aura takes text messages only"
            message = json.loads(frame)
            match message["type"]:
                case "Speak":
                    text += message["text"]
                case "Flush":
                    flushes += 1
                    if flushes > self.most_flushes:
                        await client.send(
                            type="Warning", code="EXCESSIVE_FLUSH", description="too many flushes"
                        )
                        continue
                    said, text = text, ""
                    speaking = client.beside(partial(self._speak, client, said, flushes))
                case "Clear":
                    if speaking is not None:
                        speaking.cancel()
                    await client.send(type="Cleared", sequence_id=flushes)
                case "Close":
                    await client.close()
                    return

    async def _speak(self, client: Client, text: str, sequence: int) -> None:
        behaviour = self.behaviour
        fault = behaviour.next_fault()
        await asyncio.sleep(behaviour.first_sound)
        if fault is Fault.ERROR:
            await client.send(type="Error", err_code="x", err_msg="no capacity")
            return
        pcm = with_fault(behaviour.speak(text), fault)
        sound = ulaw(pcm) if client.visit.query["encoding"] == "mulaw" else pcm
        step = round(behaviour.chunk * RATE) * (len(sound) * 2 // max(1, len(pcm)))
        for start in range(0, len(sound), step):
            if start and await client.suffer(fault):
                return
            await client.send_raw(sound[start : start + step])
            await asyncio.sleep(behaviour.chunk * behaviour.real_time)
        await client.send(type="Flushed", sequence_id=sequence)


def ulaw(pcm: bytes) -> bytes:
    return encode(Codec.PCMU, np.frombuffer(pcm, "<i2")).tobytes()
