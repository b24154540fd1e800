"""A load of providers for `bench.turns`: recognition, a model and speech, as lean as can be.

Speaks Deepgram's streaming recognition and ElevenLabs' speech with contexts over websockets at one
port, and OpenAI's chat completions over HTTP at the next. Every delay is fixed, and counts from
what was really sent: the final words come FINAL_AFTER the last voiced sample, whoever asks for
them and when; pieces have moments of their own, so that delays of this process do not add up.
`python -m bench.turn_providers FOLDER` prints both ports once it serves; FOLDER holds `speech`, raw
PCM at 8 kHz, of which every reply is made.
"""

import asyncio
import json
import logging
import signal
import sys
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from strowger.app.running import run_loop
from strowger.media.events import Codec
from strowger.media.g711 import Samples, encode

FINAL_AFTER = 0.150
"""Seconds from the last voiced sample to the final words."""
FIRST_TOKEN, TOKEN_EVERY = 0.200, 0.020
FIRST_SOUND = 0.100
CHUNK, CHUNK_EVERY = 0.1, 0.020
"""Seconds of sound in one piece, and between two pieces: five times faster than it is spoken."""
PER_CHARACTER = 0.045
"""Seconds that a character takes to speak."""
INTERIM_EVERY = 0.6
AUDIBLE = 300
"""Of a 16-bit sample, from which it is voiced; the line's noise stays far below."""
RATE = 8000
HEARD = (
    "I would rather come on Thursday afternoon.",
    "We are open until six in the evening.",
    "The second one is the better choice.",
    "Monday morning at nine o'clock is good.",
    "Could you send it to my office?",
)
"""What is recognised, in turn. Its words fit no clip; nothing depends on that."""
REPLY = (
    "Yes,", " that", " is", " fine,", " I", " will", " put", " it", " down", ".",
    " Is", " there", " any", " more", " that", " I", " can", " do", " now", "?",
)  # fmt: skip
"""The twenty tokens of every reply."""


class Recogniser:
    """One `/v1/listen` stream."""

    def __init__(self, connection: ServerConnection, rate: int, number: int) -> None:
        self._connection = connection
        self._rate = rate
        self._turns = count(number)
        self._words: list[str] = []
        self._heard = self._began = self._voiced = self._told = 0.0
        """Seconds of sound: all, before this segment, voiced in it, and at its last interim."""
        self._last_voiced = 0.0
        """On the loop's clock."""

    async def run(self) -> None:
        now = asyncio.get_running_loop().time
        async for frame in self._connection:
            if isinstance(frame, bytes):
                await self._hear(np.frombuffer(frame[: len(frame) & ~1], "<i2"), now())
                continue
            match json.loads(frame).get("type"):
                case "Finalize":
                    await asyncio.sleep(self._last_voiced + FINAL_AFTER - now())
                    await self._tell(self._words, final=True, asked=True)
                case "CloseStream":
                    return

    async def _hear(self, samples: Samples, now: float) -> None:
        lasts = len(samples) / self._rate
        self._heard += lasts
        loud = np.flatnonzero(np.abs(samples) > AUDIBLE)
        if len(loud):
            if not self._words:
                self._words = HEARD[next(self._turns) % len(HEARD)].split()
                self._voiced = self._told = 0.0
            self._last_voiced = now - (len(samples) - 1 - int(loud[-1])) / self._rate
            self._voiced += lasts
            if self._voiced - self._told >= INTERIM_EVERY:
                self._told = self._voiced
                await self._tell(self._words[: int(3 * self._voiced)], final=False)
        elif self._words and now - self._last_voiced >= FINAL_AFTER:
            await self._tell(self._words, final=True)

    async def _tell(self, words: list[str], *, final: bool, asked: bool = False) -> None:
        began = self._began
        placed = [
            {
                "word": word.lower().strip(".,?!"),
                "punctuated_word": word,
                "start": round(began + index / 3, 3),
                "end": round(began + (index + 0.8) / 3, 3),
                "confidence": 0.98,
            }
            for index, word in enumerate(words)
        ]
        best = {"transcript": " ".join(words), "confidence": 0.98, "words": placed}
        message = {
            "type": "Results",
            "channel_index": [0, 1],
            "start": round(began, 3),
            "duration": round(self._heard - began, 3),
            "is_final": final,
            "speech_final": final and not asked,
            "from_finalize": asked,
            "channel": {"alternatives": [best]},
            "metadata": {
                "request_id": "r",
                "model_info": {"name": "general-nova-3", "version": "1", "arch": "nova-3"},
                "model_uuid": "m",
            },
        }
        if final:
            self._began, self._words = self._heard, []
        await self._connection.send(json.dumps(message))


