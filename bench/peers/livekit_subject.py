"""livekit-agents' AgentSession on the lines of the harness, without a room.

Its own voice detection (the default, from its wheel), turns by that, preemptive generation on;
its turn detector would need weights from the network, or a core per 40 calls, and is off.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable

import aiohttp
from livekit import rtc
from livekit.agents import Agent, AgentSession
from livekit.agents.voice import io
from livekit.plugins import deepgram, elevenlabs, openai

from bench.peers.harness import (
    ENDPOINTING,
    GREETING,
    INTERRUPTION,
    PROMPT,
    RATE,
    Line,
    Task,
    measure,
    task,
)  # fmt: skip

KEY = "bench-key-0123"


class Ear(io.AudioInput):
    def __init__(self, line: Line) -> None:
        super().__init__(label="bench")
        self._frames: asyncio.Queue[bytes] = asyncio.Queue()
        line.listen = self._frames.put_nowait

    async def __anext__(self) -> rtc.AudioFrame:
        pcm = await self._frames.get()
        return rtc.AudioFrame(pcm, RATE, 1, len(pcm) // 2)


class Mouth(io.AudioOutput):
    def __init__(self, line: Line) -> None:
        super().__init__(
            label="bench", capabilities=io.AudioOutputCapabilities(pause=True), sample_rate=RATE
        )
        self._line = line
        self._began: int | None = None
        """Where in the line's sound the present segment begins."""

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if self._began is None:
            self._began = self._line.played
            self.on_playback_started(created_at=time.time())
        self._line.play(bytes(frame.data))

    def flush(self) -> None:
        super().flush()
        if self._began is not None:
            self._line.mark(self._finished(interrupted=False))

    def clear_buffer(self) -> None:
        self._line.clear()
        self._line.paused = False
        if self._began is not None:
            self._finished(interrupted=True)()

    def pause(self) -> None:
        self._line.paused = True

    def resume(self) -> None:
        self._line.paused = False

    def _finished(self, *, interrupted: bool) -> Callable[[], None]:
        def tell() -> None:
            if self._began is None:
                return
            heard = (self._line.played - self._began) / (2 * RATE)
            self._began = None
            self.on_playback_finished(playback_position=heard, interrupted=interrupted)

        return tell


async def main(task: Task) -> None:
    sockets = f"http://127.0.0.1:{task.sockets}/v1"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

        async def converse(line: Line) -> None:
            session = AgentSession(
                stt=deepgram.STT(
                    base_url=f"{sockets}/listen", api_key=KEY, http_session=http, sample_rate=RATE
                ),
                llm=openai.LLM(base_url=f"http://127.0.0.1:{task.chat}/v1", api_key=KEY),
                tts=elevenlabs.TTS(
                    base_url=sockets, api_key=KEY, http_session=http, encoding=f"pcm_{RATE}"
                ),
                turn_handling={
                    "turn_detection": "vad",
                    "endpointing": {"min_delay": ENDPOINTING, "max_delay": 1.5},
                    "interruption": {"mode": "vad", "min_duration": INTERRUPTION},
                    "preemptive_generation": {"enabled": True},
                },
                aec_warmup_duration=None,
            )
            session.input.audio, session.output.audio = Ear(line), Mouth(line)
            await session.start(Agent(instructions=PROMPT))
            session.say(GREETING)
            try:
                await asyncio.Event().wait()
            finally:
                with contextlib.suppress(Exception):  # it is only to be gone
                    await session.aclose()

        await measure(task, converse)


if __name__ == "__main__":
    asyncio.run(main(task()))
