"""Dialogs: what both sides remember of each other, and the requests built from it.

RFC 3261 section 12. Names are not resolved here: a next hop that is no IP literal is reached
at the address that the far end's last message came from.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from strowger.errors import MalformedMessage
from strowger.sip.events import Address
from strowger.sip.headers import DEFAULT_PORT, NameAddr, Uri, escape, host_of
from strowger.sip.message import Headers, Message, Request, Response

MAX_FORWARDS = "70"


@dataclass(slots=True, kw_only=True)
class Dialog:
    """One peer-to-peer relation, begun by an INVITE."""

    call_id: str
    local: str
    """Value of our From, with our tag."""
    remote: str
    """Value of our To, with the far end's tag."""
    local_tag: str
    remote_tag: str
    """Empty where the far end is of RFC 2543 and gave none (12.1.1)."""
    remote_contact: str | None
    """URI of the far end's Contact, where it gave a usable one."""
    fallback_target: str
    """Request URI of our requests where it did not."""
    route_set: tuple[str, ...]
    local_cseq: int
    remote_cseq: int | None
    contact: str
    """Value of our Contact."""
    own_address: Address
    """Where the far end reaches us, for our Via."""
    last_source: Address
    """Where the far end's last message came from."""

    @classmethod
    def from_response(
        cls, request: Request, response: Response, *, contact: str, own: Address, source: Address
    ) -> "Dialog":
        """The caller's side of the dialog that a response to its INVITE makes (12.1.2)."""
        return cls(
            call_id=request.call_id,
            local=request.headers.get("from") or "",
            remote=response.headers.get("to") or "",
            local_tag=request.from_.tag or "",
            remote_tag=response.to.tag or "",
            remote_contact=contact_uri(response),
            fallback_target=request.uri,
            route_set=tuple(reversed(response.headers.members("record-route"))),
            local_cseq=request.cseq.number,
            remote_cseq=None,
            contact=contact,
            own_address=own,
            last_source=source,
        )

    @classmethod
    def from_request(
        cls, request: Request, *, local_tag: str, contact: str, own: Address, source: Address
    ) -> "Dialog":
        """The callee's side of the dialog that an INVITE asks for (12.1.1)."""
        return cls(
            call_id=request.call_id,
            local=f"{request.headers.get('to') or ''};tag={local_tag}",
            remote=request.headers.get("from") or "",
            local_tag=local_tag,
            remote_tag=request.from_.tag or "",
            remote_contact=contact_uri(request),
            fallback_target=f"sip:{host_of(source)}:{source[1]}",
            route_set=tuple(request.headers.members("record-route")),
            local_cseq=0,
            remote_cseq=request.cseq.number,
            contact=contact,
            own_address=own,
            last_source=source,
        )

    def is_of(self, request: Request) -> bool:
        """Does a request of the far end belong to this dialog (12.2.2)?"""
        return (
            request.call_id == self.call_id
            and request.to.tag == self.local_tag
            and (request.from_.tag or "") == self.remote_tag
        )

    @property
    def replaced(self) -> str:
        """The far end's URI, with what makes an INVITE to it replace this dialog (RFC 3891).

        Tags are named as the far end knows them; 0 stands for none (section 3).
        """
        tags = f";to-tag={self.remote_tag or '0'};from-tag={self.local_tag}"
        target = self.remote_contact or self.fallback_target
        return f"{target}?Replaces={escape(self.call_id + tags)}"

    def refresh(self, message: Message, source: Address) -> None:
        """Take over the far end's new Contact, from a re-INVITE or its 2xx (12.2)."""
        self.last_source = source
        self.remote_contact = contact_uri(message) or self.remote_contact

    def new_request(self, method: str, via: str) -> Request:
        """A request within the dialog that does not refresh its target (12.2.1.1)."""
        self.local_cseq += 1
        return self._request(method, via, self.local_cseq)

    def acknowledge(self, via: str, invite: Request) -> Request:
        """The ACK for a 2xx to our INVITE: its CSeq and credentials (13.2.2.4)."""
        ack = self._request("ACK", via, invite.cseq.number)
        for name in ("authorization", "proxy-authorization"):
            for value in invite.headers.all(name):
                ack.headers.add(name, value)
        return ack

    def next_hop(self) -> Address:
        """Where requests of this dialog go."""
        first = self.route_set[0] if self.route_set else f"<{self.remote_contact}>"
        return _literal_address(first) or self.last_source

    def _request(self, method: str, via: str, number: int) -> Request:
        uri, routes = self._route()
        headers = Headers()
        headers.add("via", via)
        for route in routes:
            headers.add("route", route)
        headers.add("max-forwards", MAX_FORWARDS)
        headers.add("from", self.local)
        headers.add("to", self.remote)
        headers.add("call-id", self.call_id)
        headers.add("cseq", f"{number} {method}")
        return Request(method=method, uri=uri, headers=headers)

    def _route(self) -> tuple[str, Iterable[str]]:
        """Request URI and Route values: loose routing, or strict where the first hop asks it."""
        target = self.remote_contact or self.fallback_target
        first = _uri_of_route(self.route_set[0]) if self.route_set else None
        if first is None or "lr" in first.parameters:
            return target, self.route_set
        return first.text, (*self.route_set[1:], f"<{target}>")


def contact_uri(message: Message) -> str | None:
    """The Contact as a request URI; None where there is none that can be called."""
    try:
        contact = message.contact
    except MalformedMessage:
        return None
    if contact is None or contact.uri.scheme not in ("sip", "sips"):
        return None
    text = contact.uri.text.partition("?")[0]
    return None if any(sign in text for sign in ' \t<>"') else text


def _uri_of_route(route: str) -> Uri | None:
    try:
        return NameAddr.parse(route).uri
    except MalformedMessage:
        return None


def _literal_address(route: str) -> Address | None:
    """The address in a route or Contact, where it is one that a datagram can be sent to."""
    uri = _uri_of_route(route)
    if uri is None:
        return None
    try:
        host = ipaddress.ip_address(uri.host)
    except ValueError:
        return None
    if host.is_multicast or host.is_unspecified or uri.host == "255.255.255.255":
        return None
    return uri.host, uri.port or DEFAULT_PORT
