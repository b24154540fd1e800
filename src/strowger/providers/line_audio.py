"""Sound as a voice sends it, made into PCM for a line; what cannot be speech is refused.

Vendors are asked for the line's rate, and say nothing of what they send. So it is looked at: sound
files, text and noise are known by their beginning, a wrong rate by speech that lasts several times
too long or too short for its text.
"""

import numpy as np

from strowger.media import g711
from strowger.media.events import Codec
from strowger.media.resample import Resampler
from strowger.ports import LINE_RATE, Word
from strowger.providers.websocket import Garbage

CONTAINERS = (b"RIFF", b"ID3", b"OggS", b"fLaC", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")
TEXT = (b"{", b"<!", b"<h", b"<?")
SLOWEST, FASTEST = 0.16, 0.017
"""Seconds for a character. Speech takes 0.04 to 0.11, and three times as much at a third of its
rate."""
DIGIT = 5
"""Characters that a digit counts for: numbers take longer to say than to write."""
SYLLABIC = 4
"""The same for a letter that is a syllable or a word: in Chinese, Japanese and Korean."""
GRACE = 2.0
"""Seconds that a short text may take besides, with its silence."""
JUDGED_FROM = 40
"""Characters: shorter texts may be said in next to no time."""
NOISE_SECONDS = 0.3
LOUD, HISSING = 3000.0, 0.35
"""Level and part of samples with another sign than the one before: noise is both, all the time."""
FRAME = LINE_RATE * 20 // 1000


class LineAudio:
    """The sound of one text."""

    def __init__(
        self, text: str, *, rate: int = LINE_RATE, codec: Codec | None = None, speed: float = 1.0
    ) -> None:
        """`codec` for G.711, else signed 16-bit PCM, at `rate` samples per second."""
        self._codec = codec
        self._size = 1 if codec is not None else 2
        self._resampler = Resampler(rate, LINE_RATE)
        self._length = sum(map(_weight, text)) / speed
        self._last_word = 0.0
        self._seconds = 0.0
        self._odd = b""
        self._beginning = b""
        """What came first, until it is long enough to be judged."""
        self._judged = False

    @property
    def seconds(self) -> float:
        return self._seconds

    def expect(self, word: Word) -> None:
        """The voice says when a word of this sound is spoken."""
        self._last_word = max(self._last_word, word.end)

    def process(self, sound: bytes) -> bytes:
        """PCM at LINE_RATE. Raises Garbage."""
        if self._seconds == 0 and sound.startswith((*CONTAINERS, *TEXT)):
            raise Garbage("sent a file or a text instead of raw sound")
        sound = self._odd + sound
        whole = len(sound) // self._size * self._size
        self._odd = sound[whole:]
        pcm = self._resampler.process(self._linear(sound[:whole]))
        self._seconds += len(pcm) / 2 / LINE_RATE
        if self._seconds > SLOWEST * self._length + GRACE:
            raise Garbage(f"speaks for over {self._seconds:.0f} s: the rate is wrong")
        if not self._judged:
            self._judge(pcm)
        return pcm

    def flush(self) -> bytes:
        """The last of it. Raises Garbage where all of it was too little."""
        pcm = self._resampler.flush()
        self._seconds += len(pcm) / 2 / LINE_RATE
        if self._odd:
            raise Garbage("sent half a sample: the sound broke off")
        if self._seconds == 0:
            raise Garbage("sent no sound")
        if self._last_word and self._seconds > 2 * self._last_word + GRACE:
            raise Garbage("speaks far slower than its word times say: the rate is wrong")
        if self._length >= JUDGED_FROM and self._seconds < FASTEST * self._length:
            raise Garbage(f"spoke for {self._seconds:.1f} s only: the rate is wrong")
        return pcm

    def _linear(self, sound: bytes) -> bytes:
        if self._codec is None:
            return sound
        return g711.decode(self._codec, np.frombuffer(sound, np.uint8)).astype("<i2").tobytes()

    def _judge(self, pcm: bytes) -> None:
        self._beginning += pcm
        if len(self._beginning) < 2 * NOISE_SECONDS * LINE_RATE:
            return
        self._judged = True
        samples = np.frombuffer(self._beginning[: len(self._beginning) // 2 * 2], "<i2")
        frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
        levels = np.sqrt(np.mean(frames**2, axis=1))
        crossings = np.mean(np.diff(np.signbit(frames), axis=1), axis=1)
        self._beginning = b""
        if bool(np.all(levels > LOUD)) and bool(np.all(crossings > HISSING)):
            raise Garbage("sent noise instead of speech")


def _weight(letter: str) -> int:
    if letter.isdigit():
        return DIGIT
    east_asian = "\u3040" <= letter <= "\u9fff" or "\uac00" <= letter <= "\ud7a3"
    return SYLLABIC if east_asian else 1
