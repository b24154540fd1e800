"""What the phases of all sessions share: the layer below, the events above, and who we are.

A session passes through phases, each an object of its own: `Calling` or `Invited` until the
INVITE is answered, then `Established`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from strowger.sip.bodies import SDP
from strowger.sip.events import Address, Event, SessionId
from strowger.sip.headers import DEFAULT_PORT, Uri, host_of
from strowger.sip.layer import TransactionLayer, response_to
from strowger.sip.message import Request, Response
from strowger.sip.timers import Timers
from strowger.sip.validation import ALLOW

_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How much the network may make us remember."""

    sessions: int = 2_000
    """Alive in either direction; beyond it, an INVITE is answered 503."""
    server_transactions: int = 20_000
    """Beyond it, requests are answered 503 or dropped."""


class Phase(Protocol):
    """One stretch of a session's life."""

    def __hash__(self) -> int: ...

    @property
    def session(self) -> SessionId: ...
    def next_timer(self) -> float | None: ...
    def handle_timer(self, *, now: float) -> None: ...
    def hang_up(self, *, now: float, reason: str | None) -> None: ...


class Core:
    """The sessions of one endpoint by id, and what they need."""

    def __init__(
        self,
        *,
        local: Address,
        new_token: Callable[[], str],
        user_agent: str,
        capacity: Capacity,
        takes_referrals: bool = False,
    ) -> None:
        self.local = local
        self.new_token = new_token
        self.user_agent = user_agent
        self.capacity = capacity
        self.takes_referrals = takes_referrals
        self.allow = f"{ALLOW}, REFER" if takes_referrals else ALLOW
        self.timers = Timers()
        self.sessions: dict[SessionId, Phase] = {}
        self.layer = TransactionLayer(
            new_token=new_token,
            user_agent=user_agent,
            timers=self.timers,
            max_server_transactions=capacity.server_transactions,
        )
        self._events: list[Event] = []

    def report(self, event: Event) -> None:
        self._events.append(event)

    def events_received(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def enter(self, phase: Phase) -> None:
        """Make this the phase that its session is in."""
        self.sessions[phase.session] = phase
        self.timers.arm(phase)

    def leave(self, phase: Phase) -> None:
        """Forget the session, unless it has gone on to another phase."""
        if self.sessions.get(phase.session) is phase:
            del self.sessions[phase.session]
        self.timers.arm(phase)

    def address_called(self, request: Request) -> Address:
        """Where the far end of an INVITE to us reaches us: where it did."""
        if self.local[0] not in _EVERY_ADDRESS:
            return self.local
        called = Uri.parse(request.uri)
        return (called.host, called.port or DEFAULT_PORT) if called.host else self.local

    def contact(self, user: str, address: Address) -> str:
        """The value of our Contact."""
        host, port = address
        at = f"{user}@" if user else ""
        return f"<sip:{at}{host_of((host, port))}:{port}>"

    def response(
        self, request: Request, status: int, *, to_tag: str | None, reason: str | None = None
    ) -> Response:
        response = response_to(request, status, to_tag=to_tag, reason=reason)
        response.headers.add("server", self.user_agent)
        return response

    def session_response(
        self,
        request: Request,
        status: int,
        *,
        to_tag: str,
        contact: str,
        sdp: bytes | None,
    ) -> Response:
        """A 1xx or 2xx to an INVITE, which makes or keeps a dialog (12.1.1)."""
        response = self.response(request, status, to_tag=to_tag)
        for route in request.headers.all("record-route"):
            response.headers.add("record-route", route)
        response.headers.add("contact", contact)
        response.headers.add("allow", self.allow)
        if sdp is not None:
            response.headers.add("content-type", SDP)
            response.body = sdp
        return response
