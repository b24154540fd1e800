from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strowger.media.resample import Resampler
from tests.media.wire import Samples, tone

RATES = [(8000, 16000), (16000, 8000), (22050, 8000), (24000, 8000), (44100, 8000), (48000, 8000)]
EVERY_RATE = pytest.mark.parametrize(("source", "target"), RATES)


def convert(samples: Samples, source: int, target: int) -> Samples:
    resampler = Resampler(source, target)
    pcm = resampler.process(samples.tobytes()) + resampler.flush()
    return np.frombuffer(pcm, np.int16)


def middle(samples: Samples) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return samples[len(samples) // 4 : -len(samples) // 4].astype(np.float64)


def decibels(power: np.floating[Any]) -> float:
    return float(10 * np.log10(power))


@EVERY_RATE
@pytest.mark.parametrize("frequency", [200, 1000, 3000, 3400])
def test_a_tone_comes_out_as_the_same_tone_at_the_same_time(
    source: int, target: int, frequency: float
) -> None:
    heard = convert(tone(frequency, source, rate=source), source, target)
    assert len(heard) == target
    error = middle(heard) - middle(tone(frequency, target, rate=target))
    assert decibels(np.mean(middle(heard) ** 2) / (np.mean(error**2) + 0.1)) > 48


@pytest.mark.parametrize(("source", "target"), [rates for rates in RATES if rates[0] > 8000])
@pytest.mark.parametrize("frequency", [4300, 5000, 7000])
def test_what_the_lower_rate_cannot_carry_is_gone(
    source: int, target: int, frequency: float
) -> None:
    heard = convert(tone(frequency, source, rate=source), source, target)
    assert decibels(np.mean(middle(heard) ** 2) / (8000**2 / 2) + 1e-12) < -60


def test_a_higher_rate_gets_no_mirror_image() -> None:
    heard = middle(convert(tone(1000, 8000), 8000, 16000))
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    above = spectrum[len(spectrum) // 2 + 200 :]
    assert decibels(above.max() ** 2 / spectrum.max() ** 2) < -60


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from(RATES),
    st.lists(st.integers(0, 3000), max_size=20),
    st.integers(0, 2**32 - 1),
)
def test_where_chunks_are_cut_is_not_heard(
    rates: tuple[int, int], cuts: list[int], seed: int
) -> None:
    noise = np.random.default_rng(seed).integers(-20000, 20000, 2000).astype("<i2").tobytes()
    whole, cut = Resampler(*rates), Resampler(*rates)
    parts, start = [], 0
    for end in [*sorted(cuts), len(noise)]:
        parts.append(cut.process(noise[start:end]))
        start = end
    assert b"".join(parts) + cut.flush() == whole.process(noise) + whole.flush()


@EVERY_RATE
def test_sound_is_withheld_for_three_milliseconds_only(source: int, target: int) -> None:
    resampler = Resampler(source, target)
    for number in range(1, 11):
        said = len(resampler.process(bytes(2 * (source // 50)))) // 2
        if number == 1:
            total = said
            assert said >= target // 50 - target * 4 // 1000
        else:
            total += said
    assert total >= 10 * (target // 50) - target * 4 // 1000


def test_after_a_flush_comes_another_stream() -> None:
    resampler = Resampler(24000, 8000)
    first = resampler.process(tone(500, 2400, rate=24000).tobytes()) + resampler.flush()
    second = resampler.process(tone(500, 2400, rate=24000).tobytes()) + resampler.flush()
    assert first == second


def test_loud_sound_is_clipped_and_never_wraps_round() -> None:
    square = np.where(np.arange(2400) // 40 % 2, 32767, -32768).astype(np.int16)
    heard = convert(square, 24000, 8000).astype(int)
    plain = square[::3].astype(int)
    assert (heard * plain > 0).mean() > 0.9


def test_the_same_rate_changes_nothing() -> None:
    resampler = Resampler(8000, 8000)
    assert resampler.process(b"\x01\x02\x03\x04") + resampler.flush() == b"\x01\x02\x03\x04"
