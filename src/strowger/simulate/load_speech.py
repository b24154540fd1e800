"""What the load says: real speech clips as G.711 packets' worth of bytes, and low noise between."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strowger.agent import VoiceSettings
from strowger.media.events import Codec
from strowger.media.g711 import Samples, decode, encode
from strowger.media.reception import FRAME
from strowger.providers.child import ChildPolicy
from strowger.providers.espeak import EspeakSpeech
from strowger.providers.installed import find_espeak
from strowger.simulate.load_measures import last_voiced, levels

NOISE_LEVEL = 12.0
"""Root mean square of the line's noise in steps of 16-bit PCM: -69 dBFS, a quiet telephone line."""
NOISE_FRAMES = 100
"""Frames of noise before they repeat."""
SENTENCES = (
    "I would rather come on Thursday afternoon.",
    "We are open until six in the evening.",
    "The second one is the better choice.",
    "Monday morning at nine o'clock is good.",
    "Could you send it to my office?",
)
"""Spoken in one breath: whether a pause ends a turn is not what is measured with them."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance as payloads of 20 ms."""

    payloads: tuple[bytes, ...]
    last_voiced: int
    """The frame after which there is nothing to be heard but its dying away."""


async def speech(texts: Sequence[str] = SENTENCES) -> list[Samples]:
    """Each text spoken by espeak-ng, as PCM. Raises ProviderError where it is not installed."""
    voice = EspeakSpeech(find_espeak(), ChildPolicy(deadline=20))
    try:
        spoken = []
        for text in texts:
            pieces = voice.speak(text, VoiceSettings(), language="en-us")
            pcm = b"".join([piece async for piece in pieces])
            spoken.append(np.frombuffer(pcm, "<i2").astype(np.int16))
        return spoken
    finally:
        await voice.close()


def clip(samples: Samples) -> Clip:
    """Speech on a line with noise, ready to be sent."""
    padded = np.zeros(-(-len(samples) // FRAME) * FRAME, np.int16)
    padded[: len(samples)] = samples
    noise = np.random.default_rng(0).normal(0, NOISE_LEVEL, len(padded))
    on_line = np.clip(padded + noise, -32768, 32767).astype(np.int16)
    codes = encode(Codec.PCMU, on_line)
    payloads = tuple(frame.tobytes() for frame in codes.reshape(-1, FRAME))
    return Clip(payloads, last_voiced(levels(decode(Codec.PCMU, codes))))


def noise() -> tuple[bytes, ...]:
    """Payloads of a line on which nobody speaks."""
    samples = np.random.default_rng(1).normal(0, NOISE_LEVEL, NOISE_FRAMES * FRAME)
    codes = encode(Codec.PCMU, samples.astype(np.int16))
    return tuple(frame.tobytes() for frame in codes.reshape(-1, FRAME))
