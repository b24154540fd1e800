"""Finding what was played in what was heard."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from strowger.media.events import Codec
from strowger.media.g711 import decode, encode
from strowger.simulate.matching import Sounding, find_words, sounding

CAPTURES = Path(__file__).parents[1] / "captures"
TEXTS = {
    "speech-tuesday-at-half-past-three": "Tuesday at half past three would be fine.",
    "speech-my-number-is": "My number is five five five, one two three four.",
    "speech-say-that-again": "Could you say that again please?",
    "speech-yes": "Yes.",
}
FRAME = 160

Samples = NDArray[np.int16]


def clip(name: str) -> Samples:
    return decode(Codec.PCMU, np.fromfile(CAPTURES / f"{name}.ulaw", np.uint8))


CLIPS = {text: clip(name) for name, text in TEXTS.items()}
PLAYED = [sounding(text, samples.tobytes()) for text, samples in CLIPS.items()]
TUESDAY, NUMBER, AGAIN, YES = TEXTS.values()


def heard(*parts: Samples, played: list[Sounding] | None = None) -> str:
    pcm = np.concatenate(parts).astype("<i2").tobytes()
    found = find_words(pcm, PLAYED if played is None else played)
    return " ".join(word.text for word in found)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * 8000), np.int16)


def lossy(samples: Samples, share: float) -> Samples:
    """Without that share of the packets, and with nothing in their place."""
    chance = np.random.default_rng(1)
    left = samples.copy()
    for start in range(0, len(left), FRAME):
        if chance.random() < share:
            left[start : start + FRAME] = 0
    return left


@pytest.mark.parametrize("text", CLIPS)
def test_a_whole_utterance_is_heard_word_for_word(text: str) -> None:
    assert heard(silence(0.37), CLIPS[text], silence(0.2)) == text


@pytest.mark.parametrize("samples", [1, 2, 3, 159])
def test_where_a_packet_begins_does_not_matter(samples: int) -> None:
    pcm = np.concatenate([silence(samples / 8000), CLIPS[NUMBER]]).tobytes()
    found = find_words(pcm, PLAYED)
    assert " ".join(word.text for word in found) == NUMBER
    assert min(word.alike for word in found) > 0.99


def test_another_codec_and_a_quieter_line_change_nothing() -> None:
    quiet = (CLIPS[NUMBER] / 3).astype(np.int16)
    assert heard(decode(Codec.PCMA, encode(Codec.PCMA, quiet))) == NUMBER


def test_what_was_cut_off_is_not_heard() -> None:
    half = CLIPS[NUMBER][: len(CLIPS[NUMBER]) // 2]
    words = heard(half)
    assert NUMBER.startswith(words)
    assert 3 <= len(words.split()) <= 6
    rest = heard(CLIPS[NUMBER][len(CLIPS[NUMBER]) // 2 :])
    assert NUMBER.endswith(rest.split()[-1])
    assert "My" not in rest


def test_two_utterances_are_heard_in_their_order_and_the_same_one_twice() -> None:
    assert heard(CLIPS[AGAIN], silence(0.5), CLIPS[TUESDAY]) == f"{AGAIN} {TUESDAY}"
    assert heard(CLIPS[YES], silence(0.5), CLIPS[YES]) == f"{YES} {YES}"


def test_few_lost_packets_cost_no_word_and_many_do() -> None:
    assert heard(lossy(CLIPS[TUESDAY], 0.05)) == TUESDAY
    assert len(heard(lossy(CLIPS[TUESDAY], 0.7)).split()) < len(TUESDAY.split())


def test_silence_noise_and_what_was_never_played_are_no_words() -> None:
    noise = np.random.default_rng(2).normal(0, 900, 16000).astype(np.int16)
    assert heard(noise) == ""
    assert heard(silence(1.0)) == ""
    assert heard(silence(0.0)) == ""
    assert heard(CLIPS[TUESDAY], played=[PLAYED[1]]) == ""
    assert heard(CLIPS[TUESDAY], played=[]) == ""


def test_words_come_with_their_times() -> None:
    pcm = np.concatenate([silence(2.0), CLIPS[TUESDAY]]).tobytes()
    words = find_words(pcm, PLAYED)
    assert words[0].start == pytest.approx(2.0, abs=0.2)
    assert words[-1].end == pytest.approx(2.0 + len(CLIPS[TUESDAY]) / 8000, abs=0.4)
    assert all(word.start < word.end for word in words)
    assert all(0.6 <= word.alike <= 1.0 for word in words)
