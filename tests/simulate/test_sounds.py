import numpy as np
import pytest

from strowger.ports import LINE_RATE
from strowger.simulate.persona import Sound
from strowger.simulate.sounds import sound


@pytest.mark.parametrize("which", list(Sound))
def test_a_sound_can_be_heard_and_does_not_clip(which: Sound) -> None:
    samples = np.frombuffer(sound(which, seed=1), "<i2").astype(float)
    assert 0.2 * LINE_RATE < len(samples) < 3 * LINE_RATE
    assert 300 < np.abs(samples).max() < 20000


def test_a_beep_is_a_tone_of_one_kilohertz() -> None:
    samples = np.frombuffer(sound(Sound.BEEP, seed=1), "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(samples))
    loudest = np.argmax(spectrum) * LINE_RATE / len(samples)
    assert abs(loudest - 1000) < 10


@pytest.mark.parametrize("which", [Sound.COUGH, Sound.NOISE])
def test_the_seed_makes_the_noise(which: Sound) -> None:
    assert sound(which, seed=1) == sound(which, seed=1)
    assert sound(which, seed=1) != sound(which, seed=2)
