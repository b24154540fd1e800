"""The load generator: its arithmetic on made-up numbers, its scripts by a fake clock, and tiny runs
that only show that both benchmarks come to an end with figures that can be true."""

import math
from array import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strowger.app.running import run_loop
from strowger.commands.bench import measure_latency, measure_lines
from strowger.commands.bench_report import describe_latency, describe_lines, latency_result
from strowger.media.events import Codec
from strowger.media.g711 import encode
from strowger.simulate.load_measures import (
    SILENT_LEVEL,
    TICK,
    Figures,
    first_voiced,
    last_voiced,
    lateness,
    level,
    levels,
    punctuality,
    unwrap,
)
from strowger.simulate.load_scripts import PATIENCE, Caller, Exchange, Talker
from strowger.simulate.load_speech import Clip, clip, noise
from strowger.simulate.load_streams import SLOTS, phase_of

FRAME = 160


def tone(amplitude: float, frames: int) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    moments = np.arange(frames * FRAME)
    return (amplitude * np.sin(2 * np.pi * 400 * moments / 8000)).astype(np.int16)


# ── arithmetic ──


def test_figures_are_percentiles_and_nothing_gives_zeros() -> None:
    assert Figures.of(range(101)) == Figures(101, 50.0, 95.0, 99.0, 100.0)
    assert Figures.of([]) == Figures(0, 0.0, 0.0, 0.0, 0.0)


def test_timestamps_are_counted_in_frames_across_the_end_of_32_bits() -> None:
    first = 0xFFFFFFFF - FRAME + 1
    assert unwrap([first, 0, FRAME, first - FRAME & 0xFFFFFFFF], first).tolist() == [0, 1, 2, -1]


@settings(deadline=None)
@given(st.floats(0, 1e6), st.integers(0, 199))
def test_only_the_packet_off_the_grid_is_late(begin: float, which: int) -> None:
    arrivals = [begin + n * TICK for n in range(200)]
    arrivals[which] += 0.007
    late = lateness(arrivals, np.arange(200))
    assert late[which] == pytest.approx(0.007, abs=1e-6)
    assert np.delete(late, which) == pytest.approx(np.zeros(199), abs=1e-6)


def test_one_early_packet_does_not_make_the_others_late() -> None:
    arrivals = [n * TICK for n in range(200)]
    arrivals[50] -= 0.010
    late = lateness(arrivals, np.arange(200))
    assert (np.abs(late) < 0.001).sum() == 199


def stream(ticks: list[int]) -> "tuple[array[float], array[int]]":
    return array("d", [tick * TICK for tick in ticks]), array("L", [n * FRAME for n in ticks])


def test_what_did_not_come_is_not_on_time() -> None:
    whole, holed = stream(list(range(100))), stream([n for n in range(100) if n % 10 or not n])
    found = punctuality([whole, holed], 0.0, 10.0)
    assert (found.streams, found.expected, found.missing) == (2, 200, 9)
    assert found.on_time == pytest.approx(191 / 200)


def test_a_stream_that_never_came_misses_every_moment() -> None:
    silent = stream([])
    found = punctuality([stream(list(range(100))), silent], 0.0, 2.0)
    assert (found.expected, found.missing, found.on_time) == (200, 100, 0.5)


def test_only_the_time_of_the_measurement_counts() -> None:
    found = punctuality([stream(list(range(100)))], 0.5 - TICK / 2, 1.0 - TICK / 2)
    assert (found.expected, found.missing) == (25, 0)


def test_levels_are_in_decibels_of_full_scale() -> None:
    assert level(np.zeros(FRAME, np.int16)) == SILENT_LEVEL
    assert level(tone(32767, 1)) == pytest.approx(-3.01, abs=0.02)
    assert levels(tone(3276.7, 2)) == pytest.approx([-23.01] * 2, abs=0.02)


def test_voiced_is_what_lies_within_30_db_of_the_loudest() -> None:
    heard = [SILENT_LEVEL, -51.0, -49.0, -20.0, -35.0, -50.0, -50.1, SILENT_LEVEL]
    assert first_voiced(heard) == 2
    assert last_voiced(heard) == 5


@settings(deadline=None)
@given(st.lists(st.floats(-90, 0), min_size=1, max_size=50))
def test_the_first_voiced_frame_is_never_after_the_last(heard: list[float]) -> None:
    assert 0 <= first_voiced(heard) <= last_voiced(heard) < len(heard)


def test_a_clips_dying_away_does_not_count_as_voice() -> None:
    spoken = clip(np.concatenate((tone(8000, 10), tone(100, 5))))
    assert (len(spoken.payloads), spoken.last_voiced) == (15, 9)


def test_noise_is_far_below_any_voice() -> None:
    assert all(len(payload) == FRAME for payload in noise())


@pytest.mark.parametrize("count", [5, 20, 200])
def test_phases_are_spread_over_the_tick(count: int) -> None:
    slots = [int(phase_of(n) * SLOTS) for n in range(count)]
    crowd = max(slots.count(slot) for slot in range(SLOTS))
    assert crowd <= math.ceil(count / SLOTS) + 1


