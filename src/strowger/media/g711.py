"""G.711: both laws as lookup tables, for matrices of any shape.

The tables are computed from ITU-T G.711's segments once; encoding picks by the sample's 16 bits,
decoding by the code's 8.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from strowger.media.events import Codec

Samples = NDArray[np.int16]
"""Linear PCM, signed 16-bit in the machine's byte order."""
Codes = NDArray[np.uint8]
"""G.711 as on the wire."""

ULAW_BIAS = 132
ULAW_CLIP = 32635


def _ulaw_decoder() -> Samples:
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    magnitude = ((2 * mantissa + 33) << (exponent + 2)) - ULAW_BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_decoder() -> Samples:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    magnitude = np.where(
        exponent > 0, (2 * mantissa + 33) << (np.maximum(exponent, 1) + 2), 16 * mantissa + 8
    )
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _every_sample() -> NDArray[np.int32]:
    """All 16-bit samples, at the index that their bits are as an unsigned number."""
    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)


def _segment(magnitude: NDArray[np.int32], lowest_bit: int) -> NDArray[np.int32]:
    """Which power of two the magnitude lies in, counted from `lowest_bit`, at least 0."""
    bits = np.frexp(magnitude.astype(np.float64))[1]
    segment: NDArray[np.int32] = np.clip(bits - 1 - lowest_bit, 0, 7).astype(np.int32)
    return segment


def _ulaw_encoder() -> Codes:
    sample = _every_sample()
    magnitude = np.minimum(np.abs(sample), ULAW_CLIP) + ULAW_BIAS
    exponent = _segment(magnitude, 7)
    mantissa = magnitude >> (exponent + 3) & 15
    sign = np.where(sample < 0, 0x80, 0)
    codes: Codes = (~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8)
    return codes


def _alaw_encoder() -> Codes:
    sample = _every_sample()
    magnitude = np.where(sample < 0, -sample - 1, sample)
    exponent = _segment(magnitude, 7)
    mantissa = magnitude >> np.maximum(exponent + 3, 4) & 15
    sign = np.where(sample < 0, 0, 0x80)
    codes: Codes = ((sign | exponent << 4 | mantissa) ^ 0x55).astype(np.uint8)
    return codes


DECODERS: Final[dict[Codec, Samples]] = {Codec.PCMU: _ulaw_decoder(), Codec.PCMA: _alaw_decoder()}
ENCODERS: Final[dict[Codec, Codes]] = {Codec.PCMU: _ulaw_encoder(), Codec.PCMA: _alaw_encoder()}
for _decoder in DECODERS.values():
    _decoder.setflags(write=False)
for _encoder in ENCODERS.values():
    _encoder.setflags(write=False)


def decode(codec: Codec, codes: Codes) -> Samples:
    return DECODERS[codec].take(codes)


def encode(codec: Codec, pcm: Samples) -> Codes:
    return ENCODERS[codec].take(pcm.view(np.uint16))
