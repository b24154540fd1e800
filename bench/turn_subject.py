"""The process under test of `bench.turns`: calls of a worker, with everything switched on.

Runs as a worker process does (same loop, same telephone, voice detection, recording, journal and
providers), without a database. One line of JSON on standard input says what to do; the last line
on standard output tells what came of it.
"""

import asyncio
import json
import os
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from strowger.agent import (
    AgentDefinition,
    EndCallTool,
    Fallback,
    HttpTool,
    ModelSettings,
    TranscriberSettings,
    TransferTarget,
    TransferTool,
    TurnTaking,
    VoiceFallback,
    VoiceSettings,
)
from strowger.app.running import run_loop
from strowger.calls.kept import KeptConversation
from strowger.calls.listening import Ear
from strowger.calls.replying import Mind
from strowger.calls.session import CallSession, Senses
from strowger.calls.speaking import Voice
from strowger.memory import settle_memory
from strowger.model import DEFAULT_WORKSPACE, CallId, Trunk, TrunkId, Turn
from strowger.ports import DialRequest, TurnJudge
from strowger.providers import smart_turn
from strowger.providers.deepgram import DeepgramSettings
from strowger.providers.elevenlabs import ElevenLabsSettings
from strowger.providers.registry import ConfiguredProviders
from strowger.providers.settings import OpenAISettings, ProviderSettings
from strowger.telephony.silero import SileroModel
from strowger.telephony.telephone import SipTelephone, TelephoneSettings, open_telephone

WARMING = 8.0
"""Seconds of the one call that goes before: what is loaded once is no call's memory."""
SETTLING = 8.0
"""Seconds between the last line's answer and the beginning of the measurement."""
DIALLING = 10
PAGE = os.sysconf("SC_PAGE_SIZE")
HOST = "127.0.0.1"
INTERRUPTION_DELAY = 0.13
"""Seconds of speech after which the agent yields: what is heard of it ends some 50 ms later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    calls: int
    seconds: float
    sockets: int
    """Port of the providers that speak websocket."""
    chat: int
    sip: int
    far_end: int
    folder: str
    turn_model: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    begin: float
    end: float
    """Of the measurement, on the machine's monotonic clock."""
    cpu: float
    """Seconds of processor time of this process between them."""
    memory_before: int
    memory_after: int
    ended: dict[str, int]
    """Calls that were over before the measurement was, by why."""
    transcribed: int
    """Turns of the callees' that went into transcripts between them."""


def agent() -> AgentDefinition:
    return AgentDefinition(
        name="bench",
        prompt="You take down when people want to come. Be brief. Today is {{now}}.",
        first_message="Hello, this is the office. When would you like to come?",
        transcriber=TranscriberSettings(
            provider="deepgram", keywords=("Thursday",), fallbacks=(Fallback(provider="openai"),)
        ),
        model=ModelSettings(
            provider="openai", fallbacks=(Fallback(provider="openai", model="another"),)
        ),
        voice=VoiceSettings(
            provider="elevenlabs", fallbacks=(VoiceFallback(provider="openai"),)
        ),
        turn_taking=TurnTaking(
            interruption_delay=INTERRUPTION_DELAY, fillers=("One moment.",), filler_delay=2.5
        ),
        tools=(
            HttpTool(
                type="http", name="book", description="Book a time.", url="https://example.com/b"
            ),
            HttpTool(
                type="http", name="find", description="Find a time.", url="https://example.com/f"
            ),
            TransferTool(
                type="transfer", targets=(TransferTarget(name="desk", to="+14155550100"),)
            ),
            EndCallTool(type="end_call"),
        ),
    )  # fmt: skip


