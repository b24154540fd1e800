"""The engine as the shell drives it: conversations between two of them, and everything hostile."""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strowger.media.engine import Engine
from strowger.media.events import (
    BeginUtterance,
    ChangeCodec,
    CloseLine,
    Codec,
    DigitReceived,
    DigitsSent,
    EndUtterance,
    HoldLine,
    LineClosed,
    MediaLost,
    PlayoutEnded,
    PlayoutStarted,
    RecordingChunk,
    SendDigits,
    StopPlaying,
)
from strowger.media.g711 import decode, encode
from strowger.media.rtcp import ReceiverReport, SenderReport, parse_rtcp
from strowger.media.rtp import HeaderExtension, RtpPacket
from tests.media.wire import (
    FRAME,
    TICK,
    Conversation,
    Listener,
    Samples,
    find,
    frames_of,
    mutations,
    opening,
    packet,
    recorded,
    say,
    tone,
)


def listener(*, lines: int = 1, phases: int = 1, lost_after: float = 10.0) -> Listener:
    return Listener(Engine(lines=lines, model=None, phases=phases, lost_after=lost_after))


def call(*, codec: Codec = Codec.PCMU, record: bool = True) -> Conversation:
    """Two engines with line 0 open on both."""
    conversation = Conversation(listener(), listener())
    for each, ssrc in ((conversation.a, 11), (conversation.b, 22)):
        each.engine.apply(
            opening(codec=codec, ssrc=ssrc, record=record, first_sequence=65500,
                    first_timestamp=2**32 - 3000),
            now=each.now,
        )  # fmt: skip
    return conversation


def quantised(pcm: Samples, codec: Codec = Codec.PCMU) -> Samples:
    return decode(codec, encode(codec, pcm))


def noise(samples: int, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).integers(-8000, 8000, samples).astype(np.int16)


@pytest.mark.parametrize("codec", list(Codec))
def test_what_one_side_plays_the_other_hears_and_both_record_at_the_same_moment(
    codec: Codec,
) -> None:
    conversation = call(codec=codec)
    conversation.tick(5)
    pcm = noise(8000)
    say(conversation.a, 1, pcm)
    conversation.tick(150)
    heard = conversation.b.heard()
    place = find(quantised(pcm, codec), heard)
    assert place >= 0
    for each in (conversation.a, conversation.b):
        each.engine.apply(CloseLine(0), now=each.now)
    conversation.tick(2)
    left_b, right_b = recorded(conversation.b.told)
    left_a, right_a = recorded(conversation.a.told)
    assert len(left_a) == len(left_b) == 156 * FRAME
    sent = find(pcm, right_a)
    assert find(quantised(pcm, codec), left_b) == place
    # It left in the tick it is recorded in, and one tick in the jitter buffer lies between.
    assert place - sent == FRAME
    assert np.abs(left_a).max() <= 8  # A-law's silence
    assert not right_b.any()


def test_an_utterance_is_told_when_its_first_and_last_packet_leave() -> None:
    conversation = call()
    a = conversation.a
    conversation.tick(5)
    say(a, 7, noise(1000))
    begun = a.now
    conversation.tick(20)
    started, ended = [e for e in a.told if isinstance(e, PlayoutStarted | PlayoutEnded)]
    assert started == PlayoutStarted(0, started.at, 7, started.at - begun)
    assert started.at == pytest.approx(begun + 2 * TICK)
    assert ended == PlayoutEnded(0, ended.at, 7, 1000, True)
    assert ended.at == pytest.approx(begun + 8 * TICK)


