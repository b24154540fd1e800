"""CPU time of the media engine per line and 20 ms, without sockets: `python bench/engine.py`.

Every line plays speech-like sound and hears it again from a far end; each step is timed apart with
the process's CPU clock. The voices come and go, as in a call: half of the time a line hears
silence.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from strowger.media.engine import TICK, Engine
from strowger.media.events import BeginUtterance, Codec, OpenLine
from strowger.media.g711 import encode
from strowger.media.voice import SpeechModel
from strowger.telephony.clock import PHASES
from strowger.telephony.silero import SileroModel

STEPS = ("transmit", "receive", "process", "write")


class Silence:
    """In place of the model, to see what the engine costs without it."""

    def __call__(self, chunks: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(len(chunks), np.float32), state


def speech(seconds: int) -> np.ndarray:
    """Sound in the rhythm of speech: syllables for two seconds, silence for two."""
    time_ = np.arange(8000 * seconds) / 8000
    wave = sum(np.sin(2 * np.pi * 120 * n * time_) / n for n in range(1, 20))
    syllables = np.abs(np.sin(2 * np.pi * 2.5 * time_)) * (time_ % 4 < 2)
    samples: np.ndarray = np.rint(3000 * wave * syllables).astype(np.int16)
    return samples


class Bench:
    def __init__(self, lines: int, model: SpeechModel | None, *, record: bool) -> None:
        self.engine = Engine(lines=lines, model=model, phases=PHASES)
        self.lines = lines
        self.seconds = dict.fromkeys(STEPS, 0.0)
        self.pcm = speech(4)
        self.payloads = encode(Codec.PCMU, self.pcm).reshape(-1, 160)
        self.now = 1000.0
        for line in range(lines):
            self.engine.apply(
                OpenLine(
                    line=line, codec=Codec.PCMU, payload_type=0, telephone_event=101,
                    ssrc=line, first_sequence=0, first_timestamp=0, record=record,
                ),
                now=self.now,
            )  # fmt: skip
            self.engine.apply(BeginUtterance(line=line, utterance=1, position=0), now=self.now)

    def tick(self, number: int) -> None:
        for phase in range(PHASES):
            self.now += TICK / PHASES
            rows = range(phase, self.lines, PHASES)
            frame = self.pcm[number % 200 * 160 :][:160].tobytes()
            packets = [(line, self.packet(line, number)) for line in rows]
            with self.timed("write"):
                for line in rows:
                    self.engine.playout_ring(line).write(frame)
            with self.timed("transmit"):
                self.engine.transmit(phase, now=self.now)
            with self.timed("receive"):
                for line, packet in packets:
                    self.engine.receive(line, packet, now=self.now)
            with self.timed("process"):
                self.engine.process(phase, now=self.now)
            self.engine.events()

    def packet(self, line: int, number: int) -> bytes:
        payload: bytes = self.payloads[(number + 7 * line) % len(self.payloads)].tobytes()
        header = (0x80 << 24 | number & 0xFFFF) << 64 | number * 160 << 32 | line + 5000
        return header.to_bytes(12, "big") + payload

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        before = time.process_time()
        yield
        self.seconds[step] += time.process_time() - before


def measure(lines: int, model: SpeechModel | None, *, record: bool, ticks: int) -> dict[str, float]:
    """Microseconds per line and tick, by step."""
    bench = Bench(lines, model, record=record)
    for number in range(50):
        bench.tick(number)
    bench.seconds = dict.fromkeys(STEPS, 0.0)
    for number in range(50, 50 + ticks):
        bench.tick(number)
    return {step: seconds / ticks / lines * 1e6 for step, seconds in bench.seconds.items()}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--lines", type=int, nargs="+", default=[1, 50, 200, 400])
    arguments.add_argument("--ticks", type=int, default=300)
    chosen = arguments.parse_args()
    silero = SileroModel()
    variants: list[tuple[str, SpeechModel | None, bool]] = [
        ("bare", None, False),
        ("recording", None, True),
        ("voice, no model", Silence(), True),
        ("voice", silero, True),
    ]
    print(f"{'lines':>5}  {'with':<16}" + "".join(f"{step:>10}" for step in STEPS) + "     total")
    print(f"{'':>5}  {'':<16}" + f"{'µs per line and 20 ms':>42}    % of a core")
    for lines in chosen.lines:
        for name, model, record in variants:
            costs = measure(lines, model, record=record, ticks=chosen.ticks)
            total = sum(costs.values())
            row = "".join(f"{cost:10.2f}" for cost in costs.values())
            print(f"{lines:>5}  {name:<16}{row}{total:10.1f}{total * lines / 200:6.1f} %")
    megabytes = Engine(lines=100, model=silero).nbytes / 100 / 1e6
    print(f"memory: {megabytes:.2f} MB per line")


if __name__ == "__main__":
    main()
