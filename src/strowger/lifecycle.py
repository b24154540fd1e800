"""The life of a call: which status may follow which.

Every call reaches one of the terminal statuses; nothing leaves them.
"""

from enum import StrEnum

from strowger.errors import Conflict


class CallStatus(StrEnum):
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    INITIATED = "initiated"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    CANCELED = "canceled"


_UNANSWERED = {CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED, CallStatus.CANCELED}

NEXT: dict[CallStatus, frozenset[CallStatus]] = {
    CallStatus.SCHEDULED: frozenset({CallStatus.QUEUED} | _UNANSWERED),
    CallStatus.QUEUED: frozenset({CallStatus.INITIATED} | _UNANSWERED),
    CallStatus.INITIATED: frozenset({CallStatus.RINGING, CallStatus.IN_PROGRESS} | _UNANSWERED),
    CallStatus.RINGING: frozenset({CallStatus.IN_PROGRESS} | _UNANSWERED),
    CallStatus.IN_PROGRESS: frozenset({CallStatus.COMPLETED, CallStatus.FAILED}),
    CallStatus.COMPLETED: frozenset(),
    CallStatus.BUSY: frozenset(),
    CallStatus.NO_ANSWER: frozenset(),
    CallStatus.FAILED: frozenset(),
    CallStatus.CANCELED: frozenset(),
}

TERMINAL = frozenset(status for status, following in NEXT.items() if not following)


class EndReason(StrEnum):
    """Why a call is over, in more detail than its status."""

    CALLEE_HANGUP = "callee_hangup"
    AGENT_HANGUP = "agent_hangup"
    TRANSFERRED = "transferred"
    VOICEMAIL = "voicemail"
    SILENCE = "silence"
    MAX_DURATION = "max_duration"
    MEDIA_LOST = "media_lost"
    PROVIDER_FAILED = "provider_failed"
    CARRIER_REJECTED = "carrier_rejected"
    CALLEE_BUSY = "callee_busy"
    CALLEE_DECLINED = "callee_declined"
    RING_TIMEOUT = "ring_timeout"
    NO_COMMON_CODEC = "no_common_codec"
    TRUNK_UNREACHABLE = "trunk_unreachable"
    TRUNK_UNAUTHORIZED = "trunk_unauthorized"
    DISPATCH_INTERRUPTED = "dispatch_interrupted"
    WORKER_LOST = "worker_lost"
    WORKER_STOPPED = "worker_stopped"
    API_REQUEST = "api_request"
    INTERNAL_ERROR = "internal_error"


def check_transition(current: CallStatus, new: CallStatus) -> None:
    """Raise Conflict unless `new` may follow `current`."""
    if new not in NEXT[current]:
        raise Conflict(f"a call that is {current} cannot become {new}", code="call_state")
