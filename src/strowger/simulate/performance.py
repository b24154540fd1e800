"""What came of a rehearsed call, in plain values: the same call gives the same bytes. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest

from strowger.agent import Scalar
from strowger.conversation.events import Answered
from strowger.conversation.journal import parse_journal
from strowger.model import CallResult, LineFigures, Turn
from strowger.simulate.reports import Happening, Heard, describe


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    scenario: str
    repetition: int
    """From 0."""
    seed: int
    status: str
    end_reason: str
    error: str | None
    outcome: str | None
    variables: Mapping[str, Scalar]
    """That the conversation set."""
    duration: float
    """Seconds from the answer to the decision that the call is over; 0 without an answer."""
    transcript: tuple[Turn, ...]
    """What was heard on both sides, as the call's record has it."""
    callee: tuple[tuple[float, str], ...]
    """What happened on the callee's side, with the seconds since the answer."""
    heard: tuple[str, ...]
    """What the callee's recogniser made out."""
    figures: LineFigures | None
    journal: bytes
    """As the call's record keeps it; empty without an answer."""

    @property
    def name(self) -> str:
        return self.scenario if self.repetition == 0 else f"{self.scenario} #{self.repetition + 1}"

    @property
    def latencies(self) -> list[float]:
        """Of each answer, from the callee's last sound to the agent's first."""
        found = [turn.latency.total for turn in self.transcript if turn.latency is not None]
        return [total for total in found if total is not None]

    @property
    def interruptions(self) -> int:
        """How often the agent was cut short; not where it went on itself, as after a cough."""
        return sum(
            turn.role == "agent"
            and turn.interrupted
            and not (after is not None and after.role == "agent")
            for turn, after in zip_longest(self.transcript, self.transcript[1:])
        )

    @property
    def tools(self) -> list[str]:
        """Names of those that were used, in order."""
        return [turn.tool.name for turn in self.transcript if turn.tool is not None]

    @property
    def longest_silence(self) -> tuple[float, float]:
        """The longest time in which nobody was heard: when it began, and its seconds."""
        silence, quiet_since = (0.0, 0.0), 0.0
        heard = [turn for turn in self.transcript if turn.tool is None]
        for turn in sorted(heard, key=lambda turn: turn.started_at):
            if turn.started_at - quiet_since > silence[1]:
                silence = quiet_since, turn.started_at - quiet_since
            quiet_since = max(quiet_since, turn.ended_at)
        if self.duration - quiet_since > silence[1]:
            silence = quiet_since, self.duration - quiet_since
        return silence


def performance_of(
    scenario: str,
    repetition: int,
    seed: int,
    result: CallResult,
    happenings: Sequence[tuple[float, Happening]],
) -> Performance:
    entries = parse_journal(result.journal).entries if result.journal else []
    answers = [at for at, event in entries if isinstance(event, Answered)]
    answered_at = answers[0] if answers else 0.0
    zero = answered_at or (happenings[0][0] if happenings else 0.0)
    return Performance(
        scenario=scenario,
        repetition=repetition,
        seed=seed,
        status=result.status.value,
        end_reason=result.end_reason.value,
        error=result.error,
        outcome=result.outcome,
        variables=dict(result.extracted),
        duration=round(entries[-1][0] - answered_at, 6) if answers else 0.0,
        transcript=result.transcript,
        callee=tuple((round(at - zero, 6), describe(what)) for at, what in happenings),
        heard=tuple(what.text for _, what in happenings if isinstance(what, Heard)),
        figures=result.figures,
        journal=result.journal,
    )


def as_record(performance: Performance) -> dict[str, object]:
    """Plain values for JSON, without the journal, which has a file of its own."""
    record = asdict(performance)
    del record["journal"]
    return record | {
        "latencies": [round(each, 6) for each in performance.latencies],
        "interruptions": performance.interruptions,
        "tools": performance.tools,
    }
