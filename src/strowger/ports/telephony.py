"""Calls as the application places them: a telephone, a line, and a look at a trunk."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from strowger.media import events as media
from strowger.model import (
    CallId,
    LineFigures,
    Recording,
    Trunk,
)

LINE_RATE = 8000
"""Samples per second of all PCM at these ports: mono, signed 16-bit, little-endian."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DialRequest:
    call_id: CallId
    to: str
    """E.164 number, or a `sip:` URI."""
    caller_id: str | None
    trunk: Trunk
    ring_timeout: float
    recording: Path | None
    """Where to write the stereo WAV file; None to record nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedDial:
    """A call of a test key. It names no trunk, so there is none that it could reach."""

    call_id: CallId
    to: str
    """Who is to answer: see `calls/simulated.py`."""
    caller_id: str | None
    ring_timeout: float
    recording: Path | None


@dataclass(frozen=True, slots=True)
class LineHungUp:
    """The far end or the network ended the call."""

    reason: str
    hangup_cause: int | None = None


LineEvent = (
    media.SpeechStarted
    | media.SpeechStopped
    | media.DigitReceived
    | media.PlayoutStarted
    | media.PlayoutEnded
    | media.DigitsSent
    | media.MediaLost
    | LineHungUp
)


class Line(Protocol):
    """One answered call: audio in, audio out, and what happens on it."""

    async def next_event(self) -> LineEvent:
        """Wait for the next thing to happen. After LineHungUp nothing more comes."""

    def captured(self, position: int) -> tuple[bytes, int]:
        """The far end's PCM from `position` until now, and the position where it ends.

        A position older than the ring is moved to the oldest sample kept (some 8 seconds).
        """

    def begin_utterance(self, utterance: int) -> None: ...

    async def write(self, pcm: bytes) -> None:
        """Queue PCM of the utterance begun last; waits while the ring is full."""

    def end_utterance(self, utterance: int) -> None: ...

    def stop_playing(self) -> None:
        """Silence the line at once; a PlayoutEnded follows for each utterance not yet ended."""

    def send_digits(self, digits: str) -> None: ...

    async def transfer(self, to: str, on_accepted: Callable[[], None]) -> None:
        """Have the far end put the callee through to an E.164 number or `sip:` URI.

        `on_accepted` hears that it tries; from then on it may end this call at any moment.
        Returns when it says that somebody has answered. Raises TransferRefused.
        """

    def consult(self, to: str, *, ring_timeout: float) -> AbstractAsyncContextManager["Line"]:
        """Call somebody else, as this call was placed, to talk before the callee is put through.

        Hangs up on exit. Raises CallRefused, Unavailable without a free line, and TransferRefused
        where it cannot be.
        """

    async def transfer_to(self, other: "Line", on_accepted: Callable[[], None]) -> None:
        """As `transfer`, to who answered `consult`: the callee takes our place in that call."""

    def recorded(self) -> Recording:
        """What has been written to the recording so far."""

    def measured(self) -> LineFigures | None:
        """What became of the audio; None until the line is closed."""


class Telephone(Protocol):
    def dial(
        self, request: DialRequest, on_ringing: Callable[[int], None]
    ) -> AbstractAsyncContextManager[Line]:
        """Ring the callee; enter when somebody answered, hang up on exit.

        `on_ringing` hears the status of each provisional answer. Raises CallRefused.
        """


class SimulatedTelephone(Protocol):
    def dial(
        self, request: SimulatedDial, on_ringing: Callable[[int], None]
    ) -> AbstractAsyncContextManager[Line]:
        """The same for a callee that is simulated on this machine, over real SIP and RTP.

        Raises CallRefused, and Unavailable where no callee can be simulated.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkReport:
    """What came of asking a trunk whether it is there."""

    problem: str | None
    """None where calls can be expected to go through; else a word for programs, such as
    `no_answer`."""
    detail: str
    """The same in a sentence, with what to do."""
    address: str | None = None
    """What its name led to."""
    sip_status: int | None = None
    reason: str | None = None
    """What it answered."""
    methods: tuple[str, ...] = ()
    """From its Allow header."""
    codecs: tuple[str, ...] = ()
    """From the description in its answer, where it sent one."""
    round_trip: float | None = None
    """Seconds from the question to the answer."""


class TrunkChecker(Protocol):
    async def check(self, trunk: Trunk) -> TrunkReport:
        """Answers within some seconds, whatever the trunk does."""
