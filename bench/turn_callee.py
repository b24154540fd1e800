"""What a callee of `bench.turns` does: takes turns with an agent, speaks over it now and then, and
times both. Times are those of the packets that the kernel stamped when they came."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

import numpy as np

from strowger.media.events import Codec
from strowger.media.g711 import decode
from strowger.simulate.load_measures import first_voiced, level, levels

AUDIBLE = -50.0
"""dBFS from which a frame of the agent's may be speech."""
PATIENCE = 5.0
"""Seconds a callee waits for an answer before it counts as missing."""
SILENCE = b"\xff" * 160
"""What the agent's line sends while it has nothing to say."""
AGENT_DONE, SPREAD = 0.7, 0.6
"""Least seconds of silence after which a callee takes the agent for finished, and by how much it
may be longer, from turn to turn: calls that are answered together shall not go on in step."""
YIELDED = 0.5
"""Seconds of silence after which an agent that was spoken over has stopped."""
GOLDEN = 0.6180339887
BARGE_EVERY = 4
"""Which of its turns a callee begins while the agent still speaks."""
BARGE_AFTER = 0.8
"""Seconds from the agent's first sound to that."""


class Utterance(Protocol):
    """A clip as `strowger.simulate.load_speech` makes it."""

    @property
    def payloads(self) -> tuple[bytes, ...]: ...
    @property
    def last_voiced(self) -> int: ...


@dataclass(slots=True)
class Heard:
    """What a callee timed: moments, and the seconds until then."""

    responses: list[tuple[float, float]]
    """From the end of the callee's speech to the agent's first sound."""
    yields: list[tuple[float, float]]
    """From the callee's first sound over the agent's to the agent's last."""
    missing: list[float]
    """When an answer did not come."""


class _State(Enum):
    LISTENING = auto()
    SPEAKING = auto()


class Callee:
    """Script of one call. `number` decides where among the clips it begins."""

    listens = True

    def __init__(self, clips: Sequence[Utterance], noise: Sequence[bytes], *, number: int) -> None:
        self.heard = Heard([], [], [])
        self._clips = clips
        self._first = [first_voiced(levels_of(clip)) for clip in clips]
        self._noise = noise
        self._turn = number
        self._frame = number % len(noise)
        self._state = _State.LISTENING
        self._finished: float | None = None
        """When the last voiced packet of our clip left; None once it is answered."""
        self._over_since: float | None = None
        """When we began to speak over the agent, which has not stopped yet."""
        self._began = 0.0
        """When the agent's present speech began; 0 where it is silent."""
        self._last_sound = 0.0

    def next_payload(self, now: float) -> bytes:
        if self._state is _State.SPEAKING:
            return self._speak(now)
        if self._may_speak(now):
            self._state, self._frame = _State.SPEAKING, 0
            self._turn += 1
            return self._speak(now)
        self._frame += 1
        return self._noise[self._frame % len(self._noise)]

    def hear(self, payload: bytes, arrived: float) -> None:
        silent = payload == SILENCE
        sound = silent or level(decode(Codec.PCMU, np.frombuffer(payload, np.uint8)))
        self.note(audible=not silent and sound >= AUDIBLE, at=arrived)

    def note(self, *, audible: bool, at: float) -> None:
        """20 ms of the agent's came."""
        if audible:
            self._note_sound(at)
        else:
            self._note_silence(at)

    def _note_sound(self, arrived: float) -> None:
        self._last_sound = arrived
        if self._over_since is not None:
            return
        if not self._began:
            self._began = arrived
            if self._finished is not None:
                self.heard.responses.append((arrived, arrived - self._finished))
                self._finished = None

    def _note_silence(self, arrived: float) -> None:
        if self._over_since is not None and arrived - self._last_sound >= YIELDED:
            stopped = max(0.0, self._last_sound - self._over_since)
            self.heard.yields.append((arrived, stopped))
            self._over_since, self._began = None, 0.0

    def _may_speak(self, now: float) -> bool:
        if self._finished is not None:
            if now - self._finished < PATIENCE:
                return False
            self.heard.missing.append(now)
            self._finished, self._began = None, 0.0
            return True
        if not self._began:
            return False
        if self._turn % BARGE_EVERY == 0 and now - self._began >= BARGE_AFTER:
            return now - self._last_sound < 0.1
        return now - self._last_sound >= AGENT_DONE + SPREAD * (GOLDEN * self._turn % 1)

    def _speak(self, now: float) -> bytes:
        which = self._turn % len(self._clips)
        clip = self._clips[which]
        payload = clip.payloads[self._frame]
        if self._frame == self._first[which]:
            if now - self._last_sound < 0.1:
                self._over_since = now
            else:
                self._began = 0.0
        if self._frame == clip.last_voiced:
            self._finished = now
        self._frame += 1
        if self._frame == len(clip.payloads):
            self._state = _State.LISTENING
        return payload


def levels_of(clip: Utterance) -> list[float]:
    codes = np.frombuffer(b"".join(clip.payloads), np.uint8)
    return levels(decode(Codec.PCMU, codes))
