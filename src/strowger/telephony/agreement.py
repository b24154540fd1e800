"""What offers, answers and refusals of the far end mean to a call."""

from collections.abc import Callable

from strowger.errors import CallRefused, FarEndError, RefusalCause
from strowger.media.sdp import NoCommonCodec
from strowger.model import Trunk
from strowger.sip import events as sip
from strowger.telephony.legs import MediaLeg
from strowger.telephony.signals import Signals


async def answer_of(
    signals: Signals, trunk: Trunk, on_ringing: Callable[[int], None]
) -> bytes | None:
    """The SDP of the far end's answer to our INVITE. Raises CallRefused."""
    while True:
        match await signals.get():
            case sip.Ringing(status=status):
                on_ringing(status)
            case sip.Answered(sdp=answer):
                return answer
            case sip.Refused() as refused:
                raise refusal(refused, trunk)
            case sip.Ended(reason=reason, hangup_cause=cause):
                raise CallRefused(487, reason or "call ended", hangup_cause=cause)


def refusal(refused: sip.Refused, trunk: Trunk) -> CallRefused:
    """What the application hears of a call that the far end did not take."""
    if refused.timed_out:
        return unreachable(trunk)
    cause = RefusalCause.FAR_END
    if refused.status in {401, 407}:
        cause = RefusalCause.UNAUTHORIZED
    return CallRefused(
        refused.status, refused.reason, cause=cause, hangup_cause=refused.hangup_cause
    )


def unreachable(trunk: Trunk) -> CallRefused:
    """Not a single packet came back."""
    where = f"{trunk.host}:{trunk.port}"
    return CallRefused(408, f"nothing comes back from {where}", cause=RefusalCause.UNREACHABLE)


def accept(leg: MediaLeg, answer: bytes | None) -> None:
    """Raises CallRefused where no audio can come of it."""
    try:
        leg.accept_answer(answer or b"")
    except NoCommonCodec as error:
        raise CallRefused(488, str(error), cause=RefusalCause.NO_COMMON_CODEC) from error
    except FarEndError as error:
        raise CallRefused(488, f"unusable SDP answer: {error}") from error


def accept_quietly(leg: MediaLeg, answer: bytes) -> None:
    """An answer in the ACK of a re-INVITE: a bad one leaves the media as it was.

    Raises Unavailable where the line has become deaf over it.
    """
    try:
        leg.accept_answer(answer)
    except FarEndError:
        return


def answer_offer(leg: MediaLeg, offer: bytes | None) -> bytes:
    """Raises CallRefused."""
    try:
        return leg.offer() if offer is None else leg.answer(offer)
    except NoCommonCodec as error:
        raise CallRefused(488, str(error), cause=RefusalCause.NO_COMMON_CODEC) from error
    except FarEndError as error:
        raise CallRefused(400, f"unusable SDP offer: {error}") from error