class Voice:
    """One `multi-stream-input` connection: texts of several contexts, spoken side by side."""

    def __init__(
        self, connection: ServerConnection, sound: Callable[[str], bytes], tasks: asyncio.TaskGroup
    ) -> None:
        """`sound` gives a text spoken, as base64 can carry it: see `spoken`."""
        self._connection = connection
        self._sound = sound
        self._tasks = tasks
        self._texts: dict[str, str] = {}
        self._speaking: dict[str, asyncio.Task[None]] = {}
        self._closed: set[str] = set()

    async def run(self) -> None:
        async for frame in self._connection:
            message = json.loads(frame)
            if message.get("close_socket"):
                return
            context = message.get("context_id") or "default"
            text = self._texts.get(context, "") + (message.get("text") or "")
            closing = bool(message.get("close_context"))
            if closing and not text.strip() and context in self._closed:
                if (task := self._speaking.get(context)) is not None:
                    task.cancel()  # called off
                continue
            if message.get("flush") or closing or text.rstrip().endswith((".", "?", "!")):
                before, text = text.strip(), ""
                if before or closing:
                    self._begin(context, before, last=closing)
            if closing:
                self._texts.pop(context, None)
                self._closed.add(context)
            else:
                self._texts[context] = text

    def _begin(self, context: str, text: str, *, last: bool) -> None:
        task = self._tasks.create_task(
            self._speak(context, text, last, self._speaking.get(context))
        )
        self._speaking[context] = task

    async def _speak(
        self, context: str, text: str, last: bool, before: "asyncio.Task[None] | None"
    ) -> None:
        if text:
            await asyncio.sleep(FIRST_SOUND)
        if before is not None:
            await asyncio.wait([before])
        try:
            if text:
                await self._send(context, text)
            if last:
                await self._connection.send(json.dumps({"isFinal": True, "contextId": context}))
        except ConnectionClosed:
            return
        if last and self._speaking.get(context) is asyncio.current_task():
            del self._speaking[context]

    async def _send(self, context: str, text: str) -> None:
        sound = self._sound(text)
        lasts = PER_CHARACTER * len(text)
        step = max(1, round(len(sound) * CHUNK / lasts) // 2 * 2)
        told, now = 0, asyncio.get_running_loop().time
        due = now()
        for start in range(0, len(sound), step):
            until = min(len(text), round(len(text) * (start + step) / len(sound)))
            chars = list(text[told:until])
            told = until
            each = round(1000 * PER_CHARACTER)
            alignment = {
                "chars": chars,
                "charStartTimesMs": [index * each for index in range(len(chars))],
                "charDurationsMs": [each] * len(chars),
            }
            message = {
                "audio": b64encode(sound[start : start + step]).decode(),
                "alignment": alignment,
                "normalizedAlignment": alignment,
                "contextId": context,
            }
            await self._connection.send(json.dumps(message))
            due += CHUNK_EVERY
            await asyncio.sleep(due - now())


def voices(speech: Samples) -> Callable[[str], Callable[[str], bytes]]:
    """For an output format of ElevenLabs', what gives texts spoken."""

    @cache
    def spoken(form: str, text: str) -> bytes:
        samples = np.resize(speech, round(PER_CHARACTER * len(text) * RATE))
        if form == "ulaw_8000":
            return encode(Codec.PCMU, samples).tobytes()
        rate = int(form.removeprefix("pcm_"))
        at = np.arange(len(samples) * rate // RATE) * (RATE / rate)
        wide = np.interp(at, np.arange(len(samples)), samples)
        return bytes(wide.astype("<i2").tobytes())

    return lambda form: lambda text: spoken(form, text)


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer chat completions on one kept-open connection."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not head.startswith(b"post"):  # somebody warms the connection
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                continue
            length = int(head.partition(b"\ncontent-length:")[2].partition(b"\r")[0])
            asked = json.loads(await reader.readexactly(length))
            await reply(writer, usage=bool(asked.get("stream_options")))
    except (ConnectionError, asyncio.IncompleteReadError):
        pass  # the other side has what it wanted
    finally:
        writer.close()


async def reply(writer: asyncio.StreamWriter, *, usage: bool) -> None:
    common = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "bench"}

    def write(event: str) -> None:
        line = f"data: {event}\n\n".encode()
        writer.write(b"%x\r\n%b\r\n" % (len(line), line))

    def choice(delta: dict[str, str], finished: str | None = None) -> None:
        write(json.dumps({
            **common, "choices": [{"index": 0, "delta": delta, "finish_reason": finished}],
        }))  # fmt: skip

    now = asyncio.get_running_loop().time
    asked_at = now()
    await asyncio.sleep(FIRST_TOKEN)
    writer.write(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    for index, token in enumerate(REPLY):
        await asyncio.sleep(asked_at + FIRST_TOKEN + index * TOKEN_EVERY - now())
        if writer.is_closing():
            return  # nobody wants the rest
        choice({"role": "assistant", "content": token})
        await writer.drain()
    choice({}, "stop")
    if usage:
        counted = {"prompt_tokens": 99, "completion_tokens": len(REPLY), "total_tokens": 119}
        write(json.dumps({**common, "choices": [], "usage": counted}))
    write("[DONE]")
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def main(folder: Path) -> None:
    speech = np.frombuffer((folder / "speech").read_bytes(), "<i2").astype(np.int16)
    sounds, numbers = voices(speech), count()

    async def attend(connection: ServerConnection) -> None:
        assert connection.request is not None
        parts = urlsplit(connection.request.path)
        query = dict(parse_qsl(parts.query))
        try:
            if parts.path == "/v1/listen":
                await Recogniser(connection, int(query["sample_rate"]), next(numbers)).run()
            else:
                async with asyncio.TaskGroup() as tasks:
                    await Voice(connection, sounds(query["output_format"]), tasks).run()
        except* ConnectionClosed:
            pass  # a call is over

    quiet = logging.getLogger("turn providers")
    quiet.setLevel(logging.CRITICAL)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with (
        serve(attend, "127.0.0.1", 0, compression=None, logger=quiet, close_timeout=0.1) as sockets,
        await asyncio.start_server(converse, "127.0.0.1", 0) as chat,
    ):
        ports = [next(iter(each.sockets)).getsockname()[1] for each in (sockets, chat)]
        print(*ports, flush=True)
        await stop.wait()


if __name__ == "__main__":
    run_loop(main(Path(sys.argv[1])))
