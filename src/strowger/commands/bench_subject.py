"""The process under test of `strowger bench`: places calls on a load, and tells what it took.

Runs as a worker process does (same loop, same telephone, same voice detection), without a
database. One line of JSON on standard input says what to do; lines of JSON on standard output
tell what came of it. Speech is ready PCM, so that nothing but Strowger itself is measured.
"""

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from strowger.agent import (
    AgentDefinition,
    AskNode,
    EndNode,
    Expectation,
    Flow,
    Node,
    TranscriberSettings,
    VoiceSettings,
)
from strowger.app.running import run_loop
from strowger.calls.kept import KeptConversation
from strowger.calls.listening import Ear
from strowger.calls.session import CallSession, Senses
from strowger.calls.speaking import Voice
from strowger.media import events as media
from strowger.model import DEFAULT_WORKSPACE, CallId, Trunk, TrunkId, Turn
from strowger.ports import DialRequest, Line, LineHungUp, Recognised, Recognition
from strowger.sip.events import Address
from strowger.telephony.silero import SileroModel
from strowger.telephony.telephone import SipTelephone, TelephoneSettings, open_telephone

SETTLING = 2.0
"""Seconds between the last line's answer and the beginning of the measurement."""
DIALLING = 10
"""Calls that are being set up at the same time."""
RING_TIMEOUT = 20.0
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the process is to do."""

    role: str
    """`lines` or `latency`."""
    calls: int
    seconds: float
    """How long `lines` measures; the longest that `latency` may take."""
    listen: Address
    far_end: Address
    rtp_ports: tuple[int, int]
    folder: str
    """Where recordings go, and where `speech` is: an utterance of raw PCM at the line's rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesReport:
    begin: float
    end: float
    """Of the measurement, on the machine's monotonic clock."""
    cpu: float
    """Seconds of processor time of this process between them."""
    memory_before: int
    memory_after: int
    """Bytes resident before the first call, and at the end of the measurement."""
    skipped: int
    """Phases of the media clock that were left out between them."""
    turns_heard: int
    """Beginnings of speech that voice detection told of, on all lines."""
    recorded: float
    """Seconds of stereo recording, all lines together, when all were closed."""


@dataclass(slots=True, kw_only=True)
class LatencyReport:
    totals: list[float] = field(default_factory=list)
    """`Turn.latency.total` of each answer: what Strowger itself believes."""
    endpointing_delay: float
    skipped: int = 0


# ── providers that answer at once ────────────────────────────────────────────────────────────


class _InstantRecognition:
    def __init__(self) -> None:
        self._results: asyncio.Queue[Recognised] = asyncio.Queue(maxsize=64)

    async def send(self, pcm: bytes) -> None:
        pass

    async def flush(self) -> None:
        self._results.put_nowait(Recognised("yes", True, 1.0))

    async def results(self) -> AsyncIterator[Recognised]:
        while True:
            yield await self._results.get()


class InstantRecogniser:
    """A SpeechToText that knows the words before they are said."""

    metered = False

    async def warm(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str] = ()
    ) -> None:
        """It always is."""

    @asynccontextmanager
    async def recognise(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str]
    ) -> AsyncIterator[Recognition]:
        yield _InstantRecognition()


class ReadyVoice:
    """A TextToSpeech that has the same utterance ready for every text."""

    def __init__(self, pcm: bytes) -> None:
        self._pcm = pcm

    async def warm(self, settings: VoiceSettings, *, language: str) -> None:
        """It always is."""

    async def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes]:
        yield self._pcm


def looping_agent() -> AgentDefinition:
    """Puts the same question again after every yes, with the default turn-taking."""
    question = AskNode(
        type="ask",
        text="Is there anything else?",
        expect=Expectation(type="yes_no"),
        branches={"yes": "question", "no": "goodbye"},
    )
    nodes: dict[str, Node] = {"question": question, "goodbye": EndNode(type="end", text="Goodbye.")}
    return AgentDefinition(name="bench", flow=Flow(start="question", nodes=nodes))


# ── the two roles ────────────────────────────────────────────────────────────────────────────


