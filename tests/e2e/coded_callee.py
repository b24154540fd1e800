"""A callee on real SIP who knows what was said from the sound alone, and answers in kind."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from strowger.media.events import Codec
from strowger.media.g711 import decode
from strowger.media.rtp import RtpPacket
from strowger.ports import Line, LineHungUp
from strowger.simulate.acting import Tell
from strowger.simulate.callee import CalleeSettings, open_callee
from strowger.simulate.persona import Answer
from strowger.simulate.reports import Happening, HungUp, Report
from strowger.telephony.sockets import LineSockets, Wire
from tests.coded_speech import Ear, Tongue

LOOK_EVERY = 0.04
"""Seconds between two looks at what was heard."""
ANSWERS_AFTER = 0.6
"""Seconds after the agent's last word."""
PARDON = "Pardon?"
"""What an agent says that has not understood; the callee says the same again."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What the callee says, and when."""

    after: str
    """The word of the agent's that it waits for; said to its end."""
    says: str
    pause: float = ANSWERS_AFTER
    """Seconds after that word; none to speak over the agent."""


class Tap:
    """A line's sockets, and an ear at the packets that come in, before any jitter buffer."""

    def __init__(self, wire: Wire, ear: Ear, sequences: list[int]) -> None:
        self._wire = wire
        self._ear = ear
        self._sequences = sequences

    def received(self) -> Iterator[bytes]:
        for packet in self._wire.received():
            rtp = RtpPacket.parse(packet)
            if rtp.payload_type == 0:
                samples = decode(Codec.PCMU, np.frombuffer(rtp.payload, np.uint8))
                self._ear.feed(samples.astype("<i2").tobytes())
                self._sequences.append(rtp.sequence)
            yield packet

    def send(self, packet: bytes) -> None:
        self._wire.send(packet)

    def send_rtcp(self, packet: bytes) -> None:
        self._wire.send_rtcp(packet)

    def received_rtcp(self) -> Iterator[bytes]:
        return self._wire.received_rtcp()


class CodedCallee:
    """An Actor. Speaks `own`, understands `theirs`."""

    answer = Answer(after=0.1)

    def __init__(self, own: Tongue, theirs: Tongue, part: Sequence[Cue]) -> None:
        self._own = own
        self._part = part
        self._ear = Ear(theirs)
        self._sequences: list[int] = []
        """Of the RTP packets that came."""
        self.happened: list[Happening] = []

    def tap(self, sockets: LineSockets) -> Wire:
        return Tap(sockets, self._ear, self._sequences)

    def heard(self) -> list[str]:
        """The words of the agent's that came to their end, in order."""
        return [word for word, *_ in self._ear.spoken()]

    @property
    def lost(self) -> bool:
        """A packet is missing, or out of order."""
        pairs = pairwise(self._sequences)
        return any(after != (before + 1) & 0xFFFF for before, after in pairs)

    async def act(self, line: Line, tell: Tell) -> None:
        async with asyncio.TaskGroup() as tasks:
            acting = tasks.create_task(self._take_part(line), name="part")
            while not isinstance(event := await line.next_event(), LineHungUp):
                continue
            acting.cancel()
        tell(HungUp("agent", event.reason))

    async def _take_part(self, line: Line) -> None:
        number = asked_again = 0
        before = self._part[0]
        for cue in self._part:
            while cue.after not in (heard := self.heard()):
                if heard.count(PARDON) > asked_again:
                    asked_again += 1
                    number += 1
                    await self._say(line, number, replace(before, pause=ANSWERS_AFTER))
                await asyncio.sleep(LOOK_EVERY)
            number += 1
            await self._say(line, number, cue)
            before = cue

    async def _say(self, line: Line, number: int, cue: Cue) -> None:
        await asyncio.sleep(cue.pause)
        line.begin_utterance(number)
        await line.write(self._own.speak(cue.says))
        line.end_utterance(number)

    def note(self, report: Report) -> None:
        self.happened.append(report.what)


@asynccontextmanager
async def answering_calls(callee: CodedCallee, settings: CalleeSettings) -> AsyncIterator[None]:
    async with open_callee(callee, settings, model=None, wiring=callee.tap, on_report=callee.note):
        yield
