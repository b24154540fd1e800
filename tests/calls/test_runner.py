"""A call from its dial attempt to the last word in the store, with fakes around it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from strowger.agent import (
    AgentDefinition,
    AskNode,
    EndNode,
    Expectation,
    Flow,
    SpeechToSpeechFallback,
    SpeechToSpeechSettings,
)
from strowger.calls.dispatcher import Dispatcher
from strowger.calls.kept import KeptConversation
from strowger.calls.runner import CallRunner, Workplace
from strowger.conversation.events import Effect, Event, HangUp
from strowger.conversation.journal import parse_journal, replay
from strowger.conversation.replaying import replay_and_compare
from strowger.conversation.speech_to_speech.events import AgentWords, ItemOver
from strowger.errors import (
    CallRefused,
    Conflict,
    Forbidden,
    NotFound,
    ProviderError,
    RefusalCause,
    Unavailable,
)
from strowger.lifecycle import CallStatus, EndReason
from strowger.model import (
    DEFAULT_WORKSPACE,
    AgentId,
    Call,
    CallCommand,
    CallId,
    CallResult,
    CommandKind,
    ProviderSwitch,
    Trunk,
    TrunkId,
    Turn,
    WorkerId,
)
from strowger.ports import DialRequest, LineHungUp, ProviderWatch, SimulatedDial, Sound
from tests.calls.fakes import FakeLine, FakeRecogniser, FakeVoice
from tests.calls.test_spoken_session import FakeService

WORKER = WorkerId("worker_1")
GOODBYE = AgentDefinition(
    name="goodbye",
    flow=Flow(start="end", nodes={"end": EndNode(type="end", text="Goodbye.", outcome="said")}),
)
ASKING = AgentDefinition(
    name="asks",
    flow=Flow(
        start="ask",
        nodes={
            "ask": AskNode(
                type="ask", text="Yes or no?", expect=Expectation(type="yes_no"), next="end"
            ),
            "end": EndNode(type="end", text="Goodbye."),
        },
    ),
)
CALL = Call(
    id=CallId("call_1"),
    workspace_id=DEFAULT_WORKSPACE,
    agent_id=None,
    agent_version=None,
    agent=GOODBYE,
    to="+14155550100",
    from_=None,
    trunk_id=TrunkId("trunk_1"),
)


class FakeStore:
    """Keeps calls in a dict; can be away for a number of writes."""

    def __init__(self, *calls: Call, away_for: int = 0) -> None:
        self.calls = {call.id: call for call in calls}
        self.attempts: dict[CallId, WorkerId] = {}
        self.statuses: list[CallStatus] = []
        self.turns: list[Turn] = []
        self.switches: list[ProviderSwitch] = []
        self.agents: dict[AgentId, AgentDefinition] = {}
        self.tool_uses: set[tuple[CallId, int]] = set()
        self.results: dict[CallId, CallResult] = {}
        self.commands: list[CallCommand] = []
        self.settled: set[CallId] = set()
        """Calls that another worker has ended."""
        self.second_lines: dict[CallId, bool] = {}
        """Of calls that have had one: whether they have it still."""
        self.beats = 0
        self.settlements = 0
        self._away_for = away_for

    def _reach(self) -> None:
        if self._away_for:
            self._away_for -= 1
            raise Unavailable("no database for a moment")

    async def get_call(self, call_id: CallId) -> Call:
        if call_id not in self.calls:
            raise NotFound(call_id)
        call = self.calls[call_id]
        if call_id in self.results:
            return replace(call, status=self.results[call_id].status)
        if call_id in self.attempts and call.status is CallStatus.QUEUED:
            status = self.statuses[-1] if self.statuses else call.status
            return replace(call, status=status, worker_id=self.attempts[call_id])
        return call

    async def get_trunk_of(self, call: Call) -> Trunk:
        assert call.trunk_id is not None, "a test call goes through no trunk"
        return Trunk(id=call.trunk_id, workspace_id=call.workspace_id, name="t", host="127.0.0.1")

    async def get_agent_of(self, call: Call, agent: AgentId) -> AgentDefinition:
        if agent not in self.agents:
            raise NotFound(agent)
        return self.agents[agent]

    async def note_tool_use(
        self, call_id: CallId, use: int, name: str, arguments: str, *, now: float
    ) -> bool:
        self._reach()
        noted = (call_id, use) not in self.tool_uses
        self.tool_uses.add((call_id, use))
        return noted

    async def take_line_to_consult(self, call_id: CallId, worker: WorkerId, *, now: float) -> float:
        self._reach()
        assert not self.second_lines.get(call_id)
        if call_id in self.results:
            raise Conflict("the call is over")
        self.second_lines[call_id] = True
        return 0.0

    async def give_consulted_line_back(self, call_id: CallId) -> None:
        self._reach()
        self.second_lines[call_id] = False

    async def claim_dial_attempt(self, call_id: CallId, worker: WorkerId, *, now: float) -> bool:
        return self.attempts.setdefault(call_id, worker) is worker and self._first(call_id)

    def _first(self, call_id: CallId) -> bool:
        first = call_id not in self.results and self.statuses == []
        return first

    async def set_status(
        self, call_id: CallId, status: CallStatus, worker: WorkerId, *, now: float
    ) -> None:
        self._reach()
        self.statuses.append(status)

    async def add_turn(self, call_id: CallId, turn: Turn, *, now: float) -> None:
        self._reach()
        self.turns.append(turn)

    async def add_provider_switch(
        self, call_id: CallId, switch: ProviderSwitch, *, now: float
    ) -> None:
        self._reach()
        self.switches.append(switch)

    async def finish(self, call_id: CallId, result: CallResult) -> None:
        self._reach()
        self.results[call_id] = result

    async def beat(self, worker: WorkerId, *, lines: int, busy: int) -> None:
        self._reach()
        self.beats += 1

    async def settle_lost_calls(self, *, now: float, silent_for: float) -> list[CallId]:
        self.settlements += 1
        return []

    async def held(self, worker: WorkerId) -> frozenset[CallId]:
        claimed = {call for call, by in self.attempts.items() if by == worker}
        return frozenset(claimed - self.results.keys() - self.settled)

    async def waiting_commands(self, calls: Sequence[CallId]) -> list[CallCommand]:
        return [command for command in self.commands if command.call_id in calls]

    async def obeyed(self, ids: Sequence[int]) -> None:
        self.commands = [command for command in self.commands if command.id not in ids]


class FakeTelephone:
    """Rings, then answers with a line, refuses, or rings for ever."""

    def __init__(self, refusal: Exception | None = None, *, rings_for_ever: bool = False) -> None:
        self.line = FakeLine(time.monotonic)
        self.dialled: list[str] = []
        self.hung_up = False
        self._refusal = refusal
        self._rings_for_ever = rings_for_ever

    @asynccontextmanager
    async def dial(
        self, request: DialRequest, on_ringing: Callable[[int], None]
    ) -> AsyncIterator[FakeLine]:
        self.dialled.append(request.to)
        on_ringing(180)
        if self._rings_for_ever:
            await asyncio.Event().wait()
        if self._refusal is not None:
            raise self._refusal
        try:
            yield self.line
        finally:
            self.hung_up = True


class FakeSimulation:
    """`SimulatedTelephone` with the same line, so that tests see which of the two was dialled."""

    def __init__(self) -> None:
        self.telephone = FakeTelephone()

    @asynccontextmanager
    async def dial(
        self, request: SimulatedDial, on_ringing: Callable[[int], None]
    ) -> AsyncIterator[FakeLine]:
        trunk = Trunk(id=TrunkId("t"), workspace_id=DEFAULT_WORKSPACE, name="t", host="localhost")
        dial = DialRequest(
            call_id=request.call_id,
            to=request.to,
            caller_id=request.caller_id,
            trunk=trunk,
            ring_timeout=request.ring_timeout,
            recording=request.recording,
        )
        async with self.telephone.dial(dial, on_ringing) as line:
            yield line


class FakeProviders:
    """One voice and one recogniser under any name; no language model."""

    def __init__(self) -> None:
        self.voice = FakeVoice()

    def speech_to_text(self, name: str) -> FakeRecogniser:
        return FakeRecogniser()

    def text_to_speech(self, name: str) -> FakeVoice:
        return self.voice

    def language_model(self, name: str) -> "FakeVoice":
        raise ProviderError("no language model is configured", retryable=False)

    def fallback_voice(self) -> FakeVoice | None:
        return None

    def watched(self, by: ProviderWatch) -> "FakeProviders":
        return self


def workplace(
    store: FakeStore, telephone: FakeTelephone, simulated: FakeSimulation | None = None
) -> Workplace:
    return Workplace(
        store=store,
        telephone=telephone,
        simulated=simulated or FakeSimulation(),
        providers=FakeProviders(),  # type: ignore[arg-type]  # its model has no use
        worker=WORKER,
        recording_path=lambda workspace, call: Path("unused", workspace, call),
    )


async def run(
    telephone: FakeTelephone, *, call: Call = CALL, store: FakeStore | None = None
) -> tuple[FakeStore, CallResult]:
    store = store or FakeStore(call)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(CallRunner(call, workplace(store, telephone)).run())
        while not running.done():
            if "end 1" in telephone.line.log and telephone.line.log[-1] != "played":
                telephone.line.log.append("played")
                telephone.line.played(1)
            await asyncio.sleep(0.001)
    return store, store.results[call.id]


def test_a_call_that_is_answered_talks_and_completes() -> None:
    telephone = FakeTelephone()
    store, result = asyncio.run(run(telephone))
    assert (result.status, result.end_reason) == (CallStatus.COMPLETED, EndReason.AGENT_HANGUP)
    assert result.outcome == "said"
    assert [turn.text for turn in result.transcript] == ["Goodbye."]
    assert store.statuses == [CallStatus.INITIATED, CallStatus.RINGING, CallStatus.IN_PROGRESS]
    assert [turn.text for turn in store.turns] == ["Goodbye."]
    assert telephone.hung_up


def test_the_journal_of_a_call_replays_to_the_same_effects_at_the_same_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decided: list[tuple[float, Effect]] = []

    class Watched(KeptConversation):
        def receive(self, event: Event, *, now: float) -> list[Effect]:
            effects = super().receive(event, now=now)
            decided.extend((now, effect) for effect in effects)
            return effects

        def handle_timer(self, *, now: float) -> list[Effect]:
            effects = super().handle_timer(now=now)
            decided.extend((now, effect) for effect in effects)
            return effects

    monkeypatch.setattr("strowger.calls.runner.KeptConversation", Watched)
    _, result = asyncio.run(run(FakeTelephone()))
    assert replay(parse_journal(result.journal)) == decided
    assert [type(effect) for _, effect in decided][-1] is HangUp


SPOKEN = AgentDefinition(
    name="spoken", prompt="Talk.", speech_to_speech=SpeechToSpeechSettings(provider="openai")
)


async def spoken(
    services: "FakeServices | None",
    telephone: FakeTelephone,
    agent: AgentDefinition = SPOKEN,
    switches: list[ProviderSwitch] | None = None,
) -> CallResult:
    """A call of an agent that a service speaks for; the callee hangs up when it was heard."""
    call = replace(CALL, agent=agent)
    store = FakeStore(call)
    store.switches = store.switches if switches is None else switches
    at = replace(workplace(store, telephone), services=services)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(CallRunner(call, at).run())
        while not running.done():
            if "end 1" in telephone.line.log and telephone.line.log[-1] != "played":
                telephone.line.log.append("played")
                telephone.line.played(1)
                telephone.line.events.put_nowait(LineHungUp("BYE"))
            await asyncio.sleep(0.001)
    return store.results[call.id]


class FakeServices:
    """One service under any name, which says hello; some are not there."""

    def __init__(self, *absent: str) -> None:
        self._absent = absent
        sound = Sound("a", b"\x01\x00" * 800)
        self.service = FakeService([AgentWords("a", "Hello.", True), sound, ItemOver("a")])

    def speech_to_speech(self, name: str) -> FakeService:
        if name in self._absent:
            raise ProviderError(f"set {name}_api_key", retryable=False)
        return self.service


def test_a_call_that_a_service_holds_has_what_was_heard_and_replays() -> None:
    telephone = FakeTelephone()
    result = asyncio.run(spoken(FakeServices(), telephone))
    assert (result.status, result.end_reason) == (CallStatus.COMPLETED, EndReason.CALLEE_HANGUP)
    assert [(turn.role, turn.text) for turn in result.transcript] == [("agent", "Hello.")]
    assert replay_and_compare(parse_journal(result.journal)).differences == ()
    assert telephone.hung_up


CHAINED = replace(
    SPOKEN,
    speech_to_speech=SpeechToSpeechSettings(
        provider="openai",
        fallbacks=(
            SpeechToSpeechFallback(provider="elevenlabs", agent_id="agent_7"),
            SpeechToSpeechFallback(provider="third"),
        ),
    ),
)


def test_a_service_that_is_not_configured_is_passed_over_when_the_call_begins() -> None:
    services, switches = FakeServices("openai", "elevenlabs"), list[ProviderSwitch]()
    result = asyncio.run(spoken(services, FakeTelephone(), CHAINED, switches))
    assert [turn.text for turn in result.transcript] == ["Hello."]
    assert [brief.settings.provider for brief in services.service.briefs] == ["third"]
    assert [asdict(switch) for switch in switches] == [
        {
            "kind": "speech_to_speech",
            "before": "openai",
            "after": "third",
            "reason": "set openai_api_key",
        }
    ]
    assert replay_and_compare(parse_journal(result.journal)).differences == ()


def test_who_takes_a_call_over_is_told_with_the_reason() -> None:
    services, switches = FakeServices(), list[ProviderSwitch]()
    hello, failure = services.service.dialogues[0].script, "openai is not paid for"
    services.service = FakeService([ProviderError(failure, retryable=False)], hello)
    result = asyncio.run(spoken(services, FakeTelephone(), CHAINED, switches))
    assert result.end_reason is EndReason.CALLEE_HANGUP
    (switch,) = switches
    assert (switch.before, switch.after, switch.reason) == ("openai", "elevenlabs", failure)


def test_where_none_of_the_services_is_configured_nobody_is_rung() -> None:
    telephone = FakeTelephone()
    services = FakeServices("openai", "elevenlabs", "third")
    result = asyncio.run(spoken(services, telephone, CHAINED))
    assert (result.end_reason, telephone.dialled) == (EndReason.PROVIDER_FAILED, [])
    assert "set openai_api_key; set elevenlabs_api_key; set third_api_key" in str(result.error)


def test_what_each_of_the_services_failed_with_is_told() -> None:
    services = FakeServices()
    errors = [ProviderError(f"{name} is not paid for", retryable=False) for name in "abb"]
    services.service = FakeService(*([error] for error in errors))
    result = asyncio.run(spoken(services, FakeTelephone(), CHAINED))
    assert result.end_reason is EndReason.PROVIDER_FAILED
    assert result.error == "a is not paid for; b is not paid for"
    providers = [brief.settings.provider for brief in services.service.briefs]
    assert providers == ["openai", "elevenlabs", "third"]


class RingingTelephone(FakeTelephone):
    """Rings until the service is connected, and then does what it does."""

    def __init__(self, service: FakeService, refusal: Exception | None = None) -> None:
        super().__init__(refusal)
        self._service = service

    @asynccontextmanager
    async def dial(
        self, request: DialRequest, on_ringing: Callable[[int], None]
    ) -> AsyncIterator[FakeLine]:
        on_ringing(180)
        while not self._service.briefs:
            await asyncio.sleep(0)
        async with super().dial(request, on_ringing) as line:
            yield line


def test_the_service_is_connected_while_it_rings_and_told_what_it_is_to_know() -> None:
    services = FakeServices()
    agent = replace(SPOKEN, prompt="It is {{now}}.")
    result = asyncio.run(spoken(services, RingingTelephone(services.service), agent))
    assert [turn.text for turn in result.transcript] == ["Hello."]
    (brief,) = services.service.briefs
    assert brief.instructions.startswith("It is 20")


def test_a_call_that_nobody_takes_leaves_the_service() -> None:
    services = FakeServices()
    busy = CallRefused(486, "Busy Here")
    result = asyncio.run(spoken(services, RingingTelephone(services.service, busy)))
    assert result.status is CallStatus.BUSY
    assert services.service.dialogues[0].closed


def test_a_service_that_greets_by_itself_is_not_connected_before_the_answer() -> None:
    services = FakeServices()
    services.service.greets = True
    result = asyncio.run(spoken(services, FakeTelephone(CallRefused(486, "Busy Here"))))
    assert (result.status, services.service.briefs) == (CallStatus.BUSY, [])


def test_a_service_that_fails_is_told_with_the_call() -> None:
    services = FakeServices()
    services.service = FakeService([ProviderError("openai is not paid for", retryable=False)])
    result = asyncio.run(spoken(services, FakeTelephone()))
    assert (result.status, result.end_reason) == (CallStatus.FAILED, EndReason.PROVIDER_FAILED)
    assert result.error == "openai is not paid for"


def test_an_agent_of_the_other_kind_cannot_take_a_call_over() -> None:
    cascade = replace(GOODBYE, name="cascade")
    for ours, theirs in ((SPOKEN, cascade), (cascade, SPOKEN)):
        store = FakeStore(replace(CALL, agent=ours))
        store.agents[AgentId("agent_2")] = theirs
        at = replace(workplace(store, FakeTelephone()), services=FakeServices())
        runner = CallRunner(replace(CALL, agent=ours), at)
        with pytest.raises(Forbidden, match=f"{theirs.name} cannot take over"):
            asyncio.run(runner._fetch_agent("agent_2"))


def test_nobody_is_rung_where_the_service_is_not_configured() -> None:
    telephone = FakeTelephone()
    result = asyncio.run(spoken(None, telephone))
    assert (result.status, result.end_reason) == (CallStatus.FAILED, EndReason.PROVIDER_FAILED)
    assert result.error == "no speech-to-speech service is configured"
    assert telephone.dialled == []


REFUSALS = [
    (CallRefused(486, "Busy Here"), CallStatus.BUSY, EndReason.CALLEE_BUSY),
    (CallRefused(600, "Busy Everywhere"), CallStatus.BUSY, EndReason.CALLEE_BUSY),
    (CallRefused(603, "Decline"), CallStatus.BUSY, EndReason.CALLEE_DECLINED),
    (CallRefused(480, "Unavailable"), CallStatus.NO_ANSWER, EndReason.RING_TIMEOUT),
    (CallRefused(503, "Service Unavailable"), CallStatus.FAILED, EndReason.CARRIER_REJECTED),
    (CallRefused(404, "Not Found"), CallStatus.FAILED, EndReason.CARRIER_REJECTED),
    (
        CallRefused(487, "45 s", cause=RefusalCause.RING_TIMEOUT),
        CallStatus.NO_ANSWER,
        EndReason.RING_TIMEOUT,
    ),
    (
        CallRefused(408, "nothing", cause=RefusalCause.UNREACHABLE),
        CallStatus.FAILED,
        EndReason.TRUNK_UNREACHABLE,
    ),
    (
        CallRefused(407, "no", cause=RefusalCause.UNAUTHORIZED),
        CallStatus.FAILED,
        EndReason.TRUNK_UNAUTHORIZED,
    ),
    (
        CallRefused(488, "no", cause=RefusalCause.NO_COMMON_CODEC),
        CallStatus.FAILED,
        EndReason.NO_COMMON_CODEC,
    ),
]


@pytest.mark.parametrize(("refusal", "status", "reason"), REFUSALS, ids=lambda v: str(v)[:30])
def test_a_call_that_is_refused_says_how(
    refusal: CallRefused, status: CallStatus, reason: EndReason
) -> None:
    _, result = asyncio.run(run(FakeTelephone(refusal)))
    assert (result.status, result.end_reason) == (status, reason)
    assert result.sip_status == refusal.status
    assert result.error == refusal.reason


def test_a_call_that_a_provider_ends_tells_what_it_failed_with() -> None:
    async def hold() -> CallResult:
        call = replace(CALL, agent=ASKING)
        store, providers = FakeStore(call), FakeProviders()
        providers.voice = FakeVoice(problem="no credit at http://ann:secret@voice.example")
        at = replace(workplace(store, FakeTelephone()), providers=providers)  # type: ignore[arg-type]
        async with asyncio.timeout(10):
            await CallRunner(call, at).run()
        return store.results[call.id]

    result = asyncio.run(hold())
    assert result.end_reason is EndReason.PROVIDER_FAILED
    assert result.error == "no credit at http://voice.example"


def test_an_error_nobody_foresaw_still_ends_the_call() -> None:
    _, result = asyncio.run(run(FakeTelephone(ZeroDivisionError("a defect"))))
    assert (result.status, result.end_reason) == (CallStatus.FAILED, EndReason.INTERNAL_ERROR)


def test_an_agent_that_needs_a_model_nobody_configured_fails_with_the_reason() -> None:
    call = replace(CALL, agent=AgentDefinition(name="talker", prompt="Talk."))
    _, result = asyncio.run(run(FakeTelephone(), call=call))
    assert (result.status, result.end_reason) == (CallStatus.FAILED, EndReason.PROVIDER_FAILED)
    assert result.error == "no language model is configured"


def test_what_happened_while_the_database_was_away_is_written_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("strowger.calls.chronicle.RETRY_EVERY", 0.001)
    store, result = asyncio.run(run(FakeTelephone(), store=FakeStore(CALL, away_for=5)))
    assert result.status is CallStatus.COMPLETED
    assert store.statuses == [CallStatus.INITIATED, CallStatus.RINGING, CallStatus.IN_PROGRESS]


async def dispatch(store: FakeStore, telephone: FakeTelephone, *, lines: int = 2) -> Dispatcher:
    return Dispatcher(workplace(store, telephone), lines=lines)


def test_a_job_that_comes_twice_dials_once() -> None:
    async def main() -> None:
        store, telephone = FakeStore(CALL), FakeTelephone(rings_for_ever=True)
        dispatcher = await dispatch(store, telephone)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(dispatcher.run())
            await asyncio.sleep(0)
            await dispatcher.dial(CALL.id)
            while not store.statuses:
                await asyncio.sleep(0)
            await dispatcher.dial(CALL.id)
            assert dispatcher.free_lines() == 1
            running.cancel()
        assert telephone.dialled == [CALL.to]

    asyncio.run(main())


def test_a_job_whose_attempt_another_worker_made_is_left_alone() -> None:
    async def main() -> None:
        store, telephone = FakeStore(CALL), FakeTelephone()
        store.attempts[CALL.id] = WorkerId("worker_2")
        dispatcher = await dispatch(store, telephone)
        await dispatcher.dial(CALL.id)
        await dispatcher.dial("call_unknown")
        assert telephone.dialled == []

    asyncio.run(main())


def test_a_call_that_is_over_is_not_dialled() -> None:
    async def main() -> None:
        call = replace(CALL, status=CallStatus.CANCELED)
        store, telephone = FakeStore(call), FakeTelephone()
        await (await dispatch(store, telephone)).dial(call.id)
        assert store.attempts == {}
        assert telephone.dialled == []

    asyncio.run(main())


def test_a_customers_wish_to_end_cancels_a_call_that_rings() -> None:
    async def main() -> None:
        store, telephone = FakeStore(CALL), FakeTelephone(rings_for_ever=True)
        dispatcher = await dispatch(store, telephone)
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(dispatcher.run())
            await asyncio.sleep(0)
            await dispatcher.dial(CALL.id)
            store.commands = [CallCommand(id=1, call_id=CALL.id, kind=CommandKind.END)]
            while not store.results:
                await asyncio.sleep(0.01)
            running.cancel()
        result = store.results[CALL.id]
        assert (result.status, result.end_reason) == (CallStatus.CANCELED, EndReason.API_REQUEST)

    asyncio.run(main())


def test_a_worker_that_stops_ends_its_calls_after_their_time() -> None:
    async def main() -> None:
        store, telephone = FakeStore(replace(CALL, agent=ASKING)), FakeTelephone()
        dispatcher = await dispatch(store, telephone)
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(dispatcher.run())
            await asyncio.sleep(0)
            await dispatcher.dial(CALL.id)
            while CallStatus.IN_PROGRESS not in store.statuses:
                await asyncio.sleep(0)
            await dispatcher.drain(0.01)
            assert dispatcher.free_lines() == 0
            running.cancel()
        result = store.results[CALL.id]
        assert (result.status, result.end_reason) == (
            CallStatus.COMPLETED, EndReason.WORKER_STOPPED,
        )  # fmt: skip
        assert telephone.hung_up

    asyncio.run(main())


def test_the_callee_hanging_up_is_the_reason_of_the_end() -> None:
    async def main() -> None:
        telephone = FakeTelephone()
        telephone.line.events.put_nowait(LineHungUp("bye", 16))
        _, result = await run(telephone)
        assert (result.status, result.end_reason) == (
            CallStatus.COMPLETED, EndReason.CALLEE_HANGUP,
        )  # fmt: skip
        assert result.hangup_cause == 16

    asyncio.run(main())


def test_a_test_call_is_dialled_with_the_simulated_telephone_and_asks_for_no_trunk() -> None:
    class NoTrunks(FakeStore):
        async def get_trunk_of(self, call: Call) -> Trunk:
            raise AssertionError("a test call looks for a trunk")

    async def main() -> None:
        call = replace(CALL, test=True, trunk_id=TrunkId("trunk_1"))
        store, live, simulated = NoTrunks(call), FakeTelephone(), FakeSimulation()
        simulated.telephone.line.events.put_nowait(LineHungUp("bye", 16))
        async with asyncio.timeout(10):
            await CallRunner(call, workplace(store, live, simulated)).run()
        assert live.dialled == []
        assert simulated.telephone.dialled == [call.to]
        assert store.results[call.id].status is CallStatus.COMPLETED

    asyncio.run(main())