class _Caller:
    """Places the calls of a task."""

    def __init__(self, task: Task, telephone: SipTelephone) -> None:
        self.task = task
        self.telephone = telephone
        self.setting_up = asyncio.Semaphore(DIALLING)

    @asynccontextmanager
    async def line(self, number: int) -> AsyncIterator[Line]:
        """Raises CallRefused."""
        host, port = self.task.far_end
        trunk = Trunk(
            id=TrunkId("bench"), workspace_id=DEFAULT_WORKSPACE, name="load", host=host, port=port
        )
        request = DialRequest(
            call_id=CallId(f"bench_{number}"),
            to=f"+1415555{number:04}",
            caller_id="+14155550199",
            trunk=trunk,
            ring_timeout=RING_TIMEOUT,
            recording=Path(self.task.folder, f"{number}.wav"),
        )
        async with AsyncExitStack() as call:
            async with self.setting_up:
                dialled = self.telephone.dial(request, lambda status: None)
                line = await call.enter_async_context(dialled)
            yield line


async def _measure_lines(task: Task, telephone: SipTelephone, speech: bytes) -> LinesReport:
    caller = _Caller(task, telephone)
    answered = asyncio.Barrier(task.calls + 1)
    heard = [0] * task.calls
    recorded = [0.0] * task.calls

    async def talk(number: int) -> None:
        async with caller.line(number) as line:
            try:
                await answered.wait()
                async with asyncio.TaskGroup() as both:
                    spoken = asyncio.Event()
                    both.create_task(_speak(line, speech, spoken), name=f"speak {number}")
                    while not isinstance(event := await line.next_event(), LineHungUp):
                        heard[number] += isinstance(event, media.SpeechStarted)
                        if isinstance(event, media.PlayoutEnded):
                            spoken.set()
                    raise ConnectionError("the load hung up before the measurement was over")
            finally:
                recorded[number] = line.recorded().duration

    memory_before = _resident()
    async with asyncio.TaskGroup() as lines:
        talking = [lines.create_task(talk(n), name=f"line {n}") for n in range(task.calls)]
        await answered.wait()
        gc.collect()
        gc.freeze()
        await asyncio.sleep(SETTLING)
        skipped, begin, cpu = telephone.clock.skipped_ticks, time.monotonic(), time.process_time()
        turns = sum(heard)
        await asyncio.sleep(task.seconds)
        end, cpu = time.monotonic(), time.process_time() - cpu
        skipped, turns = telephone.clock.skipped_ticks - skipped, sum(heard) - turns
        memory_after = _resident()
        for each in talking:
            each.cancel()
    return LinesReport(
        begin=begin,
        end=end,
        cpu=cpu,
        memory_before=memory_before,
        memory_after=memory_after,
        skipped=skipped,
        turns_heard=turns,
        recorded=sum(recorded),
    )


async def _speak(line: Line, speech: bytes, spoken: asyncio.Event) -> None:
    """The same utterance again and again, without a pause."""
    utterance = 0
    while True:
        utterance += 1
        spoken.clear()
        line.begin_utterance(utterance)
        await line.write(speech)
        line.end_utterance(utterance)
        await spoken.wait()


async def _measure_latency(task: Task, telephone: SipTelephone, speech: bytes) -> LatencyReport:
    caller = _Caller(task, telephone)
    definition = looping_agent()
    report = LatencyReport(endpointing_delay=definition.turn_taking.endpointing_delay)

    def note(turn: Turn) -> None:
        if turn.latency is not None and turn.latency.total is not None:
            report.totals.append(turn.latency.total)

    async def converse(number: int) -> None:
        senses = Senses(
            ear=Ear(InstantRecogniser(), definition.transcriber, definition.language),
            voice=Voice(ReadyVoice(speech), definition.voice, definition.language, None),
            mind=None,
        )
        async with caller.line(number) as line:
            await CallSession(line, KeptConversation(definition, {}, note), senses).run()

    async with asyncio.timeout(task.seconds), asyncio.TaskGroup() as calls:
        for number in range(task.calls):
            calls.create_task(converse(number), name=f"call {number}")
    report.skipped = telephone.clock.skipped_ticks
    return report


# ── the process ──────────────────────────────────────────────────────────────────────────────


def _resident() -> int:
    """Bytes of memory this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


async def _run(task: Task, speech: bytes) -> LinesReport | LatencyReport:
    settings = TelephoneSettings(listen=task.listen, rtp_ports=task.rtp_ports, lines=task.calls)
    async with open_telephone(settings, SileroModel()) as telephone:
        gc.freeze()
        if task.role == "lines":
            return await _measure_lines(task, telephone, speech)
        return await _measure_latency(task, telephone, speech)


def main() -> int:
    given = json.loads(sys.stdin.readline())
    pairs = {name: tuple(given[name]) for name in ("listen", "far_end", "rtp_ports")}
    task = Task(**{**given, **pairs})
    report = run_loop(_run(task, Path(task.folder, "speech").read_bytes()))
    sys.stdout.write(json.dumps(asdict(report)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
