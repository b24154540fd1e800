"""A simulated callee and a telephone that calls it, both on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

from strowger.errors import ProviderError
from strowger.media.voice import SpeechModel
from strowger.model import DEFAULT_WORKSPACE, CallId, Trunk, TrunkId
from strowger.ports import DialRequest, LanguageModel, Providers, SpeechToText, TextToSpeech
from strowger.simulate.callee import CalleeSettings, run_callee
from strowger.simulate.persona import Answer, Persona
from strowger.simulate.reports import Happening, Report
from strowger.telephony.line import SipLine
from strowger.telephony.telephone import SipTelephone, TelephoneSettings, open_telephone
from tests.calls.fakes import FakeRecogniser, FakeVoice

HOST = "127.0.0.1"
NUMBER = "+14155550100"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def persona(*script: Any, after: float | None = 0.0, status: int = 200, **others: Any) -> Persona:
    answer = Answer(after=after, status=status)
    return Persona(name="test", answer=answer, script=tuple(script), **others)


class FakeProviders:
    """One voice and one recogniser, both called `local`."""

    def __init__(self, voice: FakeVoice | None = None, ear: FakeRecogniser | None = None) -> None:
        self.voice = voice or FakeVoice()
        self.ear = ear or FakeRecogniser()

    def speech_to_text(self, name: str) -> SpeechToText:
        return self.ear

    def text_to_speech(self, name: str) -> TextToSpeech:
        if name != "local":
            raise ProviderError(f"no voice is called {name}", retryable=False)
        return self.voice

    def language_model(self, name: str) -> LanguageModel:
        raise ProviderError("a callee needs no language model", retryable=False)

    def fallback_voice(self) -> TextToSpeech | None:
        return None


class Simulation:
    """What a test sees: who calls, and what the callee told."""

    def __init__(self, caller: SipTelephone, settings: CalleeSettings) -> None:
        self.caller = caller
        self.port = settings.listen[1]
        self.reports: list[Report] = []
        self.stop: Callable[[], object] = lambda: None
        self._told = asyncio.Event()

    def tell(self, report: Report) -> None:
        self.reports.append(report)
        self._told.set()

    @property
    def happenings(self) -> list[Happening]:
        return [report.what for report in self.reports]

    async def told(self, kind: type[Happening]) -> None:
        """Wait until the callee has told of such a thing."""
        while not any(isinstance(what, kind) for what in self.happenings):
            self._told.clear()
            await self._told.wait()

    def dial(self, *, ring_timeout: float = 5.0) -> AbstractAsyncContextManager[SipLine]:
        trunk = Trunk(
            id=TrunkId("trunk_1"),
            workspace_id=DEFAULT_WORKSPACE,
            name="callee",
            host=HOST,
            port=self.port,
        )
        request = DialRequest(
            call_id=CallId("call_1"),
            to=NUMBER,
            caller_id="+14155550199",
            trunk=trunk,
            ring_timeout=ring_timeout,
            recording=None,
        )
        return self.caller.dial(request, lambda status: None)


@asynccontextmanager
async def simulation(
    who: Persona,
    *,
    providers: Providers | None = None,
    model: SpeechModel | None = None,
    settings: CalleeSettings | None = None,
) -> AsyncIterator[Simulation]:
    """Run a callee, and a telephone to call it with."""
    address = (HOST, free_port())
    settings = replace(settings or CalleeSettings(listen=address), listen=address)
    settings = replace(settings, rtp_ports=(23000, 23098))
    caller = TelephoneSettings(listen=(HOST, free_port()), rtp_ports=(23100, 23198), lines=4)
    ready = asyncio.Event()
    async with (
        asyncio.timeout(40),
        open_telephone(caller, model) as telephone,
        asyncio.TaskGroup() as tasks,
    ):
        simulated = Simulation(telephone, settings)
        callee = tasks.create_task(
            run_callee(
                who,
                settings,
                providers=providers or FakeProviders(),
                model=model,
                on_report=simulated.tell,
                on_ready=ready.set,
            )
        )
        simulated.stop = callee.cancel
        await ready.wait()
        yield simulated
        callee.cancel()


async def until(line: SipLine, kind: type[object]) -> object:
    while not isinstance(event := await line.next_event(), kind):
        continue
    return event
