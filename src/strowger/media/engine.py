"""The batch engine: all lines of a batch as one matrix, 20 ms at a time.

Driven by commands, packets and `now`; answers with packets and events. The shell calls, in each
tick, for each batch `receive` for every packet that has come, and `process`; for each phase, of
which a batch has one or more, `transmit`. It may leave ticks out, and never replays them: `process`
sees by `now` how many are missing, timestamps of what is sent move on by them, and what came
meanwhile is heard in the ticks that follow, two frames in each. Nothing here raises for what the
network sends; commands for lines that are not open are passed over, because they may cross with
the end of the line.
"""

from dataclasses import dataclass, field
from typing import Final, assert_never

import numpy as np

from strowger.media.events import (
    BeginUtterance,
    ChangeCodec,
    CloseLine,
    Command,
    DigitsSent,
    EndUtterance,
    Event,
    HoldLine,
    LineClosed,
    MediaLost,
    OpenLine,
    PlayoutEnded,
    PlayoutStarted,
    SendDigits,
    StopPlaying,
)
from strowger.media.playout import Change, Ended, Started
from strowger.media.receiving import Receiver
from strowger.media.reception import FRAME, RATE
from strowger.media.recording import Recorder
from strowger.media.reports import Reports
from strowger.media.rings import PcmRing
from strowger.media.rtcp import TYPES as RTCP_TYPES
from strowger.media.sending import AllDigitsSent, Departure, Sender
from strowger.media.voice import SpeechModel
from strowger.media.windows import Rows

TICK: Final = 0.020
EARLY: Final = 0.001
"""Seconds of a tick that a clock may be imprecise by before a tick counts as not missed."""
LOST_AFTER: Final = 10.0
LOOK_FOR_LOST: Final = 25
"""Ticks between two looks for lines that hear nothing."""


@dataclass(slots=True)
class Batch:
    """The lines that are processed together, and their clock."""

    rows: Rows
    recorded: Rows
    clock: int = 0
    """Samples that were processed; what the jitter buffer is read by."""
    tick: int = 0
    expected_at: float | None = None
    """When the next tick is to be processed."""

    def advance(self, now: float) -> int:
        """How many ticks were left out before this one."""
        if self.expected_at is None or now < self.expected_at:
            self.expected_at = now
        skipped = int((now - self.expected_at + EARLY) / TICK)
        self.expected_at += (skipped + 1) * TICK
        return skipped


@dataclass(slots=True)
class OpenedLine:
    record: bool
    reports: Reports
    held: bool = False
    closing: bool = False
    lost: bool = False
    """The far end's silence has been told."""
    begun: dict[int, float] = field(default_factory=dict)
    """When the first sound came of utterances that have not left."""


