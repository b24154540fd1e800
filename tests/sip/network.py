"""A network in a test: endpoints, a fake clock, and a wire that may lose, delay and repeat."""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from strowger.sip.endpoint import Endpoint
from strowger.sip.events import Address, Event
from strowger.sip.invitation import Invitation

OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0\r\n"
)
ANSWER = OFFER.replace(b"192.0.2.1", b"192.0.2.2").replace(b"4000", b"5000")

CALLER: Address = ("192.0.2.1", 5060)
CALLEE: Address = ("192.0.2.2", 5070)


def tokens(prefix: str) -> Callable[[], str]:
    """Tokens that are the same in every run."""
    count = itertools.count(1)
    return lambda: f"{prefix}{next(count):06x}"


def endpoint(local: Address, prefix: str) -> Endpoint:
    return Endpoint(local=local, new_token=tokens(prefix))


def invitation(
    *,
    username: str | None = None,
    password: str | None = None,
    call_id: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Invitation:
    return Invitation(
        request_uri=f"sip:+14155550100@{CALLEE[0]}:{CALLEE[1]}",
        destination=CALLEE,
        from_uri=f"sip:+14155550199@{CALLER[0]}",
        sdp=OFFER,
        username=username,
        password=password,
        call_id=call_id,
        headers=headers,
    )


@dataclass
class Wire:
    """What happens to a datagram: how often it arrives, and after how many seconds each."""

    delays: Callable[[bytes], list[float]] = lambda data: [0.01]


def lossy(chance: random.Random, *, loss: float, repeat: float, jitter: float) -> Wire:
    """Loses, repeats and reorders at random, from a seeded source."""

    def delays(data: bytes) -> list[float]:
        copies = 0 if chance.random() < loss else 1 + (chance.random() < repeat)
        return [0.01 + chance.random() * jitter for _ in range(copies)]

    return Wire(delays)


@dataclass
class Network:
    """Runs endpoints on one fake clock."""

    wire: Wire = field(default_factory=Wire)
    now: float = 0.0
    ends: dict[Address, Endpoint] = field(default_factory=dict)
    events: dict[Address, list[Event]] = field(default_factory=dict)
    sent: list[tuple[float, Address, Address, bytes]] = field(default_factory=list)
    """When, from, to, what: whether it arrived or not."""
    react: Callable[["Network", Address, Event], None] | None = None
    """The application behind all endpoints."""
    _flying: list[tuple[float, int, Address, Address, bytes]] = field(default_factory=list)
    _count: int = 0

    def add(self, address: Address, end: Endpoint) -> Endpoint:
        self.ends[address] = end
        self.events[address] = []
        return end

    def flush(self) -> None:
        """Put what endpoints want sent on the wire, and deliver what happened."""
        busy = True
        while busy:
            busy = False
            for address, end in self.ends.items():
                for event in end.events_received():
                    busy = True
                    self.events[address].append(event)
                    if self.react is not None:
                        self.react(self, address, event)
                for data, to in end.datagrams_to_send():
                    busy = True
                    self.sent.append((self.now, address, to, data))
                    for delay in self.wire.delays(data):
                        self._count += 1
                        entry = (self.now + delay, self._count, address, to, data)
                        heapq.heappush(self._flying, entry)

    def next_time(self) -> float | None:
        times = [at for end in self.ends.values() if (at := end.next_timer()) is not None]
        times += [self._flying[0][0]] if self._flying else []
        return min(times, default=None)

    def run(self, until: float) -> None:
        """Let everything happen that happens up to that time."""
        self.flush()
        while (at := self.next_time()) is not None and at <= until:
            self.now = max(self.now, at)
            while self._flying and self._flying[0][0] <= self.now:
                _, _, source, to, data = heapq.heappop(self._flying)
                if to in self.ends:
                    self.ends[to].receive_datagram(data, source, now=self.now)
            for end in self.ends.values():
                end.handle_timer(now=self.now)
            self.flush()
        self.now = max(self.now, until)

    def run_out(self) -> None:
        """Let everything happen until nothing is left to happen."""
        self.flush()
        while (at := self.next_time()) is not None:
            self.run(at)

    def starts(self, sender: Address) -> list[str]:
        """First words of what one side sent: the method, or the status."""
        return [first_word(data) for _, source, _, data in self.sent if source == sender]


def first_word(data: bytes) -> str:
    words = data.split(b" ", 2)
    return (words[1] if words[0] == b"SIP/2.0" else words[0]).decode()
