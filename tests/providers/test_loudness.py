from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strowger.providers.loudness import CEILING, LEAD_IN, LEAD_OUT, TelephoneSpeech, bend, gain_for


def burst(seconds: float, amplitude: float, rate: int = 8000) -> bytes:
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * 500 * time)).astype("<i2").tobytes()


def shaped(pcm: bytes, cuts: list[int], gain: float = 1.0) -> bytes:
    speech = TelephoneSpeech(8000, gain)
    places = [0, *sorted(cut for cut in cuts if cut < len(pcm)), len(pcm)]
    return b"".join(speech.process(pcm[a:b]) for a, b in pairwise(places)) + speech.flush()


def test_silence_is_cut_at_both_ends_and_kept_in_the_middle() -> None:
    one, pause = burst(0.2, 8000), bytes(2 * 4000)
    sound = np.frombuffer(shaped(bytes(2 * 8000) + one + pause + one + pause, []), "<i2")
    loud = np.flatnonzero(np.abs(sound) > 200)
    assert loud[0] <= LEAD_IN + 1
    assert len(sound) - loud[-1] <= LEAD_OUT + 2
    assert len(sound) == pytest.approx(2 * 1600 + 4000 + LEAD_IN + LEAD_OUT, abs=4)


def test_nothing_but_silence_is_nothing() -> None:
    assert shaped(bytes(20_000), [500, 7000]) == b""


@given(st.lists(st.integers(1, 16_000), max_size=12))
def test_the_sound_is_the_same_however_it_is_cut(cuts: list[int]) -> None:
    pcm = bytes(2000) + burst(0.2, 8000) + bytes(3000) + burst(0.2, 3000) + bytes(4000)
    even = [cut // 2 * 2 for cut in cuts]
    assert shaped(pcm, even) == shaped(pcm, [])


def test_the_gain_brings_a_voice_to_twenty_decibels_below_full_scale() -> None:
    quiet = burst(1.0, 500, 22050) + bytes(40_000)
    speech = TelephoneSpeech(22050, gain_for(quiet, 22050))
    sound = np.frombuffer(speech.process(quiet) + speech.flush(), "<i2").astype(float)
    level = np.sqrt(np.mean(sound[400:7600] ** 2))
    assert 20 * np.log10(level / 32768) == pytest.approx(-20, abs=0.5)


def test_silence_has_no_level_to_raise() -> None:
    assert gain_for(bytes(8000), 22050) == 1.0
    assert gain_for(b"", 22050) == 1.0


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50))
def test_peaks_stay_under_the_ceiling_and_in_their_order(values: list[float]) -> None:
    samples = np.sort(np.array(values))
    bent = bend(samples)
    assert np.abs(bent).max() <= CEILING < 32768 * 10 ** (-3 / 20)
    assert (np.diff(bent) >= 0).all()
