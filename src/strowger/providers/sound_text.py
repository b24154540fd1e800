"""Sound as it travels in JSON: G.711 µ-law or PCM in base64."""

from base64 import b64encode

import numpy as np

from strowger.media import g711
from strowger.media.events import Codec
from strowger.providers.elevenlabs import decoded

__all__ = ["decoded", "from_ulaw", "to_text", "to_ulaw"]


def to_text(sound: bytes) -> str:
    return b64encode(sound).decode()


def to_ulaw(pcm: bytes) -> bytes:
    """From 16-bit PCM; half a sample at the end is left out."""
    return g711.encode(Codec.PCMU, np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2")).tobytes()


def from_ulaw(codes: bytes) -> bytes:
    pcm = g711.decode(Codec.PCMU, np.frombuffer(codes, np.uint8))
    return pcm.astype("<i2", copy=False).tobytes()
