"""Streaming sample rate conversion by any ratio of whole numbers.

A Kaiser windowed sinc as polyphase filter bank: the filter reaches 3 ms to either side, so sound
comes out 3 ms after it went in, whatever the chunks it comes in. The output is aligned with the
input: its first sample is at the same time as the input's first.
"""

from functools import lru_cache
from math import gcd
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

PASSBAND: Final = 0.925
"""Where the filter is half way down, as part of the lower rate's Nyquist frequency."""
REACH: Final = 24
"""Samples of the lower rate that the filter reaches to either side: 3 ms at 8 kHz."""
KAISER_BETA: Final = 6.0
"""Some 60 dB between what passes and what does not."""
BLOCK: Final = 2048
"""Output samples computed at once, to bound memory."""


class Resampler:
    """One stream of mono 16-bit little-endian PCM."""

    def __init__(self, source_rate: int, target_rate: int) -> None:
        """Rates in samples per second, both above 0."""
        common = gcd(source_rate, target_rate)
        self._up = target_rate // common
        self._down = source_rate // common
        self._bank = _filter_bank(self._up, self._down)
        self._width = int(self._bank.shape[1])
        self._lead = (self._width - 1) // 2
        self._begin()

    def _begin(self) -> None:
        self._waiting: NDArray[np.float32] = np.zeros(self._lead, np.float32)
        """Input from `_place` on; the stream begins with silence."""
        self._place: int = 0
        """Input samples, the leading silence included, that were dropped."""
        self._taken: int = 0
        self._made: int = 0
        """Samples in and out so far."""
        self._odd: bytes = b""

    def process(self, pcm: bytes) -> bytes:
        """Take a chunk of any length, even half a sample; return what can be said by now."""
        if self._up == self._down:
            return pcm
        pcm = self._odd + pcm
        whole = len(pcm) // 2 * 2
        self._odd = pcm[whole:]
        samples = np.frombuffer(pcm[:whole], "<i2")
        self._taken += len(samples)
        self._waiting = np.concatenate((self._waiting, samples.astype(np.float32)))
        return self._convert(self._ready())

    def flush(self) -> bytes:
        """The end of the stream; what comes next is another one."""
        if self._up == self._down:
            return b""
        self._waiting = np.concatenate((self._waiting, np.zeros(self._width, np.float32)))
        last = -(-self._taken * self._up // self._down)
        rest = self._convert(last - self._made)
        self._begin()
        return rest

    def _ready(self) -> int:
        """Output samples for which the filter has all the input it needs."""
        windows = self._place + len(self._waiting) - self._width + 1
        return max(0, -(-windows * self._up // self._down) - self._made)

    def _convert(self, count: int) -> bytes:
        parts = []
        while count > 0:
            step = min(count, BLOCK)
            time = np.arange(self._made, self._made + step) * self._down
            windows = sliding_window_view(self._waiting, self._width)[
                time // self._up - self._place
            ]
            parts.append(np.einsum("ow,ow->o", windows, self._bank[time % self._up]))
            self._made += step
            count -= step
        used = min(self._made * self._down // self._up - self._place, len(self._waiting))
        self._waiting = self._waiting[used:]
        self._place += used
        if not parts:
            return b""
        rounded: NDArray[np.int16] = (
            np.rint(np.concatenate(parts)).clip(-32768, 32767).astype("<i2")
        )
        return rounded.tobytes()


@lru_cache(maxsize=16)
def _filter_bank(up: int, down: int) -> NDArray[np.float32]:
    """For each of the `up` places between two input samples, the weights of the input around it."""
    # In units of input samples the low-pass is as wide as the lower of both rates allows.
    cutoff = PASSBAND * min(1.0, up / down)
    reach = REACH * max(1.0, down / up)
    lead = int(np.ceil(reach))
    offsets = np.arange(-lead, lead + 1)
    distance = offsets[None, :] - np.arange(up)[:, None] / up
    inside = np.clip(1 - (distance / reach) ** 2, 0, None)
    window = np.where(np.abs(distance) < reach, np.i0(KAISER_BETA * np.sqrt(inside)), 0)
    weights = np.sinc(cutoff * distance) * window
    # Each place passes a constant unchanged, so that no ripple is heard on slow sounds.
    weights /= weights.sum(axis=1, keepdims=True)
    bank: NDArray[np.float32] = weights.astype(np.float32)
    bank.flags.writeable = False  # all streams of these rates share it
    return bank