class Engine:
    def __init__(
        self, *, lines: int, model: SpeechModel | None, phases: int = 4,
        batches: int | None = None, seed: int = 0,
        lost_after: float = LOST_AFTER,
    ) -> None:  # fmt: skip
        """Without a model there is no voice detection.

        Lines are processed in as many `batches` as there are `phases`, or fewer: what a batch has
        to send is then spread over several phases. Memory for a line is taken from the system when
        the line is first opened. `seed` spreads the lines' RTCP reports; `lost_after` is seconds.
        """
        self._receiver = Receiver(lines, model)
        self._sender = Sender(lines)
        self._recorder = Recorder(lines)
        none = np.zeros(0, np.intp)
        self._batches = [Batch(none, none) for _ in range(phases if batches is None else batches)]
        self._departures = [Departure() for _ in range(phases)]
        self._lines: dict[int, OpenedLine] = {}
        self._events: list[Event] = []
        self._farewells: dict[int, bytes] = {}
        self._capacity = lines
        self._seed = seed
        self._lost_after = lost_after

    @property
    def nbytes(self) -> int:
        """Bytes of the matrices, when every line is in use."""
        return self._receiver.nbytes + self._sender.nbytes + self._recorder.nbytes

    def batch_of(self, line: int) -> int:
        return line % len(self._batches)

    def phase_of(self, line: int) -> int:
        """When in a tick the line's packets leave: in one of the phases of its batch."""
        share = len(self._departures) // len(self._batches)
        return self.batch_of(line) * share + line // len(self._batches) % share

    def playout_ring(self, line: int) -> PcmRing:
        """The writer's side of what the line plays."""
        return self._sender.ring(line)

    def captured(self, line: int, position: int) -> tuple[bytes, int]:
        """The far end's PCM from `position` until now, and the position where it ends.

        A position older than the ring is moved to the oldest sample kept. What a line that was
        closed has said can be read until the row is opened again.
        """
        pcm, end = self._receiver.ring(line).since(position)
        return pcm.astype("<i2", copy=False).tobytes(), end

    def round_trip(self, line: int) -> float | None:
        """Seconds to the far end and back, by its last RTCP report."""
        opened = self._lines.get(line)
        return None if opened is None else opened.reports.round_trip

    def apply(self, command: Command, *, now: float) -> None:
        if isinstance(command, OpenLine):
            self._open(command, now)
            return
        opened = self._lines.get(command.line)
        if opened is None or opened.closing:
            return
        line, sender = command.line, self._sender
        match command:
            case CloseLine():
                opened.closing = True
            case ChangeCodec():
                sender.change_codec(command)
                self._receiver.change_codec(command)
            case HoldLine():
                opened.held = command.held
                sender.hold(line, held=command.held)
                self._receiver.lines[line].heard_at = now
            case BeginUtterance():
                sender.begin(line, command.utterance, command.position)
                opened.begun[command.utterance] = now
            case EndUtterance():
                self._tell_later(line, sender.end(line, command.utterance, command.position))
            case StopPlaying():
                self._tell_later(line, sender.stop(line))
            case SendDigits():
                sender.queue_digits(line, command.digits)
            case _:
                assert_never(command)

    def transmit(self, phase: int, *, now: float) -> list[tuple[int, bytes]]:
        """The packets that the last `process` has made ready for this phase, by line."""
        departure, self._departures[phase] = self._departures[phase], Departure()
        for line, change in departure.news:
            self._events.append(self._told(line, change, now))
        return departure.packets

    def receive(self, line: int, packet: bytes, *, now: float) -> None:
        """Take one packet from the line's RTP socket, RTCP where the two share a port included."""
        if len(packet) > 1 and packet[1] in RTCP_TYPES:
            self.receive_rtcp(line, packet, now=now)
            return
        clock = self._batches[line % len(self._batches)].clock
        digit = self._receiver.take(line, packet, clock=clock, now=now)
        if digit is not None:
            self._events.append(digit)

    def receive_rtcp(self, line: int, packet: bytes, *, now: float) -> None:
        opened = self._lines.get(line)
        if opened is not None:
            opened.reports.receive(packet, now=now)

    def rtcp_to_send(self, *, now: float) -> list[tuple[int, bytes]]:
        """The reports that are due, and the farewells of lines that were closed."""
        due = [(line, packet) for line, packet in self._farewells.items()]
        self._farewells.clear()
        for line, opened in self._lines.items():
            if opened.reports.next_at <= now and not opened.closing:
                due.append((line, self._report(line, opened, now)))
        return due

    def process(self, batch: int, *, now: float) -> None:
        """20 ms of every line of the batch; what it has to send leaves with `transmit`."""
        this = self._batches[batch]
        skipped = this.advance(now)
        if not len(this.rows):
            return
        rows = this.rows
        if skipped:
            self._receiver.owe(rows, skipped)
        else:  # one that is late again and again has no time for more
            self._catch_up(this, now)
        heard, voices = self._receiver.step(rows, clock=this.clock, tick=this.tick, now=now)
        self._events += voices
        if len(this.recorded):
            which = np.searchsorted(rows, this.recorded)
            sent = self._sender.frames[this.recorded]
            self._events += self._recorder.add(this.recorded, heard[which], sent)
        closing = [line for line in rows.tolist() if self._lines[line].closing]
        for line in closing:
            self._close(line, now)
        this.clock += FRAME
        this.tick += 1
        self._schedule(batch, self._sender.prepare(this.rows, skipped=skipped))
        if this.tick % LOOK_FOR_LOST == 0:
            self._look_for_lost(this.rows.tolist(), now)

    def _catch_up(self, this: Batch, now: float) -> None:
        """Hear one frame more of lines for which several wait since ticks were missed."""
        rows = self._receiver.behind(this.rows, clock=this.clock)
        if not len(rows):
            return
        heard, voices = self._receiver.hurry(rows, clock=this.clock, now=now)
        self._events += voices
        recorded = np.isin(rows, this.recorded).nonzero()[0]
        if len(recorded):  # nothing was sent in the missed tick
            silence = np.zeros((len(recorded), FRAME), np.int16)
            self._events += self._recorder.add(rows[recorded], heard[recorded], silence)

    def events(self) -> list[Event]:
        """What has happened since the last call."""
        events, self._events = self._events, []
        return events

    def _open(self, command: OpenLine, now: float) -> None:
        line = command.line
        if not 0 <= line < self._capacity or line in self._lines:
            raise ValueError(f"line {line} is in use or not one of {self._capacity}")
        self._farewells.pop(line, None)
        self._receiver.open(command, now=now)
        self._sender.open(command)
        self._recorder.open(line)
        cname = f"{command.ssrc:08x}{command.first_timestamp:08x}"
        reports = Reports(command.ssrc, cname, seed=self._seed, now=now)
        self._lines[line] = OpenedLine(command.record, reports)
        self._arrange(self.batch_of(line))

    def _arrange(self, batch: int) -> None:
        """Note which lines the batch has."""
        here = sorted(line for line in self._lines if self.batch_of(line) == batch)
        self._batches[batch].rows = np.array(here, np.intp)
        recorded = [line for line in here if self._lines[line].record]
        self._batches[batch].recorded = np.array(recorded, np.intp)

    def _schedule(self, batch: int, made: Departure) -> None:
        """Divide what a batch sends among its phases, after the news that they have already."""
        batches = len(self._batches)
        share = len(self._departures) // batches
        for part in range(share):
            phase = batch * share + part
            departure = Departure(news=self._departures[phase].news)
            departure.packets = [
                each for each in made.packets if each[0] // batches % share == part
            ]
            departure.news += [each for each in made.news if each[0] // batches % share == part]
            self._departures[phase] = departure

    def _close(self, line: int, now: float) -> None:
        """Tell the last of a line and give its row back."""
        departure = self._departures[self.phase_of(line)]
        for each, change in departure.news:
            if each == line:
                self._events.append(self._told(line, change, now))
        departure.news = [(each, change) for each, change in departure.news if each != line]
        opened = self._lines.pop(line)
        reception = self._receiver.lines[line].reception
        packets = int(self._sender.sent[line])
        if packets:
            self._farewells[line] = opened.reports.farewell(
                reception, packets=packets, timestamp=int(self._sender.timestamp[line]), now=now
            )
        underrun = self._sender.lines[line].playout.underrun
        self._events += [self._told(line, change, now) for change in self._sender.close(line)]
        if opened.record and (chunk := self._recorder.rest(line)) is not None:
            self._events.append(chunk)
        concealed = self._receiver.close(line)
        self._events.append(
            LineClosed(
                line=line,
                at=now,
                packets_received=reception.received,
                packets_sent=packets,
                packets_lost=reception.lost,
                packets_late=reception.late,
                jitter=reception.jitter / RATE,
                concealed_samples=concealed,
                underrun_samples=underrun,
            )
        )
        self._arrange(self.batch_of(line))

    def _tell_later(self, line: int, changes: list[Change]) -> None:
        """With the next `transmit`: what was prepared before leaves before."""
        self._departures[self.phase_of(line)].news += [(line, change) for change in changes]

    def _report(self, line: int, opened: OpenedLine, now: float) -> bytes:
        return opened.reports.compose(
            self._receiver.lines[line].reception,
            packets=int(self._sender.sent[line]),
            timestamp=int(self._sender.timestamp[line]),
            now=now,
        )

    def _look_for_lost(self, lines: list[int], now: float) -> None:
        for line in lines:
            opened = self._lines[line]
            silence = now - self._receiver.lines[line].heard_at
            if silence < self._lost_after:
                opened.lost = False
            elif not opened.lost and not opened.held:
                opened.lost = True
                self._events.append(MediaLost(line, now, silence))

    def _told(self, line: int, change: Change | AllDigitsSent, now: float) -> Event:
        begun = self._lines[line].begun if line in self._lines else {}
        match change:
            case Started(utterance):
                return PlayoutStarted(line, now, utterance, now - begun.pop(utterance, now))
            case Ended(utterance, samples, complete):
                begun.pop(utterance, None)
                return PlayoutEnded(line, now, utterance, samples, complete)
            case AllDigitsSent():
                return DigitsSent(line, now)
            case _:
                assert_never(change)
