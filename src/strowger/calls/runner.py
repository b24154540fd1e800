"""One call, from the dial attempt to the last word in the database."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import assert_never
from zoneinfo import ZoneInfo

import structlog
from opentelemetry import trace

from strowger.agent import AgentDefinition, Scalar
from strowger.calls import outcome
from strowger.calls.chronicle import Chronicle
from strowger.calls.consulting import SecondLine
from strowger.calls.equipping import Equipment, Equipper
from strowger.calls.kept import KeptConversation, KeptSpokenConversation
from strowger.calls.numbers import DialPolicy, check_transfers_allowed
from strowger.calls.session import CallSession, Senses
from strowger.calls.speech_to_speech.session import SpokenSession
from strowger.calls.speech_to_speech.standby import Standby
from strowger.calls.switching import plain
from strowger.calls.using import Hands
from strowger.calls.warming import Warming
from strowger.conversation.events import EndRequested, SayRequested
from strowger.errors import CallRefused, Forbidden, ProviderError, StrowgerError, Unavailable
from strowger.lifecycle import CallStatus, EndReason
from strowger.model import (
    AgentId,
    Call,
    CallCommand,
    CallId,
    CallResult,
    CommandKind,
    ProviderSwitch,
    Trunk,
    Turn,
    WorkerId,
    WorkspaceId,
)
from strowger.ports import (
    Bell,
    CallObserver,
    CallStore,
    DialRequest,
    Line,
    SilentBell,
    SimulatedDial,
    SimulatedTelephone,
    SpeechServices,
    Telephone,
    Toolboxes,
    ToolContext,
    TurnJudge,
    WatchedProviders,
)

log = structlog.get_logger()

DIAL_WITHIN = 6.0
"""Seconds from the dial attempt to the INVITE: well below the dispatcher's LOST_AFTER."""
DIAL_RETRY = 0.5
"""Seconds between two looks for a database that is away."""
TRACER = trace.get_tracer("strowger")


@dataclass(frozen=True, slots=True)
class Workplace:
    """What every call of a worker shares."""

    store: CallStore
    telephone: Telephone
    simulated: SimulatedTelephone
    """What calls of test keys are dialled with, and nothing else."""
    providers: WatchedProviders
    worker: WorkerId
    recording_path: Callable[[WorkspaceId, CallId], Path]
    """Where the recording of a call lies."""
    bell: Bell = field(default_factory=SilentBell)
    """Rings for the worker when there is a command for one of its calls."""
    observer: CallObserver | None = None
    services: SpeechServices | None = None
    """Of speech to speech; None where no agent can be held by one."""
    toolboxes: Toolboxes | None = None
    """None where agents can use no tools."""
    judge: TurnJudge | None = None
    """A model that hears whether callees are done, where there is one."""
    policy: DialPolicy = field(default_factory=DialPolicy)
    """Where callees may be put through to."""
    clock: Callable[[], float] = time.time
    """Unix seconds."""


