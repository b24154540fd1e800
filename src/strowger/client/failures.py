"""What a client raises.

* StrowgerError
    * ClientError
        * ApiError             the server refused or failed; says how and, field by field, why
        * ServerUnreachable    no server answered, after all retries
        * WaitedTooLong        the call goes on, but not the patience
        * InvalidSignature     a webhook that is not from where it says, or too old
"""

from strowger.errors import FieldProblem, StrowgerError


class ClientError(StrowgerError):
    """The root of what a client raises."""


class ApiError(ClientError):
    """An answer of 4xx or 5xx (RFC 9457)."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        problems: tuple[FieldProblem, ...] = (),
        request_id: str | None = None,
    ) -> None:
        fields = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
        super().__init__(f"{detail} ({fields})" if fields and fields not in detail else detail)
        self.status = status
        """The HTTP status."""
        self.code = code
        """What happened, for programs: `invalid_phone_number`, `rate_limited` …"""
        self.detail = detail
        """What happened, for people."""
        self.problems = problems
        """Every field that is wrong."""
        self.request_id = request_id
        """Under which the server's log has more."""


class ServerUnreachable(ClientError):
    """Nothing answered. A POST may still have been heard: its key makes asking again safe."""


class WaitedTooLong(ClientError):
    """The time given to `wait` is over; the call is not."""


class InvalidSignature(ClientError):
    """Do not act on this webhook."""
