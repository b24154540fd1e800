"""Forms that dialects share: ids as UUIDs, telephone numbers, times, transcripts as text."""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from strowger.agent import Scalar
from strowger.calls.numbers import regions_of
from strowger.errors import FieldProblem, InvalidRequest, NotFound
from strowger.model import Call, Turn

HEX = re.compile(r"[0-9a-f]{32}")


def uuid_of(id: str) -> str:
    """The id as a plain UUID: `call_0192…` is `0192…-…`. Ids that hold none stay as they are."""
    _, _, rest = id.partition("_")
    return str(uuid.UUID(rest)) if HEX.fullmatch(rest) else id


def id_of(prefix: str, text: str) -> str:
    """The id of a UUID, or of an id as Strowger writes it. Raises NotFound for what is neither."""
    if text.startswith(f"{prefix}_"):
        return text
    try:
        return f"{prefix}_{uuid.UUID(text).hex}"
    except ValueError as error:
        raise NotFound(f"there is no {prefix} {text[:80]}") from error


def workspace_uuid(workspace: str) -> str:
    """The organisation or user that vendors' objects name: always the same for a workspace."""
    found = uuid_of(workspace)
    return found if found != workspace else str(uuid.uuid5(uuid.NAMESPACE_OID, workspace))


def number_rule(pattern: str) -> Callable[[str], str | None]:
    """A vendor's pattern as a rule for numbers; see `NewCall.numbers`."""
    compiled = re.compile(pattern)

    def problem(number: str) -> str | None:
        if compiled.fullmatch(number):
            return None
        return f"expected an E.164 number ({pattern}), got {number[:40]}"

    return problem


def with_plus(number: str) -> str:
    """A number written without its + (`15555555555`) as E.164; others as they are."""
    return f"+{number}" if re.fullmatch(r"[1-9]\d{6,14}", number) else number


def country_of(number: str) -> str | None:
    """The ISO 3166 code of a number's country; None where its digits do not tell."""
    regions = regions_of(number)
    return next(iter(regions)) if len(regions) == 1 else None


def flat(given: Mapping[str, object]) -> dict[str, Scalar]:
    """Variables as agents can have them: what is no plain value becomes its JSON."""
    return {
        name: value
        if value is None or isinstance(value, str | int | float | bool)
        else json.dumps(value, ensure_ascii=False)
        for name, value in given.items()
    }


def iso_time(seconds: float | None) -> str | None:
    """ISO 8601 UTC with milliseconds and Z."""
    if seconds is None:
        return None
    moment = datetime.fromtimestamp(round(seconds, 3), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_of(text: str) -> float:
    """The time of an ISO 8601 date or date-time; UTC where it names no zone. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def time_in(text: str | None, field: str, *, code: str = "invalid_request") -> float | None:
    """The time in a field of a query; None where it is not given. Raises InvalidRequest with the
    vendor's `code` for what is no time."""
    if text is None:
        return None
    try:
        return seconds_of(text)
    except ValueError as error:
        problem = FieldProblem(field, f"expected an ISO 8601 date, got {text[:40]}")
        message = f"{field}: {problem.message}"
        raise InvalidRequest(message, code=code, problems=(problem,)) from error


def duration_of(call: Call) -> float | None:
    """Seconds from the answer to the end; None where either is missing."""
    if call.answered_at is None or call.ended_at is None:
        return None
    return max(0.0, call.ended_at - call.answered_at)


def spoken(call: Call) -> tuple[Turn, ...]:
    """What the two sides said, without what tools did."""
    return tuple(turn for turn in call.transcript if turn.role in ("agent", "callee"))


def as_lines(call: Call, agent: str, callee: str) -> str:
    """The transcript as text: a line a turn, each begun by `agent` or `callee`."""
    names = {"agent": agent, "callee": callee}
    return "\n".join(f"{names[turn.role]}{turn.text}" for turn in spoken(call))
