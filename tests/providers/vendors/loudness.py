"""When somebody speaks, by nothing but loudness, for fakes that take turns by themselves."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.providers.vendors.behaviour import RATE

LOUD = 500
STARTS_AFTER = 0.06
"""Seconds of sound that are taken for speech."""
STEP = 320
"""Bytes that are looked at together: 20 ms."""


@dataclass
class Listening:
    """One connection's callee."""

    stops_after: float = 0.5
    """Seconds of silence after which a turn is over."""
    heard: float = 0.0
    """Seconds."""
    speaking: bool = False
    _loud: float = 0.0
    _quiet: float = 0.0

    def feed(self, pcm: bytes) -> Iterator[bool]:
        """True each time that somebody began to speak, False each time that he is done."""
        for start in range(0, len(pcm) // 2 * 2, STEP):
            piece = np.frombuffer(pcm[start : start + STEP], "<i2").astype(np.int32)
            lasts = len(piece) / RATE
            self.heard += lasts
            if np.abs(piece).max() > LOUD:
                self._loud, self._quiet = self._loud + lasts, 0.0
            else:
                self._quiet += lasts
                if self._quiet > STARTS_AFTER:
                    self._loud = 0.0
            if not self.speaking and self._loud >= STARTS_AFTER:
                self.speaking = True
                yield True
            elif self.speaking and self._quiet >= self.stops_after:
                self.speaking, self._loud = False, 0.0
                yield False