# ── scripts ──

LOUD = encode(Codec.PCMU, tone(8000, 1)).tobytes()
SILENCE = b"\xff" * FRAME
CLIP = clip(np.concatenate((tone(8000, 10), tone(50, 5))))


class Scene:
    """A caller and the minutes of what it does, a packet every 20 ms both ways."""

    def __init__(self, turns: int) -> None:
        self.now = 0.0
        self.finished = 0
        self.sent: list[bytes] = []
        self.caller = Caller([CLIP], noise(), turns=turns, seed=1, on_finished=self.finish)

    def finish(self) -> None:
        self.finished += 1

    def hear(self, payload: bytes, seconds: float) -> None:
        for _ in range(round(seconds / TICK)):
            self.now += TICK
            self.sent.append(self.caller.next_payload(self.now))
            self.caller.hear(payload, self.now)

    @property
    def speaking(self) -> bool:
        return self.sent[-1] in CLIP.payloads

    def until_last_voice(self) -> None:
        while CLIP.payloads[CLIP.last_voiced] not in self.sent[-1:]:
            self.hear(SILENCE, TICK)


def test_a_caller_waits_for_the_agent_and_times_its_answer() -> None:
    scene = Scene(turns=1)
    scene.hear(SILENCE, 2.0)
    assert not scene.speaking
    scene.hear(LOUD, 1.0)
    scene.until_last_voice()
    scene.hear(SILENCE, 0.54)
    scene.hear(LOUD, 0.5)
    scene.hear(SILENCE, 1.2)
    (exchange,) = scene.caller.exchanges
    assert exchange.latency == pytest.approx(0.56)
    assert not exchange.premature
    assert scene.finished == 1


def test_an_agent_that_breaks_in_is_premature() -> None:
    scene = Scene(turns=1)
    scene.hear(LOUD, 1.0)
    while scene.sent[-1] != CLIP.payloads[2]:
        scene.hear(SILENCE, TICK)
    scene.hear(LOUD, 0.5)
    scene.hear(SILENCE, 1.2)
    assert [exchange.premature for exchange in scene.caller.exchanges] == [True]


def test_an_answer_that_never_comes_is_told_and_the_next_turn_is_taken() -> None:
    scene = Scene(turns=2)
    scene.hear(LOUD, 1.0)
    scene.until_last_voice()
    scene.hear(SILENCE, PATIENCE + TICK)
    assert scene.caller.exchanges == [Exchange(None)]
    scene.until_last_voice()
    scene.hear(SILENCE, 2 * PATIENCE)
    assert len(scene.caller.exchanges) == 2
    assert scene.finished == 1


def test_talkers_say_everything_and_begin_in_different_places() -> None:
    clips = [clip(tone(8000, frames)) for frames in (3, 4)]
    talkers = [Talker(clips, noise(), seed=seed) for seed in range(3)]
    said = [[talker.next_payload(0.0) for _ in range(300)] for talker in talkers]
    for one in said:
        assert {payload for each in clips for payload in each.payloads} <= set(one)
    assert said[0] != said[1] != said[2]


# ── tiny runs ──


def test_a_run_of_lines_comes_to_an_end_with_figures_that_can_be_true() -> None:
    result = run_loop(measure_lines(3, 2.0))
    assert result.wire.streams == 3
    # A busy machine takes its time, and leaves moments out: nobody can say how many.
    assert 0 < result.wire.expected < 2 * 3 * result.seconds / TICK
    assert 0 <= result.wire.missing < result.wire.expected
    assert 0.0 <= result.wire.on_time <= 1.0
    assert result.cpu > 0.0
    assert result.memory > 10e6
    assert result.recorded > 0.0
    assert result.own.count > 0
    assert "3, voice detection on" in describe_lines(result)


def test_a_run_of_latency_comes_to_an_end_with_figures_that_can_be_true() -> None:
    result = run_loop(measure_latency(2, 1))
    assert result.calls == 2
    assert result.wire.count + result.unanswered + result.premature == 2
    # On a busy machine the load's own packets leave late, and what is counted from them is short.
    assert -result.own.max <= result.wire.p50 < PATIENCE
    assert 0.0 <= result.internal.p50 < PATIENCE
    assert "over the endpointing delay of 500 ms" in describe_latency(result)


def test_answers_that_came_too_soon_are_counted_and_not_timed() -> None:
    own = Figures.of([])
    exchanges = [Exchange(0.55), Exchange(0.1, premature=True), Exchange(None)]
    result = latency_result(exchanges, [0.53], calls=1, endpointing_delay=0.5, skipped=0, own=own)
    assert (result.wire.count, result.unanswered, result.premature) == (1, 1, 1)
    assert result.wire.max == pytest.approx(0.05)
    assert result.internal.max == pytest.approx(0.03)


def test_a_clip_is_whole_frames() -> None:
    spoken: Clip = clip(tone(8000, 2)[:-10])
    assert [len(payload) for payload in spoken.payloads] == [FRAME, FRAME]
