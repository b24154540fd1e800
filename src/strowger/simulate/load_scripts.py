"""What the streams of a load do: talk without end, or take turns with an agent and time it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from strowger.media.events import Codec
from strowger.media.g711 import decode
from strowger.simulate.load_measures import first_voiced, level
from strowger.simulate.load_speech import Clip

PAUSE_FRAMES = (60, 120)
"""Shortest and longest pause between two utterances of a Talker: 1.2 to 2.4 s."""
AUDIBLE = -50.0
"""dBFS from which a frame of the agent's may be speech; its silence is digital."""
AGENT_DONE = (0.7, 1.0)
"""Shortest and longest silence, in seconds, after which a caller takes the agent for finished."""
PATIENCE = 5.0
"""Seconds a caller waits for an answer before it counts as missing."""


class Talker:
    """Says its clips again and again, with pauses of noise, and listens to nothing."""

    listens = False

    def __init__(self, clips: Sequence[Clip], noise: Sequence[bytes], *, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311
        self._programme: list[bytes] = []
        for spoken in chance.sample(clips, len(clips)):
            self._programme += spoken.payloads
            pause = chance.randint(*PAUSE_FRAMES)
            self._programme += [noise[n % len(noise)] for n in range(pause)]
        self._next = chance.randrange(len(self._programme))

    def next_payload(self, now: float) -> bytes:
        self._next = (self._next + 1) % len(self._programme)
        return self._programme[self._next]

    def hear(self, payload: bytes, arrived: float) -> None:
        raise AssertionError("a talker does not listen")


@dataclass(frozen=True, slots=True)
class Exchange:
    """The caller said something and the agent answered."""

    latency: float | None
    """Seconds from the caller's last voiced packet to the agent's first; None without an answer."""
    premature: bool = False
    """The agent spoke before the caller had finished: `latency` says nothing."""


class _State(Enum):
    LISTENING = auto()
    """For the agent's words, and then for their end."""
    SPEAKING = auto()


class Caller:
    """Takes turns with an agent that speaks first, and times each answer."""

    listens = True

    def __init__(
        self,
        clips: Sequence[Clip],
        noise: Sequence[bytes],
        *,
        turns: int,
        seed: int,
        on_finished: Callable[[], None],
    ) -> None:
        """`on_finished` is called once, after so many exchanges."""
        self.exchanges: list[Exchange] = []
        self._clips = clips
        self._noise = noise
        self._turns = turns
        self._on_finished = on_finished
        self._chance = random.Random(seed)  # noqa: S311
        self._state = _State.LISTENING
        self._clip = self._chance.choice(self._clips)
        self._frame = 0
        self._finished_speaking: float | None = None
        """When the last voiced packet of our clip left; None before our first turn."""
        self._heard: list[tuple[float, float]] = []
        """Arrival and level of the agent's packets, from its first audible one on."""
        self._quiet_since = 0.0
        self._gap = self._chance.uniform(*AGENT_DONE)
        self._premature = False
        self._over = False

    def next_payload(self, now: float) -> bytes:
        if self._state is _State.SPEAKING:
            return self._speak(now)
        if not self._over and self._answered(now):
            self._settle()
            if len(self.exchanges) < self._turns:
                return self._begin(now)
            self._over = True
            self._on_finished()
        self._frame += 1
        return self._noise[self._frame % len(self._noise)]

    def hear(self, payload: bytes, arrived: float) -> None:
        loudness = level(decode(Codec.PCMU, np.frombuffer(payload, np.uint8)))
        if loudness >= AUDIBLE:
            self._quiet_since = arrived
            if self._state is _State.SPEAKING and self._finished_speaking is None:
                self._premature = True
        if loudness >= AUDIBLE or self._heard:
            self._heard.append((arrived, loudness))

    def _answered(self, now: float) -> bool:
        """The agent has spoken and is done, or will not answer any more."""
        if self._heard:
            return now - self._quiet_since >= self._gap
        return self._finished_speaking is not None and now - self._finished_speaking >= PATIENCE

    def _settle(self) -> None:
        """Write down what came of our last turn; what the agent opened with answers nothing."""
        if self._finished_speaking is None:
            return
        latency = None
        if self._heard:
            first = first_voiced([loudness for _, loudness in self._heard])
            latency = self._heard[first][0] - self._finished_speaking
        self.exchanges.append(Exchange(latency, self._premature))

    def _begin(self, now: float) -> bytes:
        self._state = _State.SPEAKING
        self._clip = self._chance.choice(self._clips)
        self._frame = 0
        self._heard = []
        self._finished_speaking = None
        self._premature = False
        self._gap = self._chance.uniform(*AGENT_DONE)
        return self._speak(now)

    def _speak(self, now: float) -> bytes:
        payload = self._clip.payloads[self._frame]
        if self._frame == self._clip.last_voiced:
            self._finished_speaking = now
        self._frame += 1
        if self._frame == len(self._clip.payloads):
            self._state = _State.LISTENING
            self._frame = 0
        return payload
