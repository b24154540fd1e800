"""One rehearsed call: the real runner, session and turn machine against a simulated callee.

What is not real is the database, of which one call needs little, and, in virtual time, the
network and the clock.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from strowger.agent import AgentDefinition
from strowger.calls.listening import Ear
from strowger.calls.runner import CallRunner, Workplace
from strowger.errors import NotFound, Unavailable
from strowger.lifecycle import CallStatus
from strowger.media.voice import SpeechModel
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
from strowger.ports import DialRequest, Line, SimulatedTelephone, SpeechServices
from strowger.simulate.acting import Actor, AgentActor, PersonaActor
from strowger.simulate.aired import AiredServices
from strowger.simulate.performance import Performance, performance_of
from strowger.simulate.performers import (
    Air,
    Performers,
    RehearsedRecogniser,
    RehearsedVoice,
    Voiced,
    model_of,
)
from strowger.simulate.persona import Impairments, Persona
from strowger.simulate.reports import GivenUp, Happening, HungUp, Refused
from strowger.simulate.scenario import AgentCallee, Order, Scenario
from strowger.simulate.session import CalleeSenses
from strowger.simulate.toolbox import ScriptedToolbox
from strowger.simulate.virtual_telephone import open_virtual_telephone
from strowger.simulate.virtual_time import run_in_virtual_time
from strowger.simulate.workshop import Workshop

CALLED, CALLING = "+14155550100", "+14155550199"
CALL = CallId("call_simulated")
"""Every rehearsed call has this id, so that an agent that speaks of it says the same each time."""
WORKER = WorkerId("worker_simulated")
LAST_REPORTS = 3.0
"""Seconds that the callee's side has to see the end of the call; it listens to the last words."""
LONGEST_OVERTIME = 120.0
"""Seconds beyond the agent's own limits after which a rehearsal is given up as a defect."""


@dataclass(frozen=True, slots=True)
class Studio:
    """What all rehearsals of a process share."""

    workshop: Workshop
    model: SpeechModel
    """Voice detection."""
    recordings: Path | None = None
    """Where each call is recorded; None to record none."""
    voiced: Voiced = field(default_factory=dict)
    services: SpeechServices | None = None
    """Of speech to speech; only where calls are held in real time."""


class Unplugged:
    """The telephone of a process that must not reach anybody."""

    def dial(
        self, request: DialRequest, on_ringing: Callable[[int], None]
    ) -> AbstractAsyncContextManager[Line]:
        raise Unavailable("a rehearsal reaches nobody")


class OneCall:
    """The part of `ports.CallStore` that one call needs, in memory."""

    def __init__(self, call: Call, agents: Mapping[str, AgentDefinition]) -> None:
        self._agents = agents
        self.result: CallResult | None = None
        self.answered = asyncio.Event()
        self._call = call

    async def get_call(self, call_id: CallId) -> Call:
        if call_id != self._call.id:
            raise NotFound(f"there is one call here, and it is not {call_id}")
        return self._call

    async def get_trunk_of(self, call: Call) -> Trunk:
        raise NotFound("a rehearsal has no trunk")

    async def get_agent_of(self, call: Call, agent: AgentId) -> AgentDefinition:
        if agent not in self._agents:
            raise NotFound(f"the scenario has no agent {agent}")
        return self._agents[agent]

    async def note_tool_use(
        self, call_id: CallId, use: int, name: str, arguments: str, *, now: float
    ) -> bool:
        return True

    async def take_line_to_consult(self, call_id: CallId, worker: WorkerId, *, now: float) -> float:
        return 0.0

    async def give_consulted_line_back(self, call_id: CallId) -> None:
        """There are as many as anybody wants."""

    async def claim_dial_attempt(self, call_id: CallId, worker: WorkerId, *, now: float) -> bool:
        return True

    async def set_status(
        self, call_id: CallId, status: CallStatus, worker: WorkerId, *, now: float
    ) -> None:
        if status is CallStatus.IN_PROGRESS:
            self.answered.set()

    async def add_turn(self, call_id: CallId, turn: Turn, *, now: float) -> None:
        """The result has all of them."""

    async def add_provider_switch(
        self, call_id: CallId, switch: ProviderSwitch, *, now: float
    ) -> None:
        """The providers of a scenario have no fallbacks."""

    async def finish(self, call_id: CallId, result: CallResult) -> None:
        self.result = result

    async def beat(self, worker: WorkerId, *, lines: int, busy: int) -> None:
        """Nobody watches."""

    async def settle_lost_calls(self, *, now: float, silent_for: float) -> list[CallId]:
        return []

    async def held(self, worker: WorkerId) -> frozenset[CallId]:
        return frozenset({self._call.id})

    async def waiting_commands(self, calls: Sequence[CallId]) -> list[CallCommand]:
        return []

    async def obeyed(self, ids: Sequence[int]) -> None:
        """Orders come from the scenario, and need no place to be kept."""