class Office:
    """Places the calls."""

    def __init__(
        self,
        task: Task,
        telephone: SipTelephone,
        providers: ConfiguredProviders,
        judge: TurnJudge | None,
    ) -> None:
        self.task = task
        self.ended: dict[str, int] = {}
        self.transcribed = 0
        self._agent = agent()
        self._telephone = telephone
        self._providers = providers
        self._judge = judge
        self._setting_up = asyncio.Semaphore(DIALLING)

    async def talk(self, number: int, answered: asyncio.Barrier) -> None:
        request = DialRequest(
            call_id=CallId(f"bench_{number}"),
            to=f"+1415555{number:04}",
            caller_id="+14155550199",
            trunk=Trunk(
                id=TrunkId("bench"), workspace_id=DEFAULT_WORKSPACE, name="load",
                host=HOST, port=self.task.far_end,
            ),
            ring_timeout=20.0,
            recording=Path(self.task.folder, f"{number}.wav"),
        )  # fmt: skip
        async with AsyncExitStack() as call:
            async with self._setting_up:
                dialled = self._telephone.dial(request, lambda status: None)
                line = await call.enter_async_context(dialled)
            machine = KeptConversation(
                self._agent, {"now": "2026-01-05", "call_id": request.call_id}, self._note
            )
            session = CallSession(line, machine, self._senses())
            async with asyncio.TaskGroup() as own:
                holding = own.create_task(session.run())
                await answered.wait()
            reason = holding.result()
            self.ended[reason.value] = self.ended.get(reason.value, 0) + 1

    def _senses(self) -> Senses:
        agent, providers = self._agent, self._providers
        return Senses(
            ear=Ear(
                providers.speech_to_text(agent.transcriber.provider),
                agent.transcriber, agent.language, self._judge,
            ),
            voice=Voice(
                providers.text_to_speech(agent.voice.provider),
                agent.voice, agent.language, providers.fallback_voice(),
            ),
            mind=Mind(providers.language_model(agent.model.provider), agent.model),
        )  # fmt: skip

    def _note(self, turn: Turn) -> None:
        self.transcribed += turn.role == "callee"


async def measure(office: Office) -> Report:
    task = office.task
    async with asyncio.TaskGroup() as first:
        warming = first.create_task(office.talk(0, asyncio.Barrier(1)))
        await asyncio.sleep(WARMING)
        warming.cancel()
    settle_memory()  # as a worker does
    memory_before = resident()
    answered = asyncio.Barrier(task.calls + 1)
    async with asyncio.TaskGroup() as calls:
        talking = [calls.create_task(office.talk(n + 1, answered)) for n in range(task.calls)]
        await answered.wait()
        await asyncio.sleep(SETTLING)
        transcribed = office.transcribed
        begin, cpu = time.monotonic(), time.process_time()
        await asyncio.sleep(task.seconds)
        end, cpu = time.monotonic(), time.process_time() - cpu
        memory_after, transcribed = resident(), office.transcribed - transcribed
        for each in talking:
            each.cancel()
    return Report(
        begin=begin, end=end, cpu=cpu, memory_before=memory_before, memory_after=memory_after,
        ended=office.ended, transcribed=transcribed,
    )  # fmt: skip


def resident() -> int:
    """Bytes of memory this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


async def run(task: Task) -> Report:
    streaming = f"http://{HOST}:{task.sockets}"
    providers = ProviderSettings(
        openai=OpenAISettings(base_url=f"http://{HOST}:{task.chat}/v1", api_key="bench-key-0123"),
        deepgram=DeepgramSettings(base_url=streaming, api_key="bench-key-0123"),
        elevenlabs=ElevenLabsSettings(base_url=streaming, api_key="bench-key-0123"),
    )
    settings = TelephoneSettings(
        listen=(HOST, task.sip), rtp_ports=(12000, 19998), lines=task.calls + 1
    )
    judge = smart_turn.load(Path(task.turn_model)) if task.turn_model else None
    async with (
        ConfiguredProviders(providers) as configured,
        open_telephone(settings, SileroModel()) as telephone,
    ):
        return await measure(Office(task, telephone, configured, judge))


def main() -> int:
    report = run_loop(run(Task(**json.loads(sys.stdin.readline()))))
    print(json.dumps(asdict(report)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
