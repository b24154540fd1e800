"""Use cases about calls, the same for the API, its dialects and the command line."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from strowger.agent import AgentDefinition, Scalar
from strowger.calls.numbers import (
    DialPolicy,
    NumberRule,
    check_destination_allowed,
    check_transfers_allowed,
    destination_problem,
    phone_number_problem,
)
from strowger.calls.simulated import SIMULATED_CALLEES
from strowger.calls.validation import (
    Offered,
    Problems,
    definition_problems,
    metadata_problem,
    range_problem,
    schedule_problem,
    speech_problem,
    url_problem,
    variable_problems,
)
from strowger.errors import Conflict, Forbidden, NotFound
from strowger.lifecycle import CallStatus
from strowger.model import (
    AgentId,
    Call,
    CallCommand,
    CallId,
    CommandKind,
    Event,
    KeptAnswer,
    LineFigures,
    Page,
    TrunkId,
    Turn,
    WorkspaceId,
)
from strowger.ports import ACTOR, CallFilter, CallGround, Records

DIGITS = re.compile(r"[0-9*#A-D]{1,64}")
"""RFC 4733 section 3.2."""

LIVE_CALL = "this is a test key, and the call was not placed with one: it can only be read"
NO_TRUNK = (
    "there is no trunk to place the call through: add one with POST /v1/trunks, "
    "or start Strowger with STROWGER_TRUNK=sip:user:password@host:port"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCall:
    """A call as a customer asks for it; None where the agent or the workspace is to decide."""

    to: str
    agent_id: AgentId | None = None
    agent: AgentDefinition | None = None
    """An agent for this call alone, in place of `agent_id`."""
    from_: str | None = None
    variables: Mapping[str, Scalar] = field(default_factory=dict)
    metadata: Mapping[str, object] = field(default_factory=dict)
    webhook_url: str | None = None
    record: bool | None = None
    max_duration: float | None = None
    """Seconds."""
    ring_timeout: float | None = None
    """Seconds."""
    scheduled_at: float | None = None
    """When to queue it; None for at once."""
    test: bool = False
    """Asked for with a test key: no trunk is needed, and none is used."""
    dialect: str | None = None
    """The dialect it is asked for in; see `Call.dialect`."""
    numbers: NumberRule = phone_number_problem
    """What is wrong with the form of a number, None for nothing: dialects have rules of their own,
    which let numbers pass that cannot be, or not yet."""


@dataclass(frozen=True, slots=True)
class _Speaker:
    """Who conducts the call: a kept agent's present version, or one given with the call."""

    definition: AgentDefinition
    id: AgentId | None = None
    version: int | None = None


