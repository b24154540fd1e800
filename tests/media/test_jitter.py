"""The jitter buffer with its reception and concealment, one line at a time."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strowger.media.concealment import HISTORY, SILENT, Concealment
from strowger.media.events import Codec
from strowger.media.g711 import decode, encode
from strowger.media.jitter import KINDS, JitterBuffer
from strowger.media.reception import MAX_DEPTH, START_DEPTH, MediaPacket, Reception
from tests.media.wire import FRAME, TICK, Samples, tone

LINE = 3
ROWS = np.array([LINE])
ULAW = KINDS[Codec.PCMU]


class Stream:
    """One line that is read every tick."""

    def __init__(self) -> None:
        self.buffer = JitterBuffer(5)
        self.buffer.clear(LINE)
        self.reception = Reception()
        self.clock = 0
        self.heard: list[Samples] = []
        self.missing: list[bool] = []

    def receive(self, packet: MediaPacket) -> None:
        now = self.clock / 8000 + TICK / 2
        self.buffer.insert(LINE, self.reception, packet, clock=self.clock, now=now)

    def read(self) -> None:
        pcm, missing = self.buffer.read(ROWS, clock=self.clock)
        self.heard.append(pcm[0])
        self.missing += missing[0].tolist()
        self.clock += FRAME

    def play(self, ticks: Iterable[Iterable[MediaPacket]]) -> Samples:
        for packets in ticks:
            for packet in packets:
                self.receive(packet)
            self.read()
        return np.concatenate(self.heard)

    def present(self) -> Samples:
        """What was heard, without what was missing."""
        present: Samples = np.concatenate(self.heard)[~np.array(self.missing)]
        return present


def numbered(start: int, length: int) -> bytes:
    """Codes by which the place of each sample in the stream can be told."""
    return bytes((start + n) * 7 % 251 for n in range(length))


def heard_as(start: int, length: int) -> Samples:
    return decode(Codec.PCMU, np.frombuffer(numbered(start, length), np.uint8))


def packet(
    number: int, *, length: int = FRAME, ssrc: int = 9, sequence: int = 0, timestamp: int = 0
) -> MediaPacket:
    return MediaPacket(
        (sequence + number) & 0xFFFF,
        (timestamp + number * length) & 0xFFFFFFFF,
        ssrc,
        numbered(number * length, length),
        ULAW,
    )


def test_a_stream_is_heard_one_tick_after_it_came() -> None:
    stream = Stream()
    heard = stream.play([packet(n)] for n in range(20))
    assert stream.missing[:START_DEPTH] == [True] * START_DEPTH
    assert np.array_equal(heard[START_DEPTH:], heard_as(0, 19 * FRAME))


@pytest.mark.parametrize(("sequence", "timestamp"), [(65530, 2**32 - 500), (32760, 2**31 - 500)])
def test_numbers_that_wrap_are_not_noticed(sequence: int, timestamp: int) -> None:
    stream = Stream()
    heard = stream.play([packet(n, sequence=sequence, timestamp=timestamp)] for n in range(20))
    assert np.array_equal(heard[START_DEPTH:], heard_as(0, 19 * FRAME))
    assert (stream.reception.lost, stream.reception.late) == (0, 0)


@pytest.mark.parametrize("length", [40, 80, 240, 320, 480, 960, 1600])
def test_packets_of_any_length_make_the_same_stream(length: int) -> None:
    stream = Stream()
    packets = 8 * 1600 // length
    due = [n * length // FRAME for n in range(packets)]
    ticks = [[packet(n, length=length) for n, at in enumerate(due) if at == t] for t in range(84)]
    stream.play(ticks)
    assert np.array_equal(stream.present(), heard_as(0, packets * length))


@settings(deadline=None, max_examples=200)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0, 0.5),
    st.integers(0, 5),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
)
def test_loss_disorder_and_doubles_never_put_a_sample_in_a_wrong_place(
    seed: int, loss: float, delay: int, sequence: int, timestamp: int
) -> None:
    chance = np.random.default_rng(seed)
    ticks: list[list[MediaPacket]] = [[] for _ in range(160)]
    for number in range(150):
        for _ in range(int(chance.integers(1, 3))):
            if chance.random() >= loss:
                at = number + int(chance.integers(0, delay + 1))
                ticks[at].append(packet(number, sequence=sequence, timestamp=timestamp))
    stream = Stream()
    stream.play(ticks)
    # Each frame heard is one that was sent, whole, and later than the one heard before.
    frames = {heard_as(n * FRAME, FRAME).tobytes(): n for n in range(150)}
    order = []
    for index, frame in enumerate(stream.heard):
        if not any(stream.missing[index * FRAME : index * FRAME + FRAME]):
            order.append(frames[frame.tobytes()])
    assert order == sorted(set(order))
    assert stream.reception.unique == len({p.sequence for packets in ticks for p in packets})


def test_what_is_lost_is_counted_by_sequence_numbers() -> None:
    stream = Stream()
    stream.play([packet(n)] if n % 10 else [] for n in range(1, 100))
    assert stream.reception.lost == 9
    assert stream.reception.expected == 99


def test_a_late_packet_is_heard_and_those_after_it_wait_longer() -> None:
    stream = Stream()
    # From the tenth packet on the network takes 60 ms longer.
    stream.play([packet(n)] for n in range(10))
    stream.play([[], [], []])
    stream.play([packet(n)] for n in range(10, 40))
    assert np.array_equal(stream.present(), heard_as(0, 40 * FRAME))
    assert stream.reception.late == 0


def test_waiting_has_an_end_and_then_the_stream_is_taken_up_where_it_is() -> None:
    stream = Stream()
    stream.play([packet(n)] for n in range(10))
    stall = 30
    stream.play([] for _ in range(stall))
    stream.play([packet(n)] for n in range(10, 60))
    assert stream.reception.late > 0
    assert np.array_equal(stream.heard[-1], heard_as(58 * FRAME, FRAME))


def test_a_burst_after_a_stall_brings_no_more_delay_than_the_limit() -> None:
    stream = Stream()
    stream.play([packet(n)] for n in range(10))
    stream.play([] for _ in range(40))
    stream.play([[packet(n) for n in range(10, 50)]])
    stream.play([packet(n)] for n in range(50, 100))
    depth = stream.reception.position + FRAME - stream.clock - stream.reception.offset
    assert 0 <= depth <= MAX_DEPTH
    assert not any(stream.missing[-40 * FRAME :])


def test_delay_that_is_not_needed_any_more_is_taken_back_in_silence() -> None:
    stream = Stream()
    stream.play([packet(n)] for n in range(10))
    stream.play([[], [], [], [], [packet(n) for n in range(10, 15)]])  # a stall of 80 ms
    stream.play([packet(n)] for n in range(15, 200))
    offset = stream.reception.offset
    jumps = []
    for number in range(200, 1200, 100):
        stream.play([packet(n)] for n in range(number, number + 100))
        jump = stream.reception.review()
        stream.buffer.jump(LINE, stream.clock, jump, stream.reception.offset)
        jumps.append(jump)
    assert jumps == [0, FRAME, FRAME, FRAME] + [0] * 6
    assert stream.reception.offset - offset == 3 * FRAME
    stream.play([packet(n)] for n in range(1200, 1250))
    assert not any(stream.missing[-50 * FRAME :])


def still(number: int) -> MediaPacket:
    return packet(number)._replace(payload=b"\xff" * FRAME)


def after_a_stall(coming: list[MediaPacket]) -> tuple[Stream, int]:
    """A line whose delay has grown by 300 ms, with `coming` in its buffer, after its review."""
    stream = Stream()
    stream.play([still(n)] for n in range(10))
    stream.play([[] for _ in range(15)])
    stream.play([[still(n) for n in range(10, 26)]])
    stream.play([still(n)] for n in range(26, 100))
    stream.reception.review()  # the stall is older than what the next one looks at
    stream.play([still(n)] for n in range(100, 200 - len(coming)))
    stream.play([each] for each in coming)
    buffer, clock = stream.buffer, stream.clock
    jump = stream.reception.review(lambda: buffer.silence_ahead(LINE, clock))
    buffer.jump(LINE, clock, jump, stream.reception.offset)
    return stream, jump


def test_all_delay_of_a_stall_is_taken_back_at_once_where_only_silence_waits() -> None:
    stream, jump = after_a_stall([still(n) for n in range(185, 200)])
    assert jump == 14 * FRAME
    stream.play([still(n)] for n in range(200, 300))
    assert not any(stream.missing[-100 * FRAME :])


def test_no_word_that_waits_is_lost_to_taking_delay_back() -> None:
    words = [packet(n) for n in range(190, 200)]
    stream, jump = after_a_stall([*(still(n) for n in range(185, 190)), *words])
    assert jump == 5 * FRAME
    heard = len(stream.heard)
    stream.play([still(n)] for n in range(200, 230))
    said = np.concatenate(stream.heard[heard:])
    assert np.array_equal(said[: 10 * FRAME], heard_as(190 * FRAME, 10 * FRAME))


def test_samples_that_were_left_out_do_not_come_back_a_second_later() -> None:
    stream = Stream()
    stream.play([packet(n)] for n in range(10))
    stream.play([[], [], [], [], [packet(n) for n in range(10, 15)]])
    stream.play([packet(n)] for n in range(15, 120))
    stream.reception.review()
    stream.play([packet(n)] for n in range(120, 220))
    jump = stream.reception.review()
    assert jump == FRAME
    stream.buffer.jump(LINE, stream.clock, jump, stream.reception.offset)
    heard = len(stream.missing)
    stream.play([] for _ in range(120))
    assert all(stream.missing[heard + 10 * FRAME :])


def test_a_jittery_stream_waits_longer_before_it_comes_late() -> None:
    stream = Stream()
    number = 0
    for _ in range(60):  # packets come in pairs and triples, each in time by the present depth
        stream.play([[packet(number), packet(number + 1), packet(number + 2)], [], []])
        number += 3
    before = stream.reception.offset
    assert stream.reception.jitter > 80
    stream.reception.review()
    assert stream.reception.offset <= before


def test_a_pause_of_the_sender_is_a_pause_and_no_new_stream() -> None:
    stream = Stream()
    talk = [*range(10), *range(30, 40)]  # silence suppression: timestamps go on, numbers do not
    ticks: list[list[MediaPacket]] = [[] for _ in range(41)]
    for sequence, number in enumerate(talk):
        ticks[number].append(packet(number)._replace(sequence=sequence))
    heard = stream.play(ticks)
    assert np.array_equal(
        heard[START_DEPTH + 30 * FRAME : START_DEPTH + 40 * FRAME], heard_as(30 * FRAME, 10 * FRAME)
    )
    assert stream.reception.lost == 0


def test_two_packets_of_another_source_begin_a_stream_and_none_of_them_is_lost() -> None:
    stream = Stream()
    stream.play([packet(n)] for n in range(10))
    stream.play([packet(n, ssrc=77, sequence=5000, timestamp=123456)] for n in range(20))
    assert stream.reception.ssrc == 77
    assert np.array_equal(stream.present()[-18 * FRAME :], heard_as(0, 18 * FRAME))
    assert stream.reception.lost == 0


def test_a_stray_packet_does_not_turn_a_stream_over() -> None:
    stream = Stream()
    stream.play(
        [packet(n), packet(n, ssrc=77, sequence=1000, timestamp=9999)]
        if n % 3 == 0
        else [packet(n)]
        for n in range(30)
    )
    assert np.array_equal(stream.present(), heard_as(0, 29 * FRAME))


def test_a_timestamp_that_jumps_begins_the_stream_anew() -> None:
    stream = Stream()
    stream.play([packet(n)] for n in range(10))
    stream.play([packet(n, timestamp=2**30)] for n in range(10, 30))
    assert np.array_equal(stream.present()[-18 * FRAME :], heard_as(10 * FRAME, 18 * FRAME))


def test_the_time_of_arrival_of_a_sample_is_remembered() -> None:
    stream = Stream()
    stream.play([packet(n)] for n in range(10))
    base = stream.reception.position - 9 * FRAME
    assert stream.reception.arrived(base + 5 * FRAME + 159) == pytest.approx(5 * TICK + TICK / 2)
    assert stream.reception.arrived(base + 10 * FRAME) is None


def conceal(pattern: list[bool], sound: Samples) -> tuple[Samples, Concealment]:
    """Run a line's frames through concealment; True is a frame that came."""
    concealment = Concealment(5)
    concealment.open(LINE)
    out = np.zeros(HISTORY, np.int16)
    for number, came in enumerate(pattern):
        frame = sound[number * FRAME : number * FRAME + FRAME].copy()[None]
        if not came:
            frame[:] = 0
        missing = np.full((1, FRAME), not came)
        history = out[-HISTORY:].copy()
        concealment.fill(ROWS, frame, missing, lambda _, history=history: history[None])  # type: ignore[misc]
        out = np.concatenate((out, frame[0]))
    return out[HISTORY:], concealment


