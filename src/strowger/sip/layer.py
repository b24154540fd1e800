"""The transaction layer: gives every message to the transaction it belongs to.

Above it, a user sends requests and hears of answers, and is shown each new request once. Below
it are datagrams. It knows nothing of sessions.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from strowger.sip.events import Address
from strowger.sip.headers import DEFAULT_PORT, Via, printable
from strowger.sip.message import Headers, Request, Response
from strowger.sip.reasons import phrase_of
from strowger.sip.timers import Timers
from strowger.sip.transaction import (
    ClientTransaction,
    ServerTransaction,
    client_key,
    server_key,
)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A request of ours was not answered in time."""


Answer = Response | NoAnswer
OnAnswer = Callable[[Answer, Address, float], None]
"""Called with the answer, where it came from, and now."""


class TransactionLayer:
    """All transactions of one endpoint, and the datagrams they want sent."""

    def __init__(
        self,
        *,
        new_token: Callable[[], str],
        user_agent: str,
        timers: Timers,
        max_server_transactions: int,
    ) -> None:
        self.user_agent = user_agent
        self._new_token = new_token
        self._secret = new_token()
        self._timers = timers
        self._max_server_transactions = max_server_transactions
        self._clients: dict[tuple[str, str], tuple[ClientTransaction, OnAnswer]] = {}
        self._servers: dict[tuple[str, ...], ServerTransaction] = {}
        self._merged: dict[tuple[str, str, str], ServerTransaction] = {}
        """First arrivals outside of dialogs by From tag, Call-ID and CSeq (8.2.2.2)."""
        self._outgoing: list[tuple[bytes, Address]] = []

    # ── requests of ours ─────────────────────────────────────────────────────────────────────

    def new_via(self, address: Address) -> Via:
        """A Via with a branch of its own, asking for answers to where we send from (RFC 3581)."""
        branch = f"z9hG4bK{self._new_token()}"
        host, port = address
        return Via("UDP", host.lower(), port, {"branch": branch, "rport": None})

    def send_request(
        self, request: Request, destination: Address, on_answer: OnAnswer, *, now: float
    ) -> ClientTransaction:
        """Send a request, and again until it is answered; its Via must be in place."""
        transaction = ClientTransaction(request, destination, now=now)
        key = client_key(request.via.branch, request.method)
        self._clients[key] = (transaction, on_answer)
        self._settle(transaction)
        return transaction

    def send_without_transaction(self, request: bytes, destination: Address) -> None:
        """The ACK for a 2xx, which nobody answers (13.2.2.4)."""
        self._outgoing.append((request, destination))

    def abandon(self, transaction: ClientTransaction) -> None:
        transaction.abandon()
        self._settle(transaction)

    def receive_response(self, response: Response, source: Address, *, now: float) -> None:
        """Give a response to its transaction; one that has none is a late repetition."""
        via = response.via
        found = self._clients.get(client_key(via.branch, response.cseq.method))
        if found is None:
            return
        transaction, on_answer = found
        is_news = transaction.receive_response(response, now=now)
        self._settle(transaction)
        if is_news:
            on_answer(response, source, now)

    # ── requests of others ───────────────────────────────────────────────────────────────────

    def match(self, request: Request, method: str | None = None) -> ServerTransaction | None:
        """The transaction that a request repeats, acknowledges or, by `method`, cancels."""
        return self._servers.get(server_key(request, method or _transaction_method(request)))

    def is_merged(self, request: Request) -> bool:
        """A request that has come before by another path (8.2.2.2)."""
        return request.to.tag is None and _merge_key(request) in self._merged

    def receive_repeated(self, transaction: ServerTransaction, *, now: float) -> None:
        transaction.receive_request(now=now)
        self._settle(transaction)

    def receive_ack(self, transaction: ServerTransaction, *, now: float) -> None:
        transaction.receive_ack(now=now)
        self._settle(transaction)

    def accept_request(
        self, request: Request, source: Address, *, now: float
    ) -> ServerTransaction | None:
        """Begin a transaction for a new request; None where there are too many."""
        if len(self._servers) >= self._max_server_transactions:
            return None
        transaction = ServerTransaction(request, response_address(request.via, source), now=now)
        self._servers[server_key(request, request.method)] = transaction
        if request.to.tag is None:
            self._merged[_merge_key(request)] = transaction
        return transaction

    def send_response(
        self, transaction: ServerTransaction, response: Response, *, now: float
    ) -> bool:
        """False where a final response has been sent before."""
        sent = transaction.send_response(response, now=now)
        self._settle(transaction)
        return sent

    def answer_statelessly(
        self,
        request: Request,
        source: Address,
        status: int,
        *,
        to_tag: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Answer without remembering it (8.2.7): the same request gets the same answer."""
        if to_tag is None:
            seed = f"{self._secret} {request.via} {request.call_id} {request.headers.get('cseq')}"
            to_tag = hashlib.sha256(seed.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        response = response_to(request, status, to_tag=to_tag)
        response.headers.add("server", self.user_agent)
        for name, value in headers:
            response.headers.add(name, value)
        address = response_address(request.via, source)
        self._outgoing.append((response.serialise(), address))

    # ── time and datagrams ───────────────────────────────────────────────────────────────────

    def handle_timer(
        self, transaction: ClientTransaction | ServerTransaction, *, now: float
    ) -> None:
        gave_up = transaction.handle_timer(now=now)
        on_answer = None
        if gave_up and isinstance(transaction, ClientTransaction):
            key = client_key(transaction.request.via.branch, transaction.request.method)
            on_answer = self._clients[key][1]
        self._settle(transaction)
        if on_answer is not None:
            on_answer(NoAnswer(), transaction.destination, now)

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def __len__(self) -> int:
        """Transactions alive."""
        return len(self._clients) + len(self._servers)

    def _settle(self, transaction: ClientTransaction | ServerTransaction) -> None:
        """Send what a transaction wants sent, and drop it or set its alarm."""
        for data in transaction.data_to_send():
            self._outgoing.append((data, transaction.destination))
        self._timers.arm(transaction)
        if not transaction.terminated:
            return
        request = transaction.request
        if isinstance(transaction, ClientTransaction):
            self._clients.pop(client_key(request.via.branch, request.method), None)
        else:
            self._servers.pop(server_key(request, request.method), None)
            if self._merged.get(_merge_key(request)) is transaction:
                del self._merged[_merge_key(request)]


def _transaction_method(request: Request) -> str:
    return "INVITE" if request.method == "ACK" else request.method


def _merge_key(request: Request) -> tuple[str, str, str]:
    return request.from_.tag or "", request.call_id, str(request.cseq)


def note_source(request: Request, source: Address) -> None:
    """Put into the topmost Via where the request came from (18.2.1, RFC 3581 section 4)."""
    via = request.via
    parameters = dict(via.parameters)
    wants_port = "rport" in parameters
    if wants_port:
        parameters["rport"] = str(source[1])
    if wants_port or via.host != source[0].lower():
        parameters["received"] = source[0]
    request.via = replace(via, parameters=parameters)


def response_address(via: Via, source: Address) -> Address:
    """Always the host that asked, so that nobody can point us at another one.

    `maddr` is ignored for the same reason; the port is the source's with rport, else the Via's.
    """
    return source if "rport" in via.parameters else (source[0], via.port or DEFAULT_PORT)


def response_to(
    request: Request, status: int, *, to_tag: str | None = None, reason: str | None = None
) -> Response:
    """A response with what must be copied (8.2.6.2), as far as the request has it."""
    headers = Headers()
    for via in request.headers.all("via"):
        headers.add("via", via)
    for name in ("from", "to", "call-id", "cseq"):
        value = request.headers.get(name)
        if value is None:
            continue
        if name == "to" and to_tag is not None and not _has_tag(value):
            value = f"{value};tag={to_tag}"
        headers.add(name, value)
    phrase = printable(reason or phrase_of(status))
    return Response(status=status, reason=phrase, headers=headers)


def _has_tag(to: str) -> bool:
    return ";tag=" in "".join(to.rpartition(">")[2].lower().split())