class Rehearsal:
    """One holding of one scenario."""

    def __init__(self, scenario: Scenario, repetition: int, studio: Studio) -> None:
        self.seed = scenario.seed + repetition
        self._scenario = scenario
        self._repetition = repetition
        self._studio = studio
        self._callees: list[tuple[float, Happening]] = []
        self._callee_done = asyncio.Event()
        self._agents_air = agents_air = Air()
        callees_air = Air()
        self._ours = self._performers(agents_air, callees_air, ours=True)
        self._theirs = self._performers(callees_air, agents_air, ours=False)

    @property
    def network(self) -> Impairments:
        """The scenario's, else the persona's own."""
        scenario = self._scenario
        if scenario.network == Impairments() and isinstance(scenario.callee, Persona):
            return scenario.callee.impairments
        return scenario.network

    def actor(self) -> Actor:
        """Who takes the call."""
        callee, theirs = self._scenario.callee, self._theirs
        if isinstance(callee, AgentCallee):
            return AgentActor(callee.agent, callee.answer, theirs)
        ear = None
        if phrases := callee.phrases():
            keywords = tuple(dict.fromkeys([*callee.transcriber.keywords, *phrases]))
            listening = replace(callee.transcriber, keywords=keywords)
            ear = Ear(theirs.ear, listening, callee.language)
        persona = replace(callee, seed=callee.seed + self.seed)
        return PersonaActor(persona, CalleeSenses(ear, theirs.voice))

    def tell(self, what: Happening) -> None:
        """Something happened on the callee's side."""
        self._callees.append((asyncio.get_running_loop().time(), what))
        if isinstance(what, HungUp | Refused | GivenUp):
            self._callee_done.set()

    async def _seen_by_callee(self) -> None:
        """Wait until the callee's side has seen the end of the call, for a moment at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_REPORTS):
                await self._callee_done.wait()

    async def hold(self, telephone: SimulatedTelephone) -> Performance:
        """Place the call, as a test call that knows no trunk, and return when it is over."""
        loop = asyncio.get_running_loop()
        began, date = loop.time(), datetime.fromisoformat(self._scenario.now).timestamp()
        call = self._call()
        store = OneCall(call, self._scenario.agents)
        workplace = Workplace(
            store=store,
            telephone=Unplugged(),
            simulated=telephone,
            providers=self._ours,
            worker=WORKER,
            recording_path=lambda _, call: Path(self._studio.recordings or "", f"{call}.wav"),
            services=self._services(),
            toolboxes=ScriptedToolbox(self._scenario.tools),
            clock=lambda: date + loop.time() - began,
        )
        runner = CallRunner(call, workplace)
        async with asyncio.TaskGroup() as tasks:
            ordering = tasks.create_task(self._order(runner, store), name="orders")
            async with asyncio.timeout(call.max_duration + call.ring_timeout + LONGEST_OVERTIME):
                await runner.run()
            ordering.cancel()
        await self._seen_by_callee()
        assert store.result is not None, "the runner leaves every call with a result"
        return performance_of(
            self._scenario.name, self._repetition, self.seed, store.result, self._callees
        )

    def _services(self) -> SpeechServices | None:
        services = self._studio.services
        return None if services is None else AiredServices(services, self._agents_air)

    def _call(self) -> Call:
        scenario, limits = self._scenario, self._scenario.agent.limits
        return Call(
            id=CALL,
            workspace_id=DEFAULT_WORKSPACE,
            agent_id=None,
            agent_version=None,
            agent=scenario.agent,
            to=CALLED,
            from_=scenario.agent.caller_id or CALLING,
            trunk_id=TrunkId(""),
            test=True,
            variables=scenario.variables,
            record=self._studio.recordings is not None,
            max_duration=limits.max_duration,
            ring_timeout=limits.ring_timeout,
        )

    async def _order(self, runner: CallRunner, store: "OneCall") -> None:
        """What the customer wants, when it is time for it."""
        await store.answered.wait()
        waited = 0.0
        orders = sorted(self._scenario.orders, key=lambda order: order.after)
        for number, order in enumerate(orders, start=1):
            await asyncio.sleep(order.after - waited)
            waited = order.after
            runner.obey(_command(order, number))

    def _performers(self, speaks: Air, hears: Air, *, ours: bool) -> Performers:
        scenario, studio = self._scenario, self._studio
        plan, troubles, listening = scenario.model, scenario.troubles, scenario.recognition
        if not ours:
            troubles = ()
            if isinstance(scenario.callee, AgentCallee):
                plan = scenario.callee.model
            else:  # a persona reacts to whole turns
                listening = replace(listening, interim_every=None)
        return Performers(
            ear=RehearsedRecogniser(
                listening,
                studio.workshop,
                hears,
                seed=f"{'agent' if ours else 'callee'} {self.seed}",
                troubles=troubles,
            ),
            voice=RehearsedVoice(scenario.speech, studio.workshop, studio.voiced, speaks, troubles),
            model=model_of(plan, studio.workshop),
            fallback=RehearsedVoice(scenario.speech, studio.workshop, studio.voiced, speaks),
        )


def rehearse_in_virtual_time(scenario: Scenario, repetition: int, studio: Studio) -> Performance:
    """Hold the call on a clock of its own: the same seed gives the same performance."""

    async def main() -> Performance:
        rehearsal = Rehearsal(scenario, repetition, studio)
        async with open_virtual_telephone(
            rehearsal.actor(),
            rehearsal.tell,
            model=studio.model,
            network=rehearsal.network,
            transfer=scenario.transfer,
            seed=rehearsal.seed,
        ) as telephone:
            return await rehearsal.hold(telephone)

    return run_in_virtual_time(main())


def _command(order: Order, number: int) -> CallCommand:
    """Numbered, because a command that came before is not obeyed again."""
    kind, text = CommandKind.END, ""
    if order.say is not None:
        kind, text = CommandKind.SAY, order.say
    elif order.press is not None:
        kind, text = CommandKind.DIGITS, order.press
    return CallCommand(call_id=CALL, kind=kind, text=text, id=number)
