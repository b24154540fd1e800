"""The four transactions of RFC 3261 section 17, as amended by RFC 6026, for UDP.

Each is one table of states and a few deadlines. A transaction sees one request and its
responses; it repeats what may have been lost, absorbs what the other side repeats, and tells
its user what is new.
"""

from dataclasses import dataclass
from enum import StrEnum

from strowger.sip.events import Address
from strowger.sip.headers import print_parameters
from strowger.sip.message import Headers, Request, Response

T1 = 0.5
"""Seconds; estimate of a round trip (table 4)."""
T2 = 4.0
"""Seconds; the longest interval between repetitions, other than of an INVITE."""
T4 = 5.0
"""Seconds; how long a message may stay in the network."""
TIMEOUT = 64 * T1
"""Seconds; timers B, F, H, J, L and M."""
TIMER_D = 32.0


class State(StrEnum):
    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Input(StrEnum):
    REQUEST = "request repeated"
    ACK = "ACK"
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "3xx-6xx"
    EXPIRED = "deadline passed"


@dataclass(frozen=True, slots=True)
class Machine:
    """What tells the four kinds apart."""

    transitions: dict[State, dict[Input, State]]
    first: State
    deadlines: dict[State, float]
    """Seconds after which a state is left by EXPIRED; the clock starts on entering it."""
    repeats: dict[State, float]
    """States that repeat what was sent, and the longest interval between repetitions."""
    runs_on: dict[State, State]
    """States that keep the deadline of the one before."""


INVITE_CLIENT = Machine(
    transitions={
        State.CALLING: {
            Input.PROVISIONAL: State.PROCEEDING,
            Input.SUCCESS: State.ACCEPTED,
            Input.FAILURE: State.COMPLETED,
            Input.EXPIRED: State.TERMINATED,
        },
        State.PROCEEDING: {
            Input.PROVISIONAL: State.PROCEEDING,
            Input.SUCCESS: State.ACCEPTED,
            Input.FAILURE: State.COMPLETED,
        },
        State.ACCEPTED: {Input.SUCCESS: State.ACCEPTED, Input.EXPIRED: State.TERMINATED},
        State.COMPLETED: {Input.FAILURE: State.COMPLETED, Input.EXPIRED: State.TERMINATED},
        State.TERMINATED: {},
    },
    first=State.CALLING,
    deadlines={
        State.CALLING: TIMEOUT,  # timer B
        State.ACCEPTED: TIMEOUT,  # timer M
        State.COMPLETED: TIMER_D,
    },
    repeats={State.CALLING: TIMEOUT},  # timer A doubles without a cap
    runs_on={},
)

CLIENT = Machine(
    transitions={
        State.TRYING: {
            Input.PROVISIONAL: State.PROCEEDING,
            Input.SUCCESS: State.COMPLETED,
            Input.FAILURE: State.COMPLETED,
            Input.EXPIRED: State.TERMINATED,
        },
        State.PROCEEDING: {
            Input.PROVISIONAL: State.PROCEEDING,
            Input.SUCCESS: State.COMPLETED,
            Input.FAILURE: State.COMPLETED,
            Input.EXPIRED: State.TERMINATED,
        },
        State.COMPLETED: {
            Input.SUCCESS: State.COMPLETED,
            Input.FAILURE: State.COMPLETED,
            Input.EXPIRED: State.TERMINATED,
        },
        State.TERMINATED: {},
    },
    first=State.TRYING,
    deadlines={State.TRYING: TIMEOUT, State.COMPLETED: T4},  # timers F and K
    repeats={State.TRYING: T2, State.PROCEEDING: T2},  # timer E
    runs_on={State.PROCEEDING: State.TRYING},
)

