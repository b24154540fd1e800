"""Lines that are processed together and send apart."""

import numpy as np
import pytest

from strowger.media.engine import TICK, Engine
from strowger.media.events import (
    BeginUtterance,
    CloseLine,
    Codec,
    EndUtterance,
    LineClosed,
    OpenLine,
    PlayoutStarted,
)

LINES = 10


def engine(batches: int | None) -> Engine:
    """Every line plays its own number for two frames and a half."""
    made = Engine(lines=LINES, model=None, phases=4, batches=batches)
    for line in range(LINES):
        made.apply(
            OpenLine(
                line=line,
                codec=Codec.PCMU,
                payload_type=0,
                telephone_event=None,
                ssrc=line + 1,
                first_sequence=0,
                first_timestamp=0,
                record=False,
            ),
            now=0.0,
        )
        made.apply(BeginUtterance(line=line, utterance=line, position=0), now=0.0)
        made.playout_ring(line).write(np.full(400, 1000 * line, np.int16))
        made.apply(EndUtterance(line=line, utterance=line, position=400), now=0.0)
    return made


def run(batches: int) -> tuple[Engine, list[tuple[int, int, bytes]]]:
    """Six ticks; every packet with the phase in which it left."""
    under_test, sent = engine(batches), []
    for tick in range(6):
        now = tick * TICK
        for phase in range(4):
            sent += [(phase, *each) for each in under_test.transmit(phase, now=now)]
        for batch in range(batches):
            under_test.process(batch, now=now)
    return under_test, sent


@pytest.mark.parametrize("batches", [1, 2, 4])
def test_every_line_sends_in_its_phase_once_a_tick(batches: int) -> None:
    under_test, sent = run(batches)
    assert {phase for phase, _, _ in sent} == set(range(4))
    for line in range(LINES):
        assert [phase for phase, each, _ in sent if each == line] == 5 * [under_test.phase_of(line)]


@pytest.mark.parametrize("batches", [1, 2])
def test_what_is_sent_does_not_depend_on_the_batches(batches: int) -> None:
    _, sent = run(batches)
    _, expected = run(4)
    for line in range(LINES):
        assert [packet for _, each, packet in sent if each == line] == [
            packet for _, each, packet in expected if each == line
        ]


@pytest.mark.parametrize("batches", [1, 2, 4])
def test_news_is_told_when_the_packets_of_the_line_leave(batches: int) -> None:
    under_test = engine(batches)
    for batch in range(batches):
        under_test.process(batch, now=0.0)
    assert under_test.events() == []
    for phase in range(4):
        under_test.transmit(phase, now=phase / 1000)
    started = under_test.events()
    assert sorted(event.line for event in started) == list(range(LINES))
    for event in started:
        at = under_test.phase_of(event.line) / 1000
        assert event == PlayoutStarted(event.line, at, event.line, at)


def test_a_line_that_is_closed_tells_its_end_once() -> None:
    under_test, _ = run(2)
    under_test.events()
    under_test.apply(CloseLine(3), now=0.2)
    for batch in range(2):
        under_test.process(batch, now=0.2)
    for phase in range(4):
        assert 3 not in dict(under_test.transmit(phase, now=0.2))
    events = [event for event in under_test.events() if event.line == 3]
    assert [type(event) for event in events] == [LineClosed]