@given(st.integers(1, 40), st.integers(0, 6000))
@settings(deadline=None, max_examples=40)
def test_stopping_tells_exactly_what_left_and_nothing_more_leaves(ticks: int, extra: int) -> None:
    conversation = call()
    conversation.tick(3)
    pcm = noise(4000)
    say(conversation.a, 1, pcm)
    conversation.tick(ticks)
    a = conversation.a
    a.engine.apply(StopPlaying(0), now=a.now)
    a.engine.playout_ring(0).write(noise(extra, seed=1))  # a writer that has not noticed yet
    conversation.tick(60)
    (ended,) = [e for e in a.told if isinstance(e, PlayoutEnded)]
    heard = conversation.b.heard()
    place = find(quantised(pcm[: ended.samples]), heard) if ended.samples else 0
    assert place >= 0
    assert not heard[place + ended.samples + 0 :].any()
    assert ended.samples == min(4000, ticks * FRAME)
    assert ended.complete == (ended.samples == 4000)


def test_stopping_before_the_first_frame_left_ends_without_start() -> None:
    conversation = call()
    say(conversation.a, 1, noise(4000))
    conversation.a.engine.apply(StopPlaying(0), now=conversation.a.now)
    conversation.tick(5)
    told = [e for e in conversation.a.told if isinstance(e, PlayoutStarted | PlayoutEnded)]
    assert [(type(e), getattr(e, "samples", None)) for e in told] == [(PlayoutEnded, 0)]


def test_silence_is_sent_when_there_is_nothing_to_say() -> None:
    a = listener()
    a.engine.apply(opening(ssrc=5, first_sequence=65534, first_timestamp=2**32 - 160), now=a.now)
    packets = [RtpPacket.parse(sent) for _ in range(6) for sent in a.tick()]
    assert [p.sequence for p in packets] == [65534, 65535, 0, 1, 2]
    assert [p.timestamp for p in packets] == [2**32 - 160, 0, 160, 320, 480]
    assert {p.ssrc for p in packets} == {5}
    assert {p.payload for p in packets} == {b"\xff" * FRAME}
    # RFC 3551 section 4.1: the marker belongs to the first packet after a pause.
    assert [p.marker for p in packets] == [True, False, False, False, False]


