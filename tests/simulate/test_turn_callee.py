"""The callee of `make bench-turns`, by a fake clock: what it times, and what it does not."""

from bench.turn_callee import AGENT_DONE, PATIENCE, SPREAD, YIELDED, Callee
from strowger.media.events import Codec
from strowger.media.g711 import encode
from strowger.simulate.load_speech import Clip, noise
from tests.simulate.test_load import tone

FRAME = 0.02
CLIP_FRAMES = 20
QUIET, LOUD = (
    encode(Codec.PCMU, tone(amplitude, 1)).tobytes() for amplitude in (3.0, 6000.0)
)  # fmt: skip
CLIP = Clip((QUIET, *[LOUD] * (CLIP_FRAMES - 2), QUIET), last_voiced=CLIP_FRAMES - 2)


class Call:
    """A callee and an agent that says what it is told to."""

    def __init__(self, *, number: int) -> None:
        self.now = 100.0
        self.callee = Callee([CLIP], noise(), number=number)

    def until_spoken(self) -> float:
        """How long the agent was silent before the callee began; its clip is said now."""
        loud, began = 0, self.now
        while loud < CLIP_FRAMES - 2:
            loud += self.pass_by(FRAME)
        return self.now - began - (CLIP_FRAMES - 1) * FRAME

    def pass_by(self, seconds: float, *, agent_speaks: bool = False) -> int:
        """How many loud frames the callee sent meanwhile."""
        loud = 0
        for _ in range(round(seconds / FRAME)):
            loud += self.callee.next_payload(self.now) == LOUD
            self.callee.hear(LOUD if agent_speaks else b"\xff" * 160, self.now + 0.001)
            self.now += FRAME
        return loud


def test_the_callee_waits_for_the_greeting_and_its_end_and_times_the_answer() -> None:
    call = Call(number=1)
    assert call.pass_by(3.0) == 0
    assert call.pass_by(1.0, agent_speaks=True) == 0
    assert AGENT_DONE - 0.05 < call.until_spoken() < AGENT_DONE + SPREAD + 0.05
    call.pass_by(0.4)
    call.pass_by(0.2, agent_speaks=True)
    ((at, seconds),) = call.callee.heard.responses
    assert 0.4 < seconds < 0.45
    assert at < call.now
    assert not call.callee.heard.yields
    assert not call.callee.heard.missing


def test_a_callee_that_speaks_over_the_agent_times_how_long_the_agent_went_on() -> None:
    call = Call(number=0)  # its first turn is begun too soon
    assert call.pass_by(0.98, agent_speaks=True) > 0
    call.pass_by(YIELDED + 0.1)
    ((_, seconds),) = call.callee.heard.yields
    assert 0.1 < seconds < 0.18
    assert not call.callee.heard.responses
    call.pass_by(0.1, agent_speaks=True)
    assert len(call.callee.heard.responses) == 1


def test_an_answer_that_does_not_come_is_missed_and_the_callee_goes_on() -> None:
    call = Call(number=1)
    call.pass_by(0.5, agent_speaks=True)
    call.until_spoken()
    assert call.pass_by(PATIENCE + 0.1) > 0
    assert len(call.callee.heard.missing) == 1
    assert not call.callee.heard.responses