def test_a_lost_frame_of_a_steady_sound_is_hardly_missed() -> None:
    sound = tone(100, 10 * FRAME) // 2 + tone(300, 10 * FRAME) // 2
    heard, concealment = conceal([True] * 5 + [False] + [True] * 4, sound)
    lost = slice(5 * FRAME, 6 * FRAME)
    error = (heard[lost].astype(float) - sound[lost]) ** 2
    assert error.mean() < (sound[lost].astype(float) ** 2).mean() / 20
    assert np.array_equal(heard[6 * FRAME + 40 :], sound[6 * FRAME + 40 :])
    assert concealment.concealed[LINE] == FRAME


def test_a_long_loss_fades_into_silence() -> None:
    heard, concealment = conceal([True] * 5 + [False] * 10, tone(200, 15 * FRAME))
    lost = np.abs(heard[5 * FRAME :].astype(int))
    assert lost[:FRAME].max() > 4000
    assert lost[SILENT:].max() == 0
    assert concealment.concealed[LINE] == SILENT


def test_nothing_clicks_where_sound_is_lost_and_where_it_comes_back() -> None:
    sound = tone(250, 20 * FRAME)
    steepest = np.abs(np.diff(sound.astype(int))).max()
    sound[7 * FRAME :] = np.roll(sound, 8)[7 * FRAME :]  # not where the repetition would be
    heard, _ = conceal([True] * 5 + [False] * 2 + [True] * 6 + [False] * 7, sound)
    assert np.abs(np.diff(heard.astype(int))).max() < 1.5 * steepest


