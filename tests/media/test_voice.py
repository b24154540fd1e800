"""Voice detection: its rules with a model that does what it is told, and the real one on speech."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from strowger.media.engine import Engine
from strowger.media.events import CloseLine, Codec, SpeechStarted, SpeechStopped
from strowger.media.g711 import decode
from strowger.media.voice import CHUNK, CONTEXT, STATE, SpeechModel
from strowger.telephony.silero import SileroModel
from tests.media.wire import (
    CAPTURES,
    FRAME,
    TICK,
    Listener,
    Samples,
    frames_of,
    opening,
    packet,
    tone,
)

CLIPS = sorted(CAPTURES.glob("speech-*.ulaw"))
DEPTH = FRAME
"""What the jitter buffer lets a stream wait on a perfect network."""

Floats = NDArray[np.float32]


class Told:
    """Hears speech in every chunk with sound in it, and counts how often it was asked."""

    def __init__(self, *, speech: bool = True) -> None:
        self.speech = speech
        self.asked = 0

    def __call__(self, chunks: Samples, state: Floats) -> tuple[Floats, Floats]:
        assert chunks.shape == (len(state), CONTEXT + CHUNK)
        assert state.shape == (len(chunks), 2, STATE)
        self.asked += len(chunks)
        loud = np.abs(chunks).max(axis=1) > 327
        return np.where(loud & self.speech, 0.95, 0.01).astype(np.float32), state


@pytest.fixture(scope="module")
def silero() -> SileroModel:
    return SileroModel()


def listen(model: SpeechModel, pcm: Samples) -> Listener:
    """An engine that has heard the sound and what it told, with the time it told it."""
    listener = Listener(Engine(lines=1, model=model, phases=1))
    listener.engine.apply(opening(), now=listener.now)
    for number, payload in enumerate(frames_of(pcm)):
        listener.tick(packet(number, payload))
    return listener


def silence(seconds: float) -> Samples:
    return np.zeros(int(8000 * seconds), np.int16)


def voices(listener: Listener) -> list[SpeechStarted | SpeechStopped]:
    return [each for each in listener.told if isinstance(each, SpeechStarted | SpeechStopped)]


def test_speech_is_told_with_the_time_and_place_of_its_first_and_last_sound() -> None:
    listener = listen(Told(), np.concatenate((silence(1), tone(300, 8000), silence(1))))
    started, stopped = voices(listener)
    first_packet = 100.0 + TICK
    assert isinstance(started, SpeechStarted)
    assert isinstance(stopped, SpeechStopped)
    assert started.position == 8000 + DEPTH
    assert started.at == pytest.approx(first_packet + 1.0)
    assert stopped.position == 16000 + DEPTH
    assert stopped.at == pytest.approx(first_packet + 2.0 - TICK)


def test_a_pause_for_breath_does_not_end_speech_and_a_longer_one_does() -> None:
    word = tone(300, 4000)
    breath = np.concatenate((silence(1), word, silence(0.1), word, silence(0.5)))
    pause = np.concatenate((silence(1), word, silence(0.3), word, silence(0.5)))
    assert len(voices(listen(Told(), breath))) == 2
    assert len(voices(listen(Told(), pause))) == 4


def test_sound_that_is_not_speech_is_not_told() -> None:
    assert voices(listen(Told(speech=False), tone(300, 24000))) == []


def test_speech_that_becomes_other_sound_ends_where_the_model_hears_no_more_of_it() -> None:
    model = Told()
    listener = Listener(Engine(lines=1, model=model, phases=1))
    listener.engine.apply(opening(), now=listener.now)
    for number, payload in enumerate(frames_of(tone(300, 32000))):
        model.speech = number < 100
        listener.tick(packet(number, payload))
    _, stopped = voices(listener)
    assert abs(stopped.position - 100 * FRAME) <= 2 * CHUNK


def test_the_model_is_not_asked_about_silence() -> None:
    model = Told()
    before = model.asked
    listen(model, silence(0))
    at_rest = model.asked - before  # what bringing it to rest takes, once per engine
    listen(model, silence(5))
    assert model.asked - before == 2 * at_rest


def test_after_silence_the_model_begins_where_silence_leaves_it() -> None:
    class Counting(Told):
        """Its state is how often it was asked."""

        states: list[float]

        def __call__(self, chunks: Samples, state: Floats) -> tuple[Floats, Floats]:
            self.states = [*getattr(self, "states", []), float(state[0, 0, 0])]
            probability, _ = super().__call__(chunks, state)
            return probability, state + 1

    model = Counting()
    listen(model, np.concatenate((silence(1), tone(300, 4000), silence(1), tone(300, 4000))))
    resting = len(model.states[: model.states.index(0.0, 1)]) if 0.0 in model.states[1:] else 32
    begins = [n for n, state in enumerate(model.states) if state == resting]
    assert model.states[:resting] == list(range(resting))
    assert len(begins) == 2
    for begin in begins:
        assert model.states[begin : begin + 10] == list(range(resting, resting + 10))


def test_a_line_without_detection_asks_nothing_and_tells_nothing() -> None:
    model = Told()
    listener = Listener(Engine(lines=1, model=model, phases=1))
    at_rest = model.asked
    listener.engine.apply(replace(opening(), detect_voice=False), now=listener.now)
    for number, payload in enumerate(frames_of(tone(300, 8000))):
        listener.tick(packet(number, payload))
    assert model.asked == at_rest
    assert voices(listener) == []


def test_repeated_sound_in_place_of_lost_packets_is_not_taken_for_speech() -> None:
    listener = Listener(Engine(lines=1, model=Told(), phases=1))
    listener.engine.apply(opening(), now=listener.now)
    for number, payload in enumerate(frames_of(tone(300, 8000))):
        listener.tick(packet(number, payload))
    for _ in range(20):
        listener.tick()
    stopped = voices(listener)[-1]
    assert stopped.position == 8000 + DEPTH
    assert stopped.at == pytest.approx(100.0 + TICK + 1.0 - TICK)


def test_a_line_that_is_opened_again_remembers_nothing() -> None:
    listener = listen(Told(), np.concatenate((silence(0.5), tone(300, 8000))))
    assert len(voices(listener)) == 1
    listener.engine.apply(CloseLine(0), now=listener.now)
    listener.tick()
    listener.told.clear()
    listener.engine.apply(opening(), now=listener.now)
    for number, payload in enumerate(frames_of(silence(1))):
        listener.tick(packet(number, payload))
    assert voices(listener) == []


def test_lines_are_judged_together_as_each_would_be_alone(silero: SileroModel) -> None:
    clips = [decode(Codec.PCMU, np.fromfile(clip, np.uint8)) for clip in CLIPS]
    together = Listener(Engine(lines=len(clips), model=silero, phases=1))
    padded = [np.concatenate((silence(0.5), clip, silence(1))) for clip in clips]
    alone = [voices(listen(silero, pcm)) for pcm in padded]
    for line in range(len(clips)):
        together.engine.apply(opening(line), now=together.now)
    payloads = [frames_of(pcm) for pcm in padded]
    for number in range(max(map(len, payloads))):
        together.now += TICK
        together.engine.transmit(0, now=together.now)
        for line, frames in enumerate(payloads):
            if number < len(frames):
                together.engine.receive(line, packet(number, frames[number]), now=together.now)
        together.engine.process(0, now=together.now)
        together.told += together.engine.events()
    for line, expected in enumerate(alone):
        told = [each.position for each in voices(together) if each.line == line]
        assert told[: len(expected)] == [each.position for each in expected]


def sounding(pcm: Samples) -> tuple[int, int]:
    """Where the first 20 ms begin, and the last end, that are within 28 dB of the loudest."""
    frames = pcm[: len(pcm) // FRAME * FRAME].reshape(-1, FRAME).astype(float)
    power = (frames**2).mean(axis=1)
    loud = np.flatnonzero(power > power.max() / 10**2.8)
    return int(loud[0]) * FRAME, int(loud[-1] + 1) * FRAME


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.stem)
@pytest.mark.parametrize("shift", [0, 37, 90, 133])
def test_real_speech_is_told_to_end_where_it_does_and_soon(
    silero: SileroModel, clip: Path, shift: int
) -> None:
    speech = decode(Codec.PCMU, np.fromfile(clip, np.uint8))
    pcm = np.concatenate((silence(1), np.zeros(shift, np.int16), speech, silence(1)))
    listener = Listener(Engine(lines=1, model=silero, phases=1))
    listener.engine.apply(opening(), now=listener.now)
    told_at = 0.0
    for number, payload in enumerate(frames_of(pcm)):
        known = len(voices(listener))
        listener.tick(packet(number, payload))
        if len(voices(listener)) > known:
            told_at = listener.now
    stopped = voices(listener)[-1]
    assert isinstance(stopped, SpeechStopped)
    begin, end = sounding(pcm)
    assert abs(stopped.position - DEPTH - end) <= 320
    arrived = 100.0 + TICK + (end // FRAME - 1) * TICK
    assert abs(stopped.at - arrived) <= 2 * TICK
    assert told_at - arrived <= 0.200 + 1e-6
    started = voices(listener)[0]
    assert abs(started.position - DEPTH - begin) <= 400


@pytest.mark.parametrize(
    "sound",
    [
        np.random.default_rng(1).normal(0, 300, 80000).astype(np.int16),
        np.random.default_rng(2).normal(0, 2000, 80000).astype(np.int16),
        tone(425, 80000, amplitude=4000) * (np.arange(80000) % 8000 < 4000),
        tone(1000, 80000, amplitude=6000) * (np.arange(80000) % 32000 < 4000),
        tone(50, 80000, amplitude=2000),
    ],
    ids=["noise", "loud noise", "busy tone", "beeps", "hum"],
)
def test_the_sounds_of_a_telephone_network_are_no_speech(
    silero: SileroModel, sound: Samples
) -> None:
    assert voices(listen(silero, sound.astype(np.int16))) == []
