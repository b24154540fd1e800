"""ElevenLabs' streaming speech with contexts, as its reference describes it.

https://elevenlabs.io/docs/api-reference/text-to-speech/v-1-text-to-speech-voice-id-multi-stream-input
"""

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterator
from functools import partial

from websockets.http11 import Request

from tests.providers.vendors.behaviour import RATE, Fault, SpokenWord, wide, with_fault
from tests.providers.vendors.deepgram import ulaw
from tests.providers.vendors.sockets import Client, Vendor

MOST_CONTEXTS = 5
FORMS = {"ulaw_8000": (ulaw, RATE), "pcm_24000": (wide, 48000)}
"""How each form that sound is asked for in is made of PCM, and how many bytes a second has."""


class ElevenLabs(Vendor):
    path = "/v1/text-to-speech/"

    def key_of(self, request: Request) -> str | None:
        return request.headers.get("xi-api-key")

    async def serve(self, client: Client) -> None:
        assert client.visit.query["output_format"] in FORMS
        contexts: dict[str, _Context] = {}
        async for frame in client.frames():
            message = json.loads(frame)
            if message.get("close_socket"):
                await client.close()
                return
            name = message["context_id"]
            if message.get("close_context"):
                # What was flushed before is still spoken; a second one calls it off.
                context = contexts[name]
                if context.closed and context.speaking is not None:
                    context.speaking.cancel()
                context.close()
                continue
            if name not in contexts:
                assert message["text"].endswith(" "), "a context begins with a space"
                live = [each for each in contexts.values() if not each.over]
                if len(live) >= MOST_CONTEXTS:
                    await client.send(message="too many contexts", error="max", code=1008)
                    await client.close(1008, "Maximum simultaneous contexts exceeded (5)")
                    return
                contexts[name] = _Context()
            context = contexts[name]
            context.text += message.get("text", "")
            if message.get("flush") and (text := context.text.strip()):
                context.text = ""
                context.flushed.put_nowait(text)
                if context.speaking is None:
                    context.speaking = client.beside(partial(self._talk, client, context, name))

    async def _talk(self, client: Client, context: "_Context", name: str) -> None:
        """One text of a context after the other, until it is closed."""
        while (text := await context.flushed.get()) is not None:
            if not await self._speak(client, text, name):
                return
        context.over = True
        await client.send(isFinal=True, contextId=name)

    async def _speak(self, client: Client, text: str, context: str) -> bool:
        """Whether all went well."""
        behaviour = self.behaviour
        fault = behaviour.next_fault()
        await asyncio.sleep(behaviour.first_sound)
        if fault is Fault.ERROR:
            await client.send(message="quota exceeded", error="quota_exceeded", code=1008)
            await client.close(1008, "quota exceeded")
            return False
        pcm = behaviour.speak(text)
        encode, per_second = FORMS[client.visit.query["output_format"]]
        sound = encode(with_fault(pcm, fault))
        step = round(behaviour.chunk * RATE) * per_second // RATE
        for start in range(0, len(sound), step):
            if start and await client.suffer(fault):
                return False
            begins, ends = start / per_second, (start + step) / per_second
            times = alignment(behaviour.timing(text), begins, ends)
            await client.send(
                audio=b64encode(sound[start : start + step]).decode(),
                alignment=times,
                normalizedAlignment=times,
                contextId=context,
            )
            await asyncio.sleep(behaviour.chunk * behaviour.real_time)
        return True


class _Context:
    """What is asked for in one context."""

    def __init__(self) -> None:
        self.text = ""
        """What was not flushed yet."""
        self.flushed: asyncio.Queue[str | None] = asyncio.Queue()
        self.speaking: asyncio.Task[None] | None = None
        self.closed = self.over = False

    def close(self) -> None:
        """Nothing is said in it any more but what was flushed."""
        if self.closed or self.speaking is None:
            self.over = True
        self.closed = True
        self.flushed.put_nowait(None)


def alignment(words: Iterator[SpokenWord], begins: float, ends: float) -> dict[str, object] | None:
    """The characters that begin in a piece of sound, by its own time."""
    chars: list[str] = []
    starts: list[int] = []
    lasts: list[int] = []
    for word, at, duration in words:
        each = duration / len(word)
        for index, char in enumerate([*word, " "]):
            start = at + index * each
            if begins <= start < ends:
                began = round(1000 * (start - begins))
                chars.append(char)
                starts.append(began)
                # Whole milliseconds that follow each other without a gap, as the service's do.
                lasts.append(round(1000 * (start + each - begins)) - began)
    if not chars:
        return None
    return {"chars": chars, "charStartTimesMs": starts, "charDurationsMs": lasts}
