"""The other side of one endpoint, played by hand: sees parsed messages, answers as told."""

from dataclasses import dataclass, field

from strowger.sip.endpoint import Endpoint
from strowger.sip.events import Address, Event
from strowger.sip.headers import NameAddr
from strowger.sip.layer import response_to
from strowger.sip.message import Headers, Request, Response, parse
from tests.sip.network import CALLEE, CALLER, OFFER, endpoint


@dataclass
class FarEnd:
    end: Endpoint = field(default_factory=lambda: endpoint(CALLER, "a"))
    address: Address = CALLEE
    now: float = 0.0
    heard: list[Request | Response] = field(default_factory=list)
    """All that the endpoint sent."""
    sent_to: list[Address] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    _branches: int = 0

    def collect(self) -> list[Request | Response]:
        """What the endpoint has sent since the last time."""
        news = []
        for data, address in self.end.datagrams_to_send():
            news.append(parse(data))
            self.sent_to.append(address)
        self.heard += news
        self.events += self.end.events_received()
        return news

    def request_heard(self, method: str) -> Request:
        """The last request of that method."""
        self.collect()
        requests = [one for one in self.heard if isinstance(one, Request)]
        return [one for one in requests if one.method == method][-1]

    def requests_heard(self, method: str) -> int:
        self.collect()
        return sum(isinstance(one, Request) and one.method == method for one in self.heard)

    def statuses(self) -> list[int]:
        """Of all responses heard."""
        self.collect()
        return [one.status for one in self.heard if isinstance(one, Response)]

    def last_response(self) -> Response:
        self.collect()
        return [one for one in self.heard if isinstance(one, Response)][-1]

    def wait(self, seconds: float) -> None:
        """Let that much time pass."""
        until = self.now + seconds
        while (at := self.end.next_timer()) is not None and at <= until:
            self.now = max(self.now, at)
            self.end.handle_timer(now=self.now)
            self.collect()
        self.now = until

    def say(self, message: Request | Response | bytes) -> None:
        data = message if isinstance(message, bytes) else message.serialise()
        self.end.receive_datagram(data, self.address, now=self.now)
        self.collect()

    def answer(
        self,
        request: Request,
        status: int,
        *,
        tag: str | None = "far",
        headers: tuple[tuple[str, str], ...] = (),
        contact: str | None = f"<sip:far@{CALLEE[0]}:{CALLEE[1]};transport=UDP>",
        sdp: bytes | None = None,
        reason: str | None = None,
    ) -> None:
        response = response_to(request, status, to_tag=tag, reason=reason)
        if contact is not None and status // 100 < 3:
            response.headers.add("contact", contact)
        for name, value in headers:
            response.headers.add(name, value)
        if sdp is not None:
            response.headers.add("content-type", "application/sdp")
            response.body = sdp
        self.say(response)

    def new_branch(self) -> str:
        self._branches += 1
        return f"z9hG4bKfar{self._branches}"

    def new_request(
        self,
        method: str,
        *,
        call_id: str = "call",
        number: int = 1,
        branch: str | None = None,
        local: str = "<sip:+14155550100@192.0.2.2>;tag=far",
        remote: str = "<sip:agent@192.0.2.1>",
        headers: tuple[tuple[str, str], ...] = (),
        sdp: bytes | None = None,
    ) -> Request:
        host, port = self.address
        fields = Headers()
        fields.add("via", f"SIP/2.0/UDP {host}:{port};branch={branch or self.new_branch()};rport")
        fields.add("max-forwards", "70")
        fields.add("from", local)
        fields.add("to", remote)
        fields.add("call-id", call_id)
        fields.add("cseq", f"{number} {method}")
        if method == "INVITE":
            fields.add("contact", f"<sip:far@{host}:{port}>")
        for name, value in headers:
            fields.add(name, value)
        if sdp is not None:
            fields.add("content-type", "application/sdp")
        return Request(method=method, uri="sip:agent@192.0.2.1", headers=fields, body=sdp or b"")

    def invite(
        self,
        *,
        sdp: bytes | None = OFFER,
        headers: tuple[tuple[str, str], ...] = (),
        branch: str | None = None,
    ) -> Request:
        request = self.new_request("INVITE", sdp=sdp, headers=headers, branch=branch)
        self.say(request)
        return request

    def within(
        self,
        method: str,
        *,
        number: int,
        headers: tuple[tuple[str, str], ...] = (),
        sdp: bytes | None = None,
        call_id: str = "call",
    ) -> Request:
        """Say a request within the dialog that the endpoint's last tagged message belongs to."""
        local, remote = self._parties()
        request = self.new_request(
            method,
            number=number,
            local=local,
            remote=remote,
            headers=headers,
            sdp=sdp,
            call_id=call_id,
        )
        self.say(request)
        return request

    def _parties(self) -> tuple[str, str]:
        """Our From and To: those of the last INVITE answered by either side, with both tags."""
        for message in reversed(self.heard):
            from_, to = message.headers.get("from") or "", message.headers.get("to") or ""
            if NameAddr.parse(from_).tag and NameAddr.parse(to).tag:
                return (to, from_) if isinstance(message, Request) else (from_, to)
        raise AssertionError("no dialog yet")