class CallRunner:
    """Runs one call. `run` leaves it in a terminal status, whatever happens on the way."""

    def __init__(self, call: Call, at: Workplace) -> None:
        self._call = call
        self._at = at
        self._equipper = Equipper(at.providers, at.services, at.judge, self._note_switch)
        self._chronicle = Chronicle()
        self._requested: EndReason | None = None
        self._holding: asyncio.Task[CallResult] | None = None
        self._session: CallSession | SpokenSession | None = None
        self._answered = False
        self._prepared: Warming | Standby | None = None
        self._unsaid: list[CallCommand] = []
        """Commands that came between the answer and the conversation."""
        self._obeyed: set[int] = set()

    def end(self, reason: EndReason) -> None:
        """Somebody outside the call wants it over."""
        self._requested = reason
        if self._session is not None:
            self._session.tell(EndRequested())
        elif self._holding is not None:
            self._holding.cancel()

    def obey(self, command: CallCommand) -> None:
        """Do what the customer wants, once, however often it comes."""
        if command.id in self._obeyed:
            return
        self._obeyed.add(command.id)
        match command.kind:
            case CommandKind.END:
                self.end(EndReason.API_REQUEST)
            case CommandKind.CANCEL:
                if self._session is None and not self._answered:
                    self.end(EndReason.API_REQUEST)
            case CommandKind.SAY | CommandKind.DIGITS:
                if self._session is None:
                    self._unsaid.append(command)
                else:
                    _perform(command, self._session)
            case _:
                assert_never(command.kind)

    async def run(self) -> None:
        """Dial, talk, hang up, write down."""
        structlog.contextvars.bind_contextvars(call_id=self._call.id)
        with TRACER.start_as_current_span("call") as span:
            span.set_attribute("strowger.call_id", self._call.id)
            await self._run(span)

    async def _run(self, span: trace.Span) -> None:
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._chronicle.run(), name="chronicle")
            result = await self._result()
            log.info("call.over", status=result.status, reason=result.end_reason)
            span.set_attribute("strowger.status", result.status.value)
            span.set_attribute("strowger.end_reason", result.end_reason.value)
            if self._at.observer is not None:
                self._at.observer.call_over(self._call, result)
            self._chronicle.write(partial(self._at.store.finish, self._call.id, result))
            await self._chronicle.written()
            writer.cancel()

    async def _result(self) -> CallResult:
        broken = False
        try:
            async with asyncio.TaskGroup() as tasks:
                holding = self._hold(tasks)
                self._holding = tasks.create_task(holding, name=f"hold {self._call.id}")
                if self._requested is not None:  # before there was anything to end
                    self._holding.cancel()
        except* Exception as errors:  # the edge of the call: whatever broke, the call must end
            log.exception("call.broken", exc_info=errors)
            broken = True
        if broken or self._holding is None:
            return self._failed(EndReason.INTERNAL_ERROR, "an internal error; the log has more")
        if self._holding.cancelled():
            reason = self._requested or EndReason.API_REQUEST
            return CallResult(
                status=CallStatus.CANCELED, end_reason=reason, ended_at=self._at.clock()
            )
        return self._holding.result()

    async def _hold(self, tasks: asyncio.TaskGroup) -> CallResult:
        self._note_status(CallStatus.INITIATED)
        preparing: asyncio.Task[None] | None = None
        try:
            variables = self._variables()
            # Nobody is rung where there is no voice to speak with.
            equipment = self._equipper.equip(self._call.agent, variables)
            self._prepared = equipment.prepared
            if self._prepared is not None:
                preparing = tasks.create_task(self._prepared.prepare(), name="preparing")
            async with await self._dial() as line:
                self._answered = True
                self._note_status(CallStatus.IN_PROGRESS)
                result = await self._talk(line, equipment, variables)
            # Whole only once the line is closed.
            return replace(result, recording=line.recorded(), figures=line.measured())
        except CallRefused as refusal:
            log.info("call.refused", sip_status=refusal.status, reason=refusal.reason)
            status, reason = outcome.of_refusal(refusal)
            return CallResult(
                status=status,
                end_reason=reason,
                ended_at=self._at.clock(),
                sip_status=refusal.status,
                hangup_cause=refusal.hangup_cause,
                error=refusal.reason,
            )
        except ProviderError as error:
            log.warning("call.provider_failed", problem=str(error))
            return self._failed(EndReason.PROVIDER_FAILED, str(error))
        except StrowgerError as error:
            log.warning("call.failed", problem=str(error))
            return self._failed(EndReason.INTERNAL_ERROR, str(error))
        finally:
            if preparing is not None:
                preparing.cancel()

    async def _dial(self) -> AbstractAsyncContextManager[Line]:
        """A test call is never told a trunk, and goes to a telephone that knows none."""
        call, at = self._call, self._at
        path = at.recording_path(call.workspace_id, call.id) if call.record else None
        if call.test:
            simulated = SimulatedDial(
                call_id=call.id,
                to=call.to,
                caller_id=call.from_,
                ring_timeout=call.ring_timeout,
                recording=path,
            )
            return at.simulated.dial(simulated, self._ringing)
        request = DialRequest(
            call_id=call.id,
            to=call.to,
            caller_id=call.from_,
            trunk=await self._trunk(),
            ring_timeout=call.ring_timeout,
            recording=path,
        )
        return at.telephone.dial(request, self._ringing)

    async def _trunk(self) -> Trunk:
        """Waits for a database that is away for a moment, as nobody has been rung yet.

        Not for longer: who is silent too long has its calls settled by others, and a telephone
        must not ring for a call that is over. Raises Unavailable.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + DIAL_WITHIN
        while True:
            try:
                trunk = await self._at.store.get_trunk_of(self._call)
                if loop.time() <= give_up_at:
                    return trunk
                raise Unavailable("the database kept this call waiting for too long")
            except Unavailable as error:
                if loop.time() + DIAL_RETRY > give_up_at:
                    raise
                log.warning("call.waiting_to_dial", problem=str(error))
            await asyncio.sleep(DIAL_RETRY)

    async def _talk(
        self, line: Line, equipment: Equipment, variables: Mapping[str, Scalar]
    ) -> CallResult:
        held_with, definition = equipment.held_with, equipment.definition
        limits = replace(definition.limits, max_duration=self._call.max_duration)
        definition = replace(definition, limits=limits)
        async with self._hands(variables) as hands:
            session: CallSession | SpokenSession
            kept: KeptConversation | KeptSpokenConversation
            if isinstance(held_with, Senses):
                kept = KeptConversation(definition, variables, self._note_turn)
                senses = replace(held_with, hands=hands)
                session = CallSession(line, kept, senses, self._equipper.voice_and_mind)
            else:
                kept = KeptSpokenConversation(definition, variables, self._note_turn)
                session = SpokenSession(line, kept, replace(held_with, hands=hands))
            return await self._converse(session, kept)

    async def _converse(
        self, session: CallSession | SpokenSession, kept: KeptConversation | KeptSpokenConversation
    ) -> CallResult:
        self._session = session
        for command in self._unsaid:
            _perform(command, session)
        if self._requested is not None:
            session.tell(EndRequested())
        reason = await session.run()
        ended_at = self._at.clock()
        if reason is EndReason.API_REQUEST and self._requested is not None:
            reason = self._requested
        return CallResult(
            status=outcome.of_answered(reason),
            end_reason=reason,
            ended_at=ended_at,
            sip_status=200,
            hangup_cause=session.hangup_cause,
            error=_problem_of(session) if reason is EndReason.PROVIDER_FAILED else None,
            transcript=kept.conversation.transcript,
            outcome=kept.conversation.outcome,
            extracted=kept.conversation.extracted,
            journal=kept.journal.to_lines(),
        )

    def _variables(self) -> dict[str, Scalar]:
        """Those of the call, with what every agent may speak of; `now` is when it is dialled."""
        call, zone = self._call, ZoneInfo(self._call.agent.timezone)
        return {
            **call.variables,
            "now": datetime.fromtimestamp(self._at.clock(), zone).isoformat(timespec="seconds"),
            "call_id": call.id,
            "call_uuid": _as_uuid(call.id),
            "direction": call.direction,
            "user_number": call.to,
            "agent_number": call.from_,
            "timezone": call.agent.timezone,
        }

    @asynccontextmanager
    async def _hands(self, variables: Mapping[str, Scalar]) -> AsyncIterator[Hands | None]:
        """What the agent can do, as long as the call lasts."""
        if self._at.toolboxes is None:
            yield None
            return
        context = ToolContext(workspace_id=self._call.workspace_id, variables=variables)
        async with self._at.toolboxes.opened(context) as toolbox:
            yield Hands(
                toolbox=toolbox,
                call_id=self._call.id,
                note=self._note_tool_use,
                fetch_agent=self._fetch_agent,
                second_line=SecondLine(
                    self._at.store, self._chronicle, self._call.id, self._at.worker, self._at.clock
                ).taken,
            )

    async def _note_tool_use(self, use: int, name: str, arguments: str) -> bool:
        note, call = self._at.store.note_tool_use, self._call.id
        return await note(call, use, name, arguments, now=self._at.clock())

    async def _fetch_agent(self, agent: str) -> AgentDefinition:
        """Raises NotFound, Unavailable or Forbidden."""
        found = await self._at.store.get_agent_of(self._call, AgentId(agent))
        check_transfers_allowed(found, self._at.policy)
        if (found.speech_to_speech is None) is not (self._call.agent.speech_to_speech is None):
            problem = "one is held by a speech-to-speech service and the other is not"
            raise Forbidden(f"{found.name} cannot take over this call: {problem}")
        return found

    def _ringing(self, status: int) -> None:
        log.info("call.ringing", sip_status=status)
        if self._prepared is not None:
            self._prepared.ring()
        self._note_status(CallStatus.RINGING)

    def _note_turn(self, turn: Turn) -> None:
        add_turn, call, now = self._at.store.add_turn, self._call.id, self._at.clock()
        log.debug("call.turn", role=turn.role)
        self._chronicle.write(lambda: add_turn(call, turn, now=now))

    def _note_switch(self, switch: ProviderSwitch) -> None:
        note, call, now = self._at.store.add_provider_switch, self._call.id, self._at.clock()
        log.warning("call.provider_switched", **asdict(switch))
        self._chronicle.write(lambda: note(call, switch, now=now))

    def _note_status(self, status: CallStatus) -> None:
        store, call, worker = self._at.store, self._call.id, self._at.worker
        now = self._at.clock()
        self._chronicle.write(lambda: store.set_status(call, status, worker, now=now))

    def _failed(self, reason: EndReason, error: str) -> CallResult:
        return CallResult(
            status=CallStatus.FAILED, end_reason=reason, ended_at=self._at.clock(), error=error
        )


def _perform(command: CallCommand, session: CallSession | SpokenSession) -> None:
    if command.kind is CommandKind.DIGITS:
        session.send_digits(command.text)
    else:
        session.tell(SayRequested(command.text))


def _problem_of(session: CallSession | SpokenSession) -> str:
    """What the providers failed with, or the service that held the call."""
    if session.problem is not None:
        return plain(session.problem)
    who = "provider" if isinstance(session, CallSession) else "speech-to-speech service"
    return f"the {who} did not answer in time"


def _as_uuid(call_id: str) -> str:
    """The id in the form that other systems keep ids in."""
    digits = call_id.partition("_")[2]
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
