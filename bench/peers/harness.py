"""What the processes under test of `bench.peers` share: lines without a wire, and the measurement.

Every 20 ms a line hands its engine a frame of the callee's and takes one of the agent's, so there
is no SIP, no RTP and no recording; those cost Strowger a part of its figures, and the others
nothing. Needs numpy alone: it runs in the environment of the engine.
"""

import asyncio
import gc
import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.turn_callee import Callee

GREETING = "Hello, this is the office. When would you like to come?"
PROMPT = "You take down when people want to come. Be brief."
INTERRUPTION = 0.13
"""Seconds of speech after which the agent is to yield."""
ENDPOINTING = 0.35
"""Seconds of silence after which the callee's turn is over."""
RATE = 16000
"""Of the sound that engines hear and speak."""
FRAME = 2 * RATE // 50
TICK, SLOTS = 0.020, 4
AUDIBLE = 300
SETTLING = 8.0
WARMING = 8.0
TOGETHER = 10
"""Calls that begin in one second."""


@dataclass(frozen=True)
class Task:
    calls: int
    seconds: float
    sockets: int
    chat: int
    folder: str


@dataclass(frozen=True)
class Spoken:
    """A clip of the callees'."""

    payloads: tuple[bytes, ...]
    last_voiced: int


class Line:
    """One call's sound. An engine sets `listen`, and plays, marks and clears."""

    def __init__(self, callee: Callee, sounds: dict[bytes, bytes]) -> None:
        self.callee = callee
        self.listen: Callable[[bytes], None] = lambda pcm: None
        self.paused = False
        self.played = 0
        """Bytes of the agent's sound."""
        self._sounds = sounds
        self._waiting = bytearray()
        self._marks: deque[tuple[int, Callable[[], None]]] = deque()

    def play(self, pcm: bytes) -> None:
        self._waiting += pcm

    def mark(self, reached: Callable[[], None]) -> None:
        """Call this once all that waits has been played."""
        self._marks.append((self.played + len(self._waiting), reached))

    def clear(self) -> None:
        """Forget what waits, and the marks."""
        self._waiting.clear()
        self._marks.clear()

    def tick(self, due: float) -> None:
        self.listen(self._sounds[self.callee.next_payload(due)])
        frame = b""
        if not self.paused:
            frame = bytes(self._waiting[:FRAME])
            del self._waiting[:FRAME]
            self.played += len(frame)
        samples = np.frombuffer(frame, "<i2")
        audible = bool(len(samples)) and int(np.abs(samples[::4]).max()) > AUDIBLE
        self.callee.note(audible=audible, at=time.monotonic())
        while self._marks and self._marks[0][0] <= self.played:
            self._marks.popleft()[1]()


async def clock(lines: list[Line]) -> None:
    """Move all lines, in four groups, for ever."""
    step, number, began = TICK / SLOTS, 0, time.monotonic()
    while True:
        number += 1
        due = began + number * step
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        for line in lines[number % SLOTS :: SLOTS]:
            line.tick(due)


async def measure(task: Task, converse: Callable[[Line], Coroutine[None, None, None]]) -> None:
    """Hold all calls, each by `converse` until it is cancelled, and print what they took."""
    with np.load(Path(task.folder, "clips.npz")) as stored:
        kept = {name: stored[name] for name in stored.files}
    noise = [row.tobytes() for row in kept.pop("noise")]
    ends = kept.pop("last_voiced").tolist()
    clips = [
        Spoken(tuple(row.tobytes() for row in kept[f"clip{number}"]), end)
        for number, end in enumerate(ends)
    ]
    sounds = {payload: wide(payload) for clip in clips for payload in clip.payloads}
    sounds |= {payload: wide(payload) for payload in noise}
    lines: list[Line] = []

    def line() -> Line:
        lines.append(Line(Callee(clips, noise, number=len(lines)), sounds))
        return lines[-1]

    ticking = asyncio.create_task(clock(lines))  # for as long as the process lasts
    warming = asyncio.create_task(converse(line()))
    await asyncio.sleep(WARMING)
    await over([warming])
    lines.clear()
    gc.collect()
    before = resident()
    calls = []
    for _ in range(task.calls):
        calls.append(asyncio.create_task(converse(line())))
        await asyncio.sleep(1 / TOGETHER)
    await asyncio.sleep(SETTLING)
    gc.collect()
    gc.freeze()
    begin, cpu = time.monotonic(), time.process_time()
    await asyncio.sleep(task.seconds)
    end, cpu = time.monotonic(), time.process_time() - cpu
    after, ended = resident(), sum(call.done() for call in calls)
    ticking.cancel()

    def within(moments: list[tuple[float, float]]) -> list[float]:
        return [lasted for at, lasted in moments if begin <= at < end]

    heard = [each.callee.heard for each in lines]
    report = {
        "cpu": cpu / (end - begin),
        "memory": after - before,
        "responses": [x for each in heard for x in within(each.responses)],
        "yields": [x for each in heard for x in within(each.yields)],
        "missing": ended + sum(begin <= at < end for each in heard for at in each.missing),
    }
    sys.stdout.write(f"\n{json.dumps(report)}\n")
    sys.stdout.flush()
    os._exit(0)  # engines take their time to part with so many calls


async def over(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=5)


def wide(payload: bytes) -> bytes:
    """20 ms of mu-law at 8 kHz as PCM at 16 kHz."""
    from strowger.media.events import Codec
    from strowger.media.g711 import decode

    samples = decode(Codec.PCMU, np.frombuffer(payload, np.uint8))
    at = np.arange(2 * len(samples)) / 2
    return bytes(np.interp(at, np.arange(len(samples)), samples).astype("<i2").tobytes())


def resident() -> int:
    """Bytes of memory this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def task() -> Task:
    return Task(**json.loads(sys.stdin.readline()))
