"""Speech made of codes is read back as it was, through G.711, cuts and pauses."""

import numpy as np
import pytest

from strowger.media.events import Codec
from strowger.media.g711 import decode, encode
from tests.coded_speech import FRAME, CodeBook, Ear, Tongue

TEXT = "Yes yes, you may come on Friday at noon."
TONGUE = Tongue(CodeBook())
SOUND = TONGUE.speak(TEXT)
BYTES = 2 * FRAME


def over_the_line(pcm: bytes) -> bytes:
    codes = encode(Codec.PCMU, np.frombuffer(pcm, "<i2"))
    return decode(Codec.PCMU, codes).astype("<i2").tobytes()


def test_words_come_back_from_pieces_of_any_length_at_their_times() -> None:
    ear, sound = Ear(TONGUE), over_the_line(SOUND)
    for first in range(0, len(sound), 74):
        ear.feed(sound[first : first + 74])
    heard = ear.spoken()
    assert [word for word, *_ in heard] == TEXT.split()
    for (_, start, end), (_, at, lasts) in zip(heard, TONGUE.timing(TEXT), strict=True):
        assert (start, end) == pytest.approx((at, at + lasts), abs=0.011)


@pytest.mark.parametrize("frames", range(1, 24))
def test_a_word_counts_where_its_end_was_heard_at_once_or_after_a_pause(frames: int) -> None:
    cut = BYTES * frames
    over = [
        word for word, at, lasts in TONGUE.timing(TEXT) if (at + lasts) * 8000 <= frames * FRAME
    ]
    pause = bytes(6666)
    assert TONGUE.hear(over_the_line(SOUND[:cut])) == over
    assert TONGUE.hear(over_the_line(SOUND[:cut] + pause + SOUND[cut:])) == TEXT.split()
    assert TONGUE.hear(over_the_line(SOUND[:cut] + pause + SOUND)) == [*over, *TEXT.split()]
