"""What the media tests share: packets by hand, and two engines with a network between them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from strowger.media.engine import Engine
from strowger.media.events import (
    BeginUtterance,
    Codec,
    EndUtterance,
    Event,
    OpenLine,
    RecordingChunk,
)
from strowger.media.g711 import encode
from strowger.media.rtp import RtpPacket

FRAME = 160
TICK = 0.020
CAPTURES = Path(__file__).parents[1] / "captures"

Samples = NDArray[np.int16]
Network = Callable[[list[bytes]], list[bytes]]


def packet(
    number: int,
    payload: bytes = b"\xff" * FRAME,
    *,
    payload_type: int = 0,
    ssrc: int = 7,
    first_sequence: int = 0,
    first_timestamp: int = 0,
    marker: bool = False,
) -> bytes:
    """The RTP packet of a frame, by its number in the stream."""
    return bytes(
        RtpPacket(
            payload_type=payload_type,
            sequence=(first_sequence + number) & 0xFFFF,
            timestamp=(first_timestamp + number * FRAME) & 0xFFFFFFFF,
            ssrc=ssrc,
            payload=payload,
            marker=marker,
        )
    )


def tone(frequency: float, samples: int, *, amplitude: float = 8000, rate: int = 8000) -> Samples:
    time = np.arange(samples) / rate
    return np.rint(amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.int16)


def frames_of(pcm: Samples, codec: Codec = Codec.PCMU) -> list[bytes]:
    """Payloads of 20 ms, the last one filled up with silence."""
    whole = np.concatenate((pcm, np.zeros(-len(pcm) % FRAME, np.int16)))
    return [encode(codec, frame).tobytes() for frame in whole.reshape(-1, FRAME)]


def opening(
    line: int = 0,
    *,
    codec: Codec = Codec.PCMU,
    telephone_event: int | None = 101,
    ssrc: int = 1,
    first_sequence: int = 0,
    first_timestamp: int = 0,
    record: bool = False,
) -> OpenLine:
    return OpenLine(
        line=line,
        codec=codec,
        payload_type={Codec.PCMU: 0, Codec.PCMA: 8}[codec],
        telephone_event=telephone_event,
        ssrc=ssrc,
        first_sequence=first_sequence,
        first_timestamp=first_timestamp,
        record=record,
    )


@dataclass(slots=True)
class Listener:
    """One engine and what it tells, driven as the shell does."""

    engine: Engine
    now: float = 100.0
    told: list[Event] = field(default_factory=list)

    def tick(self, *packets: bytes, line: int = 0) -> list[bytes]:
        """20 ms: transmit, receive, process. Returns what left on the line."""
        self.now += TICK
        phase = self.engine.phase_of(line)
        left = [sent for each, sent in self.engine.transmit(phase, now=self.now) if each == line]
        for received in packets:
            self.engine.receive(line, received, now=self.now)
        self.engine.process(phase, now=self.now)
        self.told += self.engine.events()
        return left

    def heard(self, line: int = 0) -> Samples:
        return np.frombuffer(self.engine.captured(line, 0)[0], np.int16)


@dataclass(slots=True)
class Conversation:
    """Line 0 of engine `a` and line 0 of engine `b`, and what the network makes of packets."""

    a: Listener
    b: Listener
    a_to_b: Network = lambda packets: packets
    b_to_a: Network = lambda packets: packets

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            for each in (self.a, self.b):
                each.now += TICK
            from_a = [sent for _, sent in self.a.engine.transmit(0, now=self.a.now)]
            from_b = [sent for _, sent in self.b.engine.transmit(0, now=self.b.now)]
            for received in self.a_to_b(from_a):
                self.b.engine.receive(0, received, now=self.b.now)
            for received in self.b_to_a(from_b):
                self.a.engine.receive(0, received, now=self.a.now)
            for each in (self.a, self.b):
                each.engine.process(0, now=each.now)
                each.told += each.engine.events()


def say(listener: Listener, utterance: int, pcm: Samples, line: int = 0) -> int:
    """Write a whole utterance; returns where it begins in the ring."""
    ring = listener.engine.playout_ring(line)
    begin = ring.written
    listener.engine.apply(
        BeginUtterance(line=line, utterance=utterance, position=begin), now=listener.now
    )
    assert ring.write(pcm) == len(pcm)
    listener.engine.apply(
        EndUtterance(line=line, utterance=utterance, position=ring.written), now=listener.now
    )
    return begin


def recorded(events: list[Event], line: int = 0) -> Samples:
    """Left and right of a line's recording."""
    chunks = [e.pcm for e in events if isinstance(e, RecordingChunk) and e.line == line]
    return np.frombuffer(b"".join(chunks), np.int16).reshape(-1, 2).T


def find(needle: Samples, hay: Samples) -> int:
    """Where the samples are found, exactly; -1 where they are not."""
    return hay.tobytes().find(needle.tobytes()) // 2


def mutations(originals: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Real messages with bytes changed, cut, doubled and swapped."""
    chance = np.random.default_rng(seed)
    for _ in range(count):
        message = bytearray(originals[chance.integers(len(originals))])
        for _ in range(int(chance.integers(1, 5))):
            place = int(chance.integers(len(message) + 1))
            match int(chance.integers(5)):
                case 0:
                    message[place : place + 1] = chance.bytes(1)
                case 1:
                    del message[place : place + int(chance.integers(1, 9))]
                case 2:
                    message[place:place] = chance.bytes(int(chance.integers(1, 9)))
                case 3:
                    message[place:place] = message[: int(chance.integers(1, 40))]
                case _:
                    message = message[:place]
        yield bytes(message)