def test_a_line_that_loses_nothing_is_left_alone() -> None:
    sound = tone(440, 8 * FRAME)
    heard, concealment = conceal([True] * 8, sound)
    assert np.array_equal(heard, sound)
    assert concealment.concealed[LINE] == 0


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_frames_that_come_in_pieces_keep_every_sample_that_came(seed: int) -> None:
    chance = np.random.default_rng(seed)
    concealment = Concealment(5)
    concealment.open(LINE)
    for _ in range(20):
        sound = encode(Codec.PCMU, chance.integers(-9000, 9000, (1, FRAME)).astype(np.int16))
        frame = decode(Codec.PCMU, sound)
        missing = np.repeat(chance.random((1, 4)) < 0.4, 40, axis=1)
        frame[missing] = 0
        came = frame.copy()
        concealment.fill(
            ROWS, frame, missing, lambda rows: np.zeros((len(rows), HISTORY), np.int16)
        )
        alone = ~missing & ~np.roll(missing, 40, axis=1)
        alone[:, :40] = False
        assert np.array_equal(frame[alone], came[alone])


PACKETS = st.tuples(
    st.sampled_from([0, 1, 1, 1, 1, 1, 2, 3, -1, -4, 900, 5000]),  # by how many the number moves on
    st.sampled_from([0, 0, 0, 0, 0, 160, -160, 80, 7000, 1 << 31]),  # and the timestamp beside it
    st.sampled_from([7, 7, 7, 7, 7, 7, 8]),
    st.sampled_from([160, 160, 160, 240, 80, 1]),
    st.integers(0, 3),  # ticks that pass before it
)


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF), st.lists(PACKETS, max_size=60))
def test_the_short_way_of_a_packet_that_is_next_ends_where_the_long_one_does(
    sequence: int, timestamp: int, packets: list[tuple[int, int, int, int, int]]
) -> None:
    short, long, clock, followed = Reception(), Reception(), 0, 0
    for number, (moves, jumps, ssrc, length, ticks) in enumerate(packets):
        clock += ticks * FRAME
        now = clock / 8000 + number * 0.0003
        packet = MediaPacket(sequence, timestamp, ssrc, bytes(length), ULAW)
        long.take(packet, clock=clock, now=now)
        if short.follow(sequence, timestamp, ssrc, length, clock=clock, now=now):
            followed += 1
        else:
            short.take(packet, clock=clock, now=now)
        for name in Reception.__slots__:
            assert getattr(short, name) == getattr(long, name), name
        sequence = sequence + moves & 0xFFFF
        timestamp = timestamp + moves * length + jumps & 0xFFFFFFFF
    assert followed <= len(packets)


def test_an_ordinary_stream_goes_the_short_way_but_for_its_first_packet() -> None:
    reception, short = Reception(), 0
    for number in range(500):
        clock, now = number * FRAME, number * TICK
        header = 65_400 + number & 0xFFFF, 0xFFFFFF00 + number * FRAME & 0xFFFFFFFF, 7
        if reception.follow(*header, FRAME, clock=clock, now=now):
            short += 1
        else:
            reception.take(MediaPacket(*header, bytes(FRAME), ULAW), clock=clock, now=now)
    assert short == 499
    assert (reception.unique, reception.lost, reception.late) == (500, 0, 0)