def test_ticks_that_were_missed_move_timestamps_and_lose_nothing_that_is_said() -> None:
    conversation = call()
    conversation.tick(10)
    pcm = noise(4000)
    say(conversation.a, 1, pcm)
    sent: list[RtpPacket] = []

    def watch(packets: list[bytes]) -> list[bytes]:
        sent.extend(RtpPacket.parse(each) for each in packets)
        return packets

    conversation.a_to_b = watch
    conversation.tick(5)
    for each in (conversation.a, conversation.b):
        each.now += 7 * TICK
    conversation.tick(40)
    steps = [(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(sent)]
    assert sorted(steps) == [FRAME] * 43 + [8 * FRAME]
    assert {(b.sequence - a.sequence) & 0xFFFF for a, b in pairwise(sent)} == {1}
    late = steps.index(8 * FRAME) + 1
    assert sent[late].marker
    heard = conversation.b.heard()
    left = heard[np.flatnonzero(heard)[0] :]
    assert find(quantised(pcm[: late * FRAME - 2 * FRAME]), heard) >= 0
    assert find(quantised(pcm[late * FRAME :]), left) >= 0


def test_a_tick_that_is_only_late_is_not_a_missed_one() -> None:
    a = listener()
    a.engine.apply(opening(), now=a.now)
    packets = []
    for number in range(50):
        a.now += TICK + (0.015 if number % 7 == 3 else 0) - (0.015 if number % 7 == 4 else 0)
        packets += [RtpPacket.parse(p) for _, p in a.engine.transmit(0, now=a.now)]
        a.engine.process(0, now=a.now)
    assert [p.timestamp for p in packets] == [n * FRAME for n in range(49)]


def test_digits_reach_the_other_side_once_each_and_speech_waits_for_them() -> None:
    conversation = call()
    conversation.tick(5)
    pcm = noise(3200)
    say(conversation.a, 1, pcm)
    a, b = conversation.a, conversation.b
    conversation.tick(4)
    a.engine.apply(SendDigits(0, "1*9"), now=a.now)
    conversation.tick(60)
    digits = [e for e in b.told if isinstance(e, DigitReceived)]
    assert "".join(e.digit for e in digits) == "1*9"
    assert digits[0].at < digits[1].at < digits[2].at
    assert [type(e) for e in a.told if isinstance(e, DigitsSent | PlayoutEnded)] == [
        DigitsSent, PlayoutEnded,
    ]  # fmt: skip
    (ended,) = [e for e in a.told if isinstance(e, PlayoutEnded)]
    assert (ended.samples, ended.complete) == (3200, True)
    heard = b.heard()
    assert find(quantised(pcm[: 3 * FRAME]), heard) >= 0
    assert find(quantised(pcm[-6 * FRAME :]), heard) >= 0


def test_digits_are_heard_through_a_network_that_loses_a_third() -> None:
    chance = np.random.default_rng(4)
    conversation = call()
    conversation.a_to_b = lambda packets: [p for p in packets if chance.random() > 0.33]
    conversation.tick(5)
    conversation.a.engine.apply(SendDigits(0, "0123456789ABCD*#"), now=conversation.a.now)
    conversation.tick(200)
    digits = [e.digit for e in conversation.b.told if isinstance(e, DigitReceived)]
    assert "".join(digits) == "0123456789ABCD*#"


def test_a_far_end_without_telephone_event_gets_digits_as_tones() -> None:
    conversation = call()
    a = conversation.a
    a.engine.apply(
        ChangeCodec(line=0, codec=Codec.PCMU, payload_type=0, telephone_event=None), now=a.now
    )
    conversation.tick(5)
    a.engine.apply(SendDigits(0, "5"), now=a.now)
    conversation.tick(20)
    heard = conversation.b.heard()
    begin = int(np.flatnonzero(np.abs(heard) > 500)[0]) // FRAME * FRAME
    spectrum = np.abs(np.fft.rfft(heard[begin : begin + 800]))
    assert sorted(np.argsort(spectrum)[-2:] * 10) == [770, 1340]
    assert not heard[begin + 800 :].any()
    assert len([e for e in a.told if isinstance(e, DigitsSent)]) == 1


def test_a_held_line_sends_nothing_and_goes_on_where_it_stopped() -> None:
    conversation = call()
    conversation.tick(3)
    pcm = noise(3200)
    say(conversation.a, 1, pcm)
    a, b = conversation.a, conversation.b
    conversation.tick(5)
    a.engine.apply(HoldLine(0, True), now=a.now)
    conversation.tick(1)
    before = len(b.heard())
    sent = [p for _ in range(10) for p in a.tick()]
    assert sent == []
    a.engine.apply(HoldLine(0, False), now=a.now)
    b.now = a.now
    packets: list[RtpPacket] = []

    def watch(each: list[bytes]) -> list[bytes]:
        packets.extend(map(RtpPacket.parse, each))
        return each

    conversation.a_to_b = watch
    conversation.tick(40)
    assert packets[0].marker
    heard = b.heard()
    assert find(quantised(pcm[5 * FRAME + 2 * FRAME :]), heard[before:]) >= 0


def test_another_codec_takes_effect_with_the_next_frame_and_garbles_nothing() -> None:
    conversation = call()
    conversation.tick(3)
    pcm = noise(8000)
    say(conversation.a, 1, pcm)
    conversation.tick(20)
    for each in (conversation.a, conversation.b):
        each.engine.apply(
            ChangeCodec(line=0, codec=Codec.PCMA, payload_type=8, telephone_event=101),
            now=each.now,
        )
    conversation.tick(40)
    heard = conversation.b.heard()
    start = int(np.flatnonzero(heard)[0])
    error = np.abs(heard[start : start + 7000].astype(int) - pcm[:7000])
    assert error.max() <= 300  # a quantising step; the wrong law would be thousands off


def test_media_that_stays_away_is_told_once_until_it_comes_again() -> None:
    a = listener(lost_after=2.0)
    a.engine.apply(opening(), now=a.now)
    for _ in range(300):
        a.tick()
    (lost,) = [e for e in a.told if isinstance(e, MediaLost)]
    assert 2.0 <= lost.seconds <= 2.6
    for number in range(50):
        a.tick(packet(number))
    for _ in range(300):
        a.tick()
    assert len([e for e in a.told if isinstance(e, MediaLost)]) == 2


def test_a_held_line_misses_nobody() -> None:
    a = listener(lost_after=2.0)
    a.engine.apply(opening(), now=a.now)
    a.engine.apply(HoldLine(0, True), now=a.now)
    for _ in range(300):
        a.tick()
    assert [e for e in a.told if isinstance(e, MediaLost)] == []
    a.engine.apply(HoldLine(0, False), now=a.now)
    for _ in range(90):
        a.tick()
    assert [e for e in a.told if isinstance(e, MediaLost)] == []


def test_a_line_that_closes_tells_its_rest_its_recording_and_its_figures_in_this_order() -> None:
    conversation = call()
    conversation.a_to_b = lambda packets: packets if conversation.b.now < 100.99 else []
    conversation.tick(20)
    b = conversation.b
    say(b, 3, noise(8000))
    conversation.tick(60)
    b.engine.apply(
        BeginUtterance(line=0, utterance=4, position=b.engine.playout_ring(0).written), now=b.now
    )
    b.told.clear()
    b.engine.apply(CloseLine(0), now=b.now)
    conversation.tick(3)
    assert [type(e) for e in b.told] == [PlayoutEnded, RecordingChunk, LineClosed]
    closed = b.told[-1]
    assert isinstance(closed, LineClosed)
    assert (closed.packets_sent, closed.packets_received) == (80, 48)
    assert (closed.packets_lost, closed.packets_late) == (0, 0)
    assert closed.concealed_samples == 480
    left, _ = recorded([e for e in b.told if isinstance(e, RecordingChunk)])
    assert len(left) == 31 * FRAME


def test_a_row_can_be_opened_again_and_starts_afresh() -> None:
    conversation = call()
    conversation.tick(50)
    a = conversation.a
    say(a, 1, noise(8000))
    conversation.tick(5)
    a.engine.apply(CloseLine(0), now=a.now)
    conversation.tick(2)
    a.told.clear()
    a.engine.apply(opening(ssrc=99), now=a.now)
    assert a.engine.playout_ring(0).written == 0
    assert a.engine.captured(0, 0) == (b"", 0)
    packets = [RtpPacket.parse(p) for _ in range(5) for p in a.tick()]
    assert {p.payload for p in packets} == {b"\xff" * FRAME}
    assert a.told == []


def test_a_new_call_never_hears_the_one_before_it() -> None:
    a = listener()
    a.engine.apply(opening(), now=a.now)
    for number, payload in enumerate(frames_of(noise(8000))):
        a.tick(packet(number, payload), packet(number + 1, payload))
    a.engine.apply(CloseLine(0), now=a.now)
    a.tick()
    a.engine.apply(opening(), now=a.now)
    for _ in range(150):
        a.tick()
    assert len(a.heard()) == 150 * FRAME
    assert not a.heard().any()


def test_delay_that_a_stall_brought_goes_again_in_silence_and_leaves_nothing_behind() -> None:
    a = listener()
    a.engine.apply(opening(), now=a.now)
    quiet = frames_of(tone(200, 80000, amplitude=90))
    for number in range(50):
        a.tick(packet(number, quiet[number]))
    for _ in range(4):
        a.tick()
    a.tick(*(packet(number, quiet[number]) for number in range(50, 55)))

    def here() -> int:
        return a.engine.captured(0, 0)[1]

    def since(position: int) -> Samples:
        return np.frombuffer(a.engine.captured(0, position)[0], np.int16)

    def delay(number: int) -> int:
        """Samples by which the line is behind its far end: when is a loud packet heard?"""
        sent_at = here()
        a.tick(packet(number, b"\x80" * FRAME))
        for quiet_one in range(number + 1, number + 10):
            a.tick(packet(quiet_one, quiet[quiet_one % 500]))
        return int(np.flatnonzero(np.abs(since(sent_at)) > 20000)[0])

    assert delay(55) == 4 * FRAME
    for number in range(65, 900):
        a.tick(packet(number, quiet[number % 500]))
    assert delay(900) == FRAME
    for _ in range(20):
        a.tick()
    silent = here()
    for _ in range(100):
        a.tick()
    assert not since(silent).any()


def after_missed_ticks(missed: int) -> tuple[Listener, Samples]:
    """A line whose process did not run for so many ticks, and what its far end says: noise."""
    pcm = noise(FRAME * 200, seed=4)
    frames = frames_of(pcm)
    a = listener()
    a.engine.apply(opening(record=True), now=a.now)
    for number in range(50):
        a.tick(packet(number, frames[number]))
    a.now += missed * TICK
    a.tick(*(packet(number, frames[number]) for number in range(50, 51 + missed)))
    for number in range(51 + missed, 190):
        a.tick(packet(number, frames[number]))
    return a, quantised(pcm)


@pytest.mark.parametrize("missed", [1, 2, 7, 25])
def test_what_came_while_the_process_did_not_run_is_heard_whole_and_the_delay_made_good(
    missed: int,
) -> None:
    a, said = after_missed_ticks(missed)
    heard = a.heard()
    # Of 190 frames the last one waits in the jitter buffer, as it always does.
    assert len(heard) == 190 * FRAME
    assert np.array_equal(heard[FRAME:], said[: 189 * FRAME])


def test_a_recording_is_as_long_as_the_call_whatever_was_missed() -> None:
    a, said = after_missed_ticks(10)
    a.engine.apply(CloseLine(0), now=a.now)
    a.tick()
    left, right = recorded(a.told)
    assert len(left) == len(right) == 191 * FRAME
    assert np.array_equal(left[FRAME : 190 * FRAME], said[: 189 * FRAME])


def test_a_line_that_waits_for_nothing_is_not_hurried() -> None:
    quiet = listener()
    quiet.engine.apply(opening(), now=quiet.now)
    quiet.tick()
    quiet.now += 10 * TICK
    for _ in range(20):
        quiet.tick()
    assert len(quiet.heard()) == 21 * FRAME


def test_a_process_that_is_late_in_every_tick_does_no_more_in_it() -> None:
    a = listener()
    a.engine.apply(opening(), now=a.now)
    number = 0
    for _ in range(20):
        a.now += TICK
        a.tick(packet(number), packet(number + 1))
        number += 2
    assert len(a.heard()) == 20 * FRAME


def test_a_row_in_use_is_not_given_away_twice() -> None:
    a = listener(lines=2)
    a.engine.apply(opening(1), now=a.now)
    for line in (1, 2, -1):
        with pytest.raises(ValueError, match=f"line {line} "):
            a.engine.apply(opening(line), now=a.now)


def test_commands_for_a_line_that_is_gone_are_passed_over() -> None:
    a = listener()
    for command in (
        CloseLine(0),
        StopPlaying(0),
        HoldLine(0, True),
        SendDigits(0, "1"),
        BeginUtterance(line=0, utterance=1, position=0),
        EndUtterance(line=0, utterance=1, position=0),
        ChangeCodec(line=0, codec=Codec.PCMU, payload_type=0, telephone_event=None),
    ):
        a.engine.apply(command, now=a.now)
    assert a.tick(packet(0)) == []
    a.engine.receive(5, packet(0), now=a.now)
    a.engine.receive_rtcp(5, b"", now=a.now)
    assert a.told == []


def test_the_capture_ring_gives_what_is_new_and_forgets_what_is_old() -> None:
    a = listener()
    a.engine.apply(opening(), now=a.now)
    sound = tone(300, 11 * 8000)
    for number, payload in enumerate(frames_of(sound)):
        a.tick(packet(number, payload))
    pcm, end = a.engine.captured(0, 0)
    assert end == len(sound)
    assert len(pcm) // 2 >= 8 * 8000
    tail, again = a.engine.captured(0, end - 1000)
    assert again == end
    assert np.array_equal(np.frombuffer(tail, np.int16), quantised(sound)[-1000 - FRAME : -FRAME])
    assert a.engine.captured(0, end + 50) == (b"", end)


def test_lines_of_all_phases_are_kept_apart() -> None:
    a = Listener(Engine(lines=10, model=None, phases=4))
    sounds = {line: noise(1600, seed=line) for line in (0, 3, 4, 7, 9)}
    for line, sound in sounds.items():
        a.engine.apply(opening(line, ssrc=line), now=a.now)
        say(a, line, sound, line)
    sent: dict[int, bytes] = dict.fromkeys(sounds, b"")
    for number in range(20):
        for phase in range(4):
            a.now += TICK / 4
            for line, each in a.engine.transmit(phase, now=a.now):
                assert a.engine.phase_of(line) == phase
                sent[line] += RtpPacket.parse(each).payload
                assert RtpPacket.parse(each).ssrc == line
            for line in sounds:
                if a.engine.phase_of(line) == phase:
                    payload = frames_of(sounds[line])[number % 10]
                    a.engine.receive(line, packet(number, payload), now=a.now)
            a.engine.process(phase, now=a.now)
    for line, sound in sounds.items():
        assert encode(Codec.PCMU, sound).tobytes() in sent[line]
        assert find(quantised(sound), a.heard(line)) >= 0


def test_reports_are_exchanged_and_tell_the_round_trip() -> None:
    conversation = call()
    a, b = conversation.a, conversation.b
    sent: list[bytes] = []
    for _ in range(1500):
        conversation.tick()
        for _, each in a.engine.rtcp_to_send(now=a.now):
            sent.append(each)
            b.engine.receive_rtcp(0, each, now=b.now + 0.040)
        for _, each in b.engine.rtcp_to_send(now=b.now + 0.060):
            a.engine.receive(0, each, now=a.now + 0.100)
    assert 4 <= len(sent) <= 12
    report = parse_rtcp(sent[-1])[0]
    assert isinstance(report, SenderReport)
    assert report.packets > 1000
    assert report.blocks[0].ssrc == 22
    assert report.blocks[0].lost == 0
    assert a.engine.round_trip(0) == pytest.approx(0.080, abs=0.002)
    assert a.engine.round_trip(3) is None


def test_a_line_that_has_sent_nothing_reports_as_a_receiver() -> None:
    a = listener()
    a.engine.apply(opening(), now=a.now)
    ((_, report),) = a.engine.rtcp_to_send(now=a.now + 10)
    assert isinstance(parse_rtcp(report)[0], ReceiverReport)


def test_a_closed_line_says_goodbye_unless_its_row_has_a_new_call() -> None:
    conversation = call()
    a = conversation.a
    conversation.tick(5)
    a.engine.apply(CloseLine(0), now=a.now)
    conversation.tick(2)
    ((line, farewell),) = a.engine.rtcp_to_send(now=a.now)
    assert line == 0
    assert [type(p).__name__ for p in parse_rtcp(farewell)] == [
        "SenderReport", "SourceDescription", "Goodbye",
    ]  # fmt: skip
    a.engine.apply(opening(), now=a.now)
    conversation.tick(5)
    a.engine.apply(CloseLine(0), now=a.now)
    conversation.tick(2)
    a.engine.apply(opening(), now=a.now)
    assert a.engine.rtcp_to_send(now=a.now) == []


def test_reports_of_different_seeds_come_at_different_times() -> None:
    def times(seed: int) -> list[float]:
        engine = Engine(lines=1, model=None, phases=1, seed=seed)
        engine.apply(opening(), now=0.0)
        return [t / 10 for t in range(600) if engine.rtcp_to_send(now=t / 10)]

    assert times(1) == times(1) != times(2)
    gaps = np.diff(times(1))
    assert gaps.min() >= 2.4
    assert gaps.max() <= 7.6


def test_headers_with_extras_and_comfort_noise_are_understood() -> None:
    a = listener()
    a.engine.apply(opening(), now=a.now)
    sound = noise(10 * FRAME)
    for number, payload in enumerate(frames_of(sound)):
        plain = RtpPacket.parse(packet(number, payload))
        rich = bytearray(
            bytes(replace(plain, contributing=(1, 2), extension=HeaderExtension(0xBEDE, bytes(8))))
            + b"\x00\x00\x03"
        )
        rich[0] |= 0x20
        a.tick(bytes(rich))
    for number in range(10, 14):
        a.tick(packet(number, b"\x40", payload_type=13))
    assert find(quantised(sound), a.heard()) == FRAME


def test_ten_thousand_damaged_packets_never_raise() -> None:
    event = bytes(
        RtpPacket(payload_type=101, sequence=9, timestamp=800, ssrc=7, payload=b"\x05\x0a\x00\xa0")
    )
    report = bytes(SenderReport(ssrc=7, ntp=1 << 32, timestamp=0, packets=1, octets=160))
    originals = [packet(n) for n in range(5)] + [event, report, b"\x9f" + packet(1)[1:]]
    a = listener()
    a.engine.apply(opening(record=True), now=a.now)
    for number, damaged in enumerate(mutations(originals, 10_000, seed=5)):
        a.engine.receive(0, damaged, now=a.now)
        a.engine.receive_rtcp(0, damaged, now=a.now)
        if number % 20 == 0:
            a.tick(packet(number // 20))
    a.engine.apply(CloseLine(0), now=a.now)
    a.tick()
    assert isinstance(a.told[-1], LineClosed)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0, 0.4),
    st.integers(0, 8),
    st.booleans(),
)
def test_no_network_makes_an_engine_raise_or_lose_its_place(
    seed: int, loss: float, delay: int, restarts: bool
) -> None:
    chance = np.random.default_rng(seed)
    queued: list[tuple[int, bytes]] = []
    conversation = call()
    ticks = 0

    def network(packets: list[bytes]) -> list[bytes]:
        nonlocal queued
        for each in packets:
            for _ in range(int(chance.integers(1, 3))):
                if chance.random() >= loss:
                    queued.append((ticks + int(chance.integers(0, delay + 1)), each))
        if restarts and ticks % 40 == 39:
            stray = RtpPacket.parse(packets[0]) if packets else None
            if stray is not None:
                queued.append((ticks, bytes(replace(stray, ssrc=int(chance.integers(2**32))))))
        due = [each for at, each in queued if at <= ticks]
        queued = [(at, each) for at, each in queued if at > ticks]
        return due

    conversation.a_to_b = network
    say(conversation.a, 1, noise(32000, seed))
    for _ in range(230):
        ticks += 1
        conversation.tick()
    b = conversation.b
    b.engine.apply(CloseLine(0), now=b.now)
    conversation.tick()
    left, right = recorded(b.told)
    assert len(left) == len(right) == 231 * FRAME
    assert np.array_equal(left, b.heard()[: len(left)])


def test_a_line_takes_less_than_a_megabyte() -> None:
    class Nothing:
        def __call__(self, chunks: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return np.zeros(len(chunks), np.float32), state

    assert Engine(lines=64, model=Nothing()).nbytes / 64 < 400_000


MEMORY = """
import resource
from strowger.media.engine import Engine
from tests.media.wire import opening, packet
def used():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()
before = used()
engine = Engine(lines=2000, model=None)
idle = used()
for line in range(40):
    engine.apply(opening(line, record=True), now=0.0)
now = 0.0
for number in range(700):
    now += 0.02
    for phase in range(4):
        engine.transmit(phase, now=now)
        for line in range(phase, 40, 4):
            engine.receive(line, packet(number), now=now)
            engine.playout_ring(line).write(bytes(320))
        engine.process(phase, now=now)
        engine.events()
print((idle - before) // 2000, (used() - idle) // 40)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_only_lines_that_are_open_take_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True, timeout=60,
        env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    idle, used = map(int, done.stdout.split())
    assert idle < 5_000
    assert used < 1_000_000
