"""What a call that was not answered, or that ended, counts as. Pure tables."""

from strowger.errors import CallRefused, RefusalCause
from strowger.lifecycle import CallStatus, EndReason

_BY_CAUSE: dict[RefusalCause, tuple[CallStatus, EndReason]] = {
    RefusalCause.RING_TIMEOUT: (CallStatus.NO_ANSWER, EndReason.RING_TIMEOUT),
    RefusalCause.UNREACHABLE: (CallStatus.FAILED, EndReason.TRUNK_UNREACHABLE),
    RefusalCause.UNAUTHORIZED: (CallStatus.FAILED, EndReason.TRUNK_UNAUTHORIZED),
    RefusalCause.NO_COMMON_CODEC: (CallStatus.FAILED, EndReason.NO_COMMON_CODEC),
}

_BY_STATUS: dict[int, tuple[CallStatus, EndReason]] = {
    408: (CallStatus.NO_ANSWER, EndReason.RING_TIMEOUT),
    480: (CallStatus.NO_ANSWER, EndReason.RING_TIMEOUT),
    486: (CallStatus.BUSY, EndReason.CALLEE_BUSY),
    488: (CallStatus.FAILED, EndReason.NO_COMMON_CODEC),
    600: (CallStatus.BUSY, EndReason.CALLEE_BUSY),
    603: (CallStatus.BUSY, EndReason.CALLEE_DECLINED),
    606: (CallStatus.FAILED, EndReason.NO_COMMON_CODEC),
}

_FAILURES = {
    EndReason.PROVIDER_FAILED,
    EndReason.MEDIA_LOST,
    EndReason.INTERNAL_ERROR,
    EndReason.WORKER_LOST,
}


def of_refusal(refusal: CallRefused) -> tuple[CallStatus, EndReason]:
    """Status and reason of a call that nobody took."""
    by_status = _BY_STATUS.get(refusal.status, (CallStatus.FAILED, EndReason.CARRIER_REJECTED))
    return _BY_CAUSE.get(refusal.cause, by_status)


def of_answered(reason: EndReason) -> CallStatus:
    """Status of a call that was answered and ended for `reason`."""
    return CallStatus.FAILED if reason in _FAILURES else CallStatus.COMPLETED