class CallService:
    """Create, read and end calls of one workspace at a time."""

    def __init__(
        self,
        records: Records,
        *,
        ids: Callable[[str], str],
        clock: Callable[[], float],
        policy: DialPolicy,
        recording_path: Callable[[WorkspaceId, CallId], Path],
        offered: Offered | None = None,
    ) -> None:
        self._records = records
        self._ids = ids
        self._clock = clock
        self._policy = policy
        self._recording_path = recording_path
        self._offered = offered or Offered()

    async def create(self, workspace: WorkspaceId, wanted: NewCall) -> Call:
        """Check everything, then queue the call. What is refused leaves nothing behind."""
        call = await self.draw_up(workspace, wanted)
        await self.place(call)
        return call

    async def draw_up(self, workspace: WorkspaceId, wanted: NewCall) -> Call:
        """Check everything; the call is not there before it is placed."""
        if _by_test_key():  # whoever translated the request may not have thought of it
            wanted = replace(wanted, test=True)
        problems = Problems()
        inline = None if wanted.agent is None else wanted.agent.caller_id
        ground = await self._records.call_ground(
            workspace, wanted.agent_id, inline if wanted.from_ is None else wanted.from_
        )
        speaker = self._speaker(wanted, ground, problems)
        self._check_fields(wanted, problems)
        number = _caller_number(wanted, speaker, ground, problems)
        problems.raise_if_any()
        assert speaker is not None, "its absence is a problem"
        if not (wanted.test and wanted.to in SIMULATED_CALLEES):
            check_destination_allowed(wanted.to, self._policy)
        check_transfers_allowed(speaker.definition, self._policy)
        trunk = ground.numbers.get(number or "") or ground.default_trunk
        if wanted.test:
            trunk = None
        elif trunk is None:
            raise Conflict(NO_TRUNK, code="no_trunk")
        return self._draw_up(workspace, wanted, speaker, number, trunk)

    async def place(self, call: Call, kept: KeptAnswer | None = None) -> None:
        """Queue a call that was drawn up, or schedule it; the answer to its request is kept with
        it. Raises Conflict where another request has taken the key of that answer."""
        await self._records.add_call(call, kept)

    async def cancel(self, workspace: WorkspaceId, call: CallId) -> Call:
        """Keep a call from being answered. Raises Conflict for one that was."""
        await self._check_reach(workspace, call)
        return await self._records.cancel_call(workspace, call, now=self._clock())

    async def say(self, workspace: WorkspaceId, call: CallId, text: str) -> Call:
        """Have the agent say something now. Raises Conflict unless somebody is on the line."""
        problems = Problems()
        problems.add("text", speech_problem(text))
        problems.raise_if_any()
        await self._check_reach(workspace, call)
        command = CallCommand(call_id=call, kind=CommandKind.SAY, text=text)
        return await self._records.command_call(workspace, command, now=self._clock())

    async def send_digits(self, workspace: WorkspaceId, call: CallId, digits: str) -> Call:
        """Press keys. Raises Conflict unless somebody is on the line."""
        problems = Problems()
        if not DIGITS.fullmatch(digits):
            problems.add("digits", "expected 1 to 64 of 0-9, *, # and A-D")
        problems.raise_if_any()
        await self._check_reach(workspace, call)
        command = CallCommand(call_id=call, kind=CommandKind.DIGITS, text=digits)
        return await self._records.command_call(workspace, command, now=self._clock())

    async def figures(self, workspace: WorkspaceId, call: CallId) -> LineFigures | None:
        """What became of a call's audio; None until it is over."""
        return await self._records.figures_of(workspace, call)

    async def feed(self, workspace: WorkspaceId, *, after: int, limit: int) -> tuple[Event, ...]:
        """Everything that happened, in order."""
        return await self._records.events_since(workspace, after=after, limit=limit)

    async def last_sequence(self, workspace: WorkspaceId) -> int:
        return await self._records.last_sequence(workspace)

    async def get(self, workspace: WorkspaceId, call: CallId) -> Call:
        return await self._records.get_call_of(workspace, call)

    async def list(
        self, workspace: WorkspaceId, which: CallFilter, *, limit: int, cursor: str | None
    ) -> Page[Call]:
        return await self._records.list_calls(workspace, which, limit=limit, cursor=cursor)

    async def end(self, workspace: WorkspaceId, call: CallId) -> Call:
        """Hang up, or cancel what still waits. Raises Conflict for a call that is over."""
        await self._check_reach(workspace, call)
        return await self._records.request_end(workspace, call, now=self._clock())

    async def _check_reach(self, workspace: WorkspaceId, call: CallId) -> None:
        """Raise Forbidden where a test key wants something of a live call, by whatever door."""
        if _by_test_key() and not (await self._records.get_call_of(workspace, call)).test:
            raise Forbidden(LIVE_CALL, code="test_key")

    async def transcript(self, workspace: WorkspaceId, call: CallId) -> tuple[Turn, ...]:
        """What was said so far, as it was heard."""
        return (await self.get(workspace, call)).transcript

    async def events(
        self, workspace: WorkspaceId, call: CallId, *, after: int, limit: int
    ) -> tuple[Event, ...]:
        return await self._records.events_of(workspace, call, after=after, limit=limit)

    async def recording(self, workspace: WorkspaceId, call: CallId) -> Path:
        """The WAV file of a call that is over and was recorded. Raises NotFound."""
        found = await self.get(workspace, call)
        if not found.recording.available:
            raise NotFound(_why_no_recording(found), code="recording_not_available")
        return self._recording_path(workspace, found.id)

    def _speaker(self, wanted: NewCall, ground: CallGround, problems: Problems) -> _Speaker | None:
        match wanted.agent_id, wanted.agent:
            case None, None:
                problems.add("agent_id", "expected agent_id, or an agent given inline as agent")
                return None
            case None, AgentDefinition() as definition:
                problems.extend(definition_problems(definition, self._offered, path="agent."))
                return _Speaker(definition)
            case str() as agent_id, None:
                agent = ground.agent
                if agent is None:
                    problems.add("agent_id", f"there is no agent {agent_id}", code="unknown_agent")
                    return None
                return _Speaker(agent.definition, agent.id, agent.version)
            case _:
                problems.add("agent", "expected agent_id or agent, got both")
                return None

    def _check_fields(self, wanted: NewCall, problems: Problems) -> None:
        problems.add(
            "to", destination_problem(wanted.to, wanted.numbers), code="invalid_phone_number"
        )
        for path, message in variable_problems(wanted.variables):
            problems.add(f"variables{path}", message)
        problems.add("metadata", metadata_problem(wanted.metadata))
        problems.add("webhook_url", url_problem(wanted.webhook_url))
        problems.add("scheduled_at", schedule_problem(wanted.scheduled_at, now=self._clock()))
        problems.add("max_duration", range_problem("max_duration", wanted.max_duration))
        problems.add("ring_timeout", range_problem("ring_timeout", wanted.ring_timeout))

    def _draw_up(
        self,
        workspace: WorkspaceId,
        wanted: NewCall,
        speaker: _Speaker,
        number: str | None,
        trunk: TrunkId | None,
    ) -> Call:
        definition, now = speaker.definition, self._clock()
        limits = definition.limits
        return Call(
            id=CallId(self._ids("call")),
            workspace_id=workspace,
            agent_id=speaker.id,
            agent_version=speaker.version,
            agent=definition,
            to=wanted.to,
            from_=number,
            trunk_id=trunk,
            status=CallStatus.QUEUED if wanted.scheduled_at is None else CallStatus.SCHEDULED,
            scheduled_at=wanted.scheduled_at,
            variables={**definition.default_variables, **wanted.variables},
            metadata=wanted.metadata,
            webhook_url=wanted.webhook_url,
            dialect=wanted.dialect,
            record=definition.recording if wanted.record is None else wanted.record,
            max_duration=_given(wanted.max_duration, limits.max_duration),
            ring_timeout=_given(wanted.ring_timeout, limits.ring_timeout),
            test=wanted.test,
            created_at=now,
            queued_at=now if wanted.scheduled_at is None else None,
        )


def _caller_number(
    wanted: NewCall, speaker: _Speaker | None, ground: CallGround, problems: Problems
) -> str | None:
    """The number the callee sees."""
    agents_own = None if speaker is None else speaker.definition.caller_id
    if wanted.from_ is None:
        if agents_own is not None:
            return agents_own
        # A workspace with a single number calls from that; with several somebody has to choose.
        return next(iter(ground.numbers)) if len(ground.numbers) == 1 else None
    wrong = wanted.numbers(wanted.from_)
    if wrong is not None:
        problems.add("from", wrong, code="invalid_phone_number")
        return None
    if wanted.from_ not in ground.numbers and wanted.from_ != agents_own:
        problems.add(
            "from",
            f"{wanted.from_} is not a number of yours: add it with POST /v1/phone-numbers",
            code="unknown_caller_id",
        )
    return wanted.from_


def _by_test_key() -> bool:
    actor = ACTOR.get()
    return actor is not None and actor.test


def _given(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _why_no_recording(call: Call) -> str:
    if not call.record:
        return "this call is not recorded"
    if call.ended_at is None:
        return "the recording is there when the call is over"
    return "this call left no recording"