INVITE_SERVER = Machine(
    transitions={
        State.PROCEEDING: {
            Input.REQUEST: State.PROCEEDING,
            Input.PROVISIONAL: State.PROCEEDING,
            Input.SUCCESS: State.ACCEPTED,
            Input.FAILURE: State.COMPLETED,
        },
        State.ACCEPTED: {
            Input.REQUEST: State.ACCEPTED,
            Input.SUCCESS: State.ACCEPTED,
            Input.ACK: State.ACCEPTED,
            Input.EXPIRED: State.TERMINATED,
        },
        State.COMPLETED: {
            Input.REQUEST: State.COMPLETED,
            Input.ACK: State.CONFIRMED,
            Input.EXPIRED: State.TERMINATED,
        },
        State.CONFIRMED: {
            Input.REQUEST: State.CONFIRMED,
            Input.ACK: State.CONFIRMED,
            Input.EXPIRED: State.TERMINATED,
        },
        State.TERMINATED: {},
    },
    first=State.PROCEEDING,
    deadlines={
        State.ACCEPTED: TIMEOUT,  # timer L
        State.COMPLETED: TIMEOUT,  # timer H
        State.CONFIRMED: T4,  # timer I
    },
    repeats={State.COMPLETED: T2},  # timer G
    runs_on={},
)

SERVER = Machine(
    transitions={
        State.TRYING: {
            Input.REQUEST: State.TRYING,
            Input.PROVISIONAL: State.PROCEEDING,
            Input.SUCCESS: State.COMPLETED,
            Input.FAILURE: State.COMPLETED,
        },
        State.PROCEEDING: {
            Input.REQUEST: State.PROCEEDING,
            Input.PROVISIONAL: State.PROCEEDING,
            Input.SUCCESS: State.COMPLETED,
            Input.FAILURE: State.COMPLETED,
        },
        State.COMPLETED: {
            Input.REQUEST: State.COMPLETED,
            Input.EXPIRED: State.TERMINATED,
        },
        State.TERMINATED: {},
    },
    first=State.TRYING,
    deadlines={State.COMPLETED: TIMEOUT},  # timer J
    repeats={},
    runs_on={},
)

MACHINES = {
    "INVITE client": INVITE_CLIENT,
    "client": CLIENT,
    "INVITE server": INVITE_SERVER,
    "server": SERVER,
}


def input_of(status: int) -> Input:
    if status < 200:
        return Input.PROVISIONAL
    return Input.SUCCESS if status < 300 else Input.FAILURE


class Transaction:
    """State, deadline and repetition of one transaction; the two halves below add the words."""

    def __init__(self, machine: Machine, *, now: float) -> None:
        self.state = machine.first
        self._machine = machine
        self._sent = b""
        """What is repeated while the state asks for it."""
        self._outgoing: list[bytes] = []
        self._interval = T1
        self._expires_at: float | None = None
        self._repeat_at: float | None = None
        self._enter(now)

    @property
    def terminated(self) -> bool:
        return self.state is State.TERMINATED

    def next_timer(self) -> float | None:
        times = (self._expires_at, self._repeat_at)
        return min((at for at in times if at is not None), default=None)

    def handle_timer(self, *, now: float) -> bool:
        """Repeat or expire. True where the transaction gave up waiting for the other side."""
        if self._expires_at is not None and now >= self._expires_at:
            waited_in = self.state
            self._step(Input.EXPIRED, now)
            return waited_in in self._machine.repeats
        if self._repeat_at is not None and now >= self._repeat_at:
            self._outgoing.append(self._sent)
            longest = self._machine.repeats[self.state]
            proceeding = self.state is State.PROCEEDING  # 17.1.2.2: then always T2
            self._interval = longest if proceeding else min(self._interval * 2, longest)
            self._repeat_at = now + self._interval
        return False

    def data_to_send(self) -> list[bytes]:
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def abandon(self) -> None:
        """Forget the transaction at once."""
        self.state = State.TERMINATED
        self._expires_at = self._repeat_at = None

    def _step(self, input: Input, now: float) -> bool:
        """Take the transition for `input`; one the state has no place for changes nothing."""
        following = self._machine.transitions[self.state].get(input)
        if following is None:
            return False
        previous, self.state = self.state, following
        if previous is not following:
            self._enter(now, previous)
        return True

    def _enter(self, now: float, previous: State | None = None) -> None:
        runs_on = previous is not None and self._machine.runs_on.get(self.state) is previous
        if not runs_on:
            deadline = self._machine.deadlines.get(self.state)
            self._expires_at = None if deadline is None else now + deadline
        if self.state not in self._machine.repeats:
            self._repeat_at = None
        elif not runs_on:
            self._interval = T1
            self._repeat_at = now + T1


