"""ElevenLabs' streaming speech with contexts, as its reference describes it.

https://elevenlabs.io/docs/api-reference/text-to-speech/v-1-text-to-speech-voice-id-multi-stream-input
"""

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterator
from functools import partial

from websockets.http11 import Request

from tests.providers.vendors.behaviour import RATE, Fault, SpokenWord, with_fault
from tests.providers.vendors.deepgram import ulaw
from tests.providers.vendors.sockets import Client, Vendor

MOST_CONTEXTS = 5


class ElevenLabs(Vendor):
    path = "/v1/text-to-speech/"

    def key_of(self, request: Request) -> str | None:
        return request.headers.get("xi-api-key")

    async def serve(self, client: Client) -> None:
        assert client.visit.query["output_format"] == "ulaw_8000"
        texts: dict[str, str] = {}
        speaking: dict[str, asyncio.Task[None]] = {}
        async for frame in client.frames():
            message = json.loads(frame)
            if message.get("close_socket"):
                await client.close()
                return
            context = message["context_id"]
            if message.get("close_context"):
                # What was flushed before is still spoken; a second one calls it off.
                if texts.pop(context, None) is None and context in speaking:
                    speaking.pop(context).cancel()
                continue
            if context not in texts:
                assert message["text"].endswith(" "), "a context begins with a space"
                live = [task for task in speaking.values() if not task.done()]
                if len(live) >= MOST_CONTEXTS:
                    await client.send(message="too many contexts", error="max", code=1008)
                    await client.close(1008, "Maximum simultaneous contexts exceeded (5)")
                    return
            texts[context] = texts.get(context, "") + message.get("text", "")
            if message.get("flush"):
                text, texts[context] = texts[context].strip(), ""
                speaking[context] = client.beside(partial(self._speak, client, text, context))

    async def _speak(self, client: Client, text: str, context: str) -> None:
        behaviour = self.behaviour
        fault = behaviour.next_fault()
        await asyncio.sleep(behaviour.first_sound)
        if fault is Fault.ERROR:
            await client.send(message="quota exceeded", error="quota_exceeded", code=1008)
            await client.close(1008, "quota exceeded")
            return
        pcm = behaviour.speak(text)
        sound = ulaw(with_fault(pcm, fault))
        step = round(behaviour.chunk * RATE)
        for start in range(0, len(sound), step):
            if start and await client.suffer(fault):
                return
            await client.send(
                audio=b64encode(sound[start : start + step]).decode(),
                alignment=alignment(behaviour.timing(text), start / RATE, (start + step) / RATE),
                normalizedAlignment=None,
                contextId=context,
            )
            await asyncio.sleep(behaviour.chunk * behaviour.real_time)
        await client.send(isFinal=True, contextId=context)


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
