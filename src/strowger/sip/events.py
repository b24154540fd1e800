"""The seam of the SIP endpoint: what happened on the network, in frozen records."""

from dataclasses import dataclass
from typing import NewType

SessionId = NewType("SessionId", str)
"""One INVITE session; the Call-ID of the INVITE that began it."""

Address = tuple[str, int]
"""IP address as text, and port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ringing:
    """A provisional answer other than 100 to our INVITE."""

    session: SessionId
    status: int
    sdp: bytes | None
    """Early media, where the far end offers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The first 2xx to our INVITE; it has been acknowledged."""

    session: SessionId
    sdp: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Our INVITE failed: a final 3xx-6xx, or no answer at all (status 408, `timed_out`)."""

    session: SessionId
    status: int
    reason: str
    hangup_cause: int | None = None
    """Q.850 cause of a Reason header (RFC 3326)."""
    timed_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """An INVITE for a new session; answer it with `ring`, `answer` or `reject`."""

    session: SessionId
    source: Address
    to: str
    """User part of the request URI."""
    from_: str
    """User part of the From URI."""
    sdp: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Canceled:
    """The caller gave up before we answered; 487 has been sent."""

    session: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """The ACK for our 2xx has come. `sdp` is the answer where the INVITE had no offer."""

    session: SessionId
    sdp: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reoffered:
    """A re-INVITE inside the session; answer it with `answer_reoffer` or `reject_reoffer`."""

    session: SessionId
    sdp: bytes | None
    """None where the far end wants us to offer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The session is over: the far end said BYE, or stopped acknowledging us."""

    session: SessionId
    by_far_end: bool
    reason: str = ""
    hangup_cause: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferAccepted:
    """The far end tries to call whom we referred it to."""

    session: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferEnded:
    """What came of our REFER; a status of 2xx where somebody has answered."""

    session: SessionId
    status: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Referred:
    """The far end asks us to call somebody else in its place; tell it with `referral_ended`."""

    session: SessionId
    to: str
    """The URI to call, as it was written; it may hold a `Replaces` (RFC 3891)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionsAnswered:
    """The far end's answer to our OPTIONS; status 408 where none came."""

    token: str
    status: int
    reason: str
    allow: tuple[str, ...] = ()
    sdp: bytes | None = None
    """What it can speak, where it says so (11.2)."""
    silent: bool = False
    """Nothing came: the 408 is ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded:
    """A datagram that was no usable SIP message; told so that somebody can count and log it."""

    source: Address
    problem: str


Event = (
    Ringing
    | Answered
    | Refused
    | Incoming
    | Canceled
    | Confirmed
    | Reoffered
    | Ended
    | ReferAccepted
    | ReferEnded
    | Referred
    | OptionsAnswered
    | Discarded
)
