"""Every exception Strowger raises on purpose, ordered by whose fault it is.

* StrowgerError
    * RequestError            the caller of the API
        * InvalidRequest          422, with every bad field at once
        * Unauthenticated         401
        * Forbidden               403
        * NotFound                404
        * Conflict                409
        * PreconditionFailed      412
        * BodyTooLarge            413
        * TooManyRequests         429
    * FarEndError             the other side of a call
        * MalformedMessage        SIP, SDP or RTP that cannot be read
        * CallRefused             it answered 3xx-6xx, or nobody answered
        * TransferRefused         it did not put the callee through
    * ProviderError           a speech or language service
    * ToolFailed              a server that an agent's tool asks, or the tool's own definition
    * ConfigurationError      the operator: said in one line, exit status 2
        * AlreadySaid             by a child process
    * DamagedJournal          a stored record of a call that cannot be read
    * Unavailable             us, for now: 503
        * NotItsTurn              a job that others go before; nothing is wrong
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

E = TypeVar("E", bound=BaseException)


class StrowgerError(Exception):
    """The root: anything else that escapes is a defect."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field of a request."""

    field: str
    """Dotted path of the field, such as `variables.name`."""
    message: str


class RequestError(StrowgerError):
    """The request cannot be served as it stands; nothing was stored."""

    status = 400
    code = "bad_request"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class InvalidRequest(RequestError):
    """One or more fields are wrong; `problems` names them all."""

    status = 422
    code = "invalid_request"

    def __init__(
        self, message: str, *, code: str | None = None, problems: tuple[FieldProblem, ...] = ()
    ) -> None:
        super().__init__(message, code=code)
        self.problems = problems


class Unauthenticated(RequestError):
    """No key, or one that is not known, expired or revoked."""

    status = 401
    code = "unauthenticated"


class Forbidden(RequestError):
    """The key is good but may not do this."""

    status = 403
    code = "forbidden"


class NotFound(RequestError):
    """No such thing in the caller's workspace."""

    status = 404
    code = "not_found"


class Conflict(RequestError):
    """The thing is not in a state that allows this."""

    status = 409
    code = "conflict"


class PreconditionFailed(RequestError):
    """The thing has changed since the caller read it."""

    status = 412
    code = "version_mismatch"


class BodyTooLarge(RequestError):
    """The body is over the limit."""

    status = 413
    code = "body_too_large"


class TooManyRequests(RequestError):
    """A rate limit; `retry_after` is in seconds."""

    status = 429
    code = "rate_limited"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class FarEndError(StrowgerError):
    """The other side of a call did something that cannot be worked with."""


class MalformedMessage(FarEndError):
    """Bytes from the network that are not the SIP, SDP or RTP they claim to be."""


class RefusalCause(StrEnum):
    """Who or what kept a call from being answered."""

    FAR_END = "far_end"
    """It answered with the SIP status of the refusal."""
    RING_TIMEOUT = "ring_timeout"
    """It rang, and nobody answered in time."""
    UNREACHABLE = "unreachable"
    """Nothing came back at all."""
    UNAUTHORIZED = "unauthorized"
    """It asked for a name and password and did not take ours."""
    NO_COMMON_CODEC = "no_common_codec"
    """It answered, but no audio format suits both sides."""


class CallRefused(FarEndError):
    """The call was not answered, or not in a way that lets both sides hear each other."""

    def __init__(
        self,
        status: int,
        reason: str,
        *,
        cause: RefusalCause = RefusalCause.FAR_END,
        hangup_cause: int | None = None,
    ) -> None:
        super().__init__(f"{status} {reason}")
        self.cause = cause
        self.status = status
        """SIP status, or 408 where nothing came at all (RFC 3261 section 8.1.3.1)."""
        self.reason = reason
        self.hangup_cause = hangup_cause
        """Q.850 cause from a Reason header (RFC 3326), where the network gave one."""


class TransferRefused(FarEndError):
    """The callee was not put through; the call goes on as it was."""


class ToolFailed(StrowgerError):
    """A tool did not do what it was to do; the message is for the language model to read."""


class ProviderError(StrowgerError):
    """A speech or language service failed, stalled or answered nonsense."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class ConfigurationError(StrowgerError):
    """The operator has to change something; the message says what."""


class DamagedJournal(StrowgerError):
    """A call's journal is not what was written: cut off, changed, or not a journal at all."""


class AlreadySaid(ConfigurationError):
    """A ConfigurationError whose line a child process has printed."""


class Unavailable(StrowgerError):
    """Strowger cannot do this now (database lost, disk full); trying again later may help."""


class NotItsTurn(Unavailable):
    """As many of its kind as may be are being done already; one of them will soon be done."""


def leaves(group: BaseExceptionGroup[E]) -> Iterator[E]:
    """The errors that were raised, however deep the task groups that they came through."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error