class ClientTransaction(Transaction):
    """Sends one request until it is answered."""

    def __init__(self, request: Request, destination: Address, *, now: float) -> None:
        super().__init__(INVITE_CLIENT if request.method == "INVITE" else CLIENT, now=now)
        self.request = request
        self.destination = destination
        self._sent = request.serialise()
        self._outgoing.append(self._sent)

    def receive_response(self, response: Response, *, now: float) -> bool:
        """True where the user is to hear of it."""
        previous = self.state
        if not self._step(input_of(response.status), now):
            return False
        if self.request.method == "INVITE" and self.state is State.COMPLETED:
            self._outgoing.append(acknowledge_failure(self.request, response).serialise())
        return previous is not State.COMPLETED  # there only repetitions arrive


class ServerTransaction(Transaction):
    """Answers one request, however often it comes."""

    def __init__(self, request: Request, destination: Address, *, now: float) -> None:
        super().__init__(INVITE_SERVER if request.method == "INVITE" else SERVER, now=now)
        self.request = request
        self.destination = destination
        """Where responses go (18.2.2, RFC 3581)."""

    def receive_request(self, *, now: float) -> None:
        """The request again: so is the last response, once there is one.

        Not the 2xx of an INVITE: repeating that is the user's (RFC 6026 section 7.1).
        """
        repeats = self.state in (State.PROCEEDING, State.COMPLETED)
        if self._step(Input.REQUEST, now) and repeats and self._sent:
            self._outgoing.append(self._sent)

    def receive_ack(self, *, now: float) -> None:
        """An ACK for a failure ends its repetitions; one for a 2xx is for the user to see."""
        self._step(Input.ACK, now)

    def send_response(self, response: Response, *, now: float) -> bool:
        """False where a final response has been sent before."""
        self._sent, previous = response.serialise(), self._sent
        if not self._step(input_of(response.status), now):
            self._sent = previous
            return False
        self._outgoing.append(self._sent)
        return True


def acknowledge_failure(request: Request, response: Response) -> Request:
    """The ACK for a 3xx-6xx, which belongs to the INVITE's transaction (17.1.1.3)."""
    headers = Headers()
    headers.add("via", str(request.via))
    for name in ("route", "max-forwards", "from"):
        for value in request.headers.all(name):
            headers.add(name, value)
    headers.add("to", response.headers.get("to") or request.headers.get("to") or "")
    headers.add("call-id", request.call_id)
    headers.add("cseq", f"{request.cseq.number} ACK")
    return Request(method="ACK", uri=request.uri, headers=headers)


def cancel_of(request: Request) -> Request:
    """The CANCEL for an INVITE of ours (9.1)."""
    headers = Headers()
    headers.add("via", str(request.via))
    for name in ("route", "max-forwards", "from", "to"):
        for value in request.headers.all(name):
            headers.add(name, value)
    headers.add("call-id", request.call_id)
    headers.add("cseq", f"{request.cseq.number} CANCEL")
    return Request(method="CANCEL", uri=request.uri, headers=headers)


def client_key(branch: str, method: str) -> tuple[str, str]:
    """What a response is matched by (17.1.3)."""
    return branch, method


def server_key(request: Request, method: str) -> tuple[str, ...]:
    """What a repeated request is matched by (17.2.3).

    `method` is that of the transaction sought: INVITE for an ACK, and for what a CANCEL cancels.
    """
    via = request.via
    if via.branch.lower().startswith(MAGIC_COOKIE) and len(via.branch) > len(MAGIC_COOKIE):
        return via.branch, via.sent_by, method
    ours = {name: value for name, value in via.parameters.items() if name not in _ADDED_BY_US}
    number = str(request.cseq.number)
    sender = via.sent_by + print_parameters(ours)
    return request.uri, request.from_.tag or "", request.call_id, number, sender, method


MAGIC_COOKIE = "z9hg4bk"
"""How a branch of RFC 3261 begins, in lower case; one without is matched as RFC 2543 asks."""
_ADDED_BY_US = ("received", "rport")
