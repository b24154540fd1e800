import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strowger.media.events import Codec
from strowger.media.g711 import decode, encode

EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)
EVERY_CODE = np.arange(256, dtype=np.uint8)
CODECS = pytest.mark.parametrize("codec", list(Codec))


@pytest.mark.parametrize(
    ("codec", "code", "sample"),
    [
        # The corners of ITU-T G.711 tables 1 and 2, in 16 bits.
        (Codec.PCMU, 0x00, -32124),
        (Codec.PCMU, 0x80, 32124),
        (Codec.PCMU, 0xFF, 0),
        (Codec.PCMU, 0x7F, 0),
        (Codec.PCMU, 0xF0, 120),
        (Codec.PCMU, 0xEF, 132),
        (Codec.PCMA, 0x2A, -32256),
        (Codec.PCMA, 0xAA, 32256),
        (Codec.PCMA, 0xD5, 8),
        (Codec.PCMA, 0x55, -8),
        (Codec.PCMA, 0xDA, 248),
        (Codec.PCMA, 0xC5, 264),
    ],
)
def test_codes_decode_as_the_recommendation_says(codec: Codec, code: int, sample: int) -> None:
    assert decode(codec, np.array([code], np.uint8))[0] == sample


@CODECS
def test_every_code_comes_back_from_what_it_decodes_to(codec: Codec) -> None:
    again = encode(codec, decode(codec, EVERY_CODE))
    # µ-law has a negative zero that no sample is encoded as.
    assert np.array_equal(decode(codec, again), decode(codec, EVERY_CODE))


@CODECS
def test_every_sample_is_encoded_as_the_nearest_level_of_its_segment(codec: Codec) -> None:
    heard = decode(codec, encode(codec, EVERY_SAMPLE)).astype(int)
    error = np.abs(heard - EVERY_SAMPLE)
    # Half a step of the segment, which is a 32nd of the magnitude; and the clipped ends.
    assert (error <= np.maximum(np.abs(EVERY_SAMPLE.astype(int)) / 30, 9) + 4)[644:-644].all()
    assert (np.diff(heard) >= 0).all()


@settings(deadline=None)
@given(st.lists(st.integers(-32768, 32767), min_size=1), st.sampled_from(list(Codec)))
def test_a_matrix_is_coded_like_its_samples(samples: list[int], codec: Codec) -> None:
    row = np.array(samples, np.int16)
    matrix = encode(codec, np.stack((row, row[::-1])))
    assert np.array_equal(matrix[0], encode(codec, row))
    assert np.array_equal(matrix[1], encode(codec, row)[::-1])


@CODECS
def test_silence_is_what_other_telephones_send_for_it(codec: Codec) -> None:
    silence = {Codec.PCMU: 0xFF, Codec.PCMA: 0xD5}[codec]
    assert (encode(codec, np.zeros(4, np.int16)) == silence).all()
