import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

import httpx2
import pytest

from strowger.errors import NotItsTurn
from strowger.model import DEFAULT_WORKSPACE, NATIVE_FORMAT, CallId, Event, EventId
from strowger.ports import Attempt, Delivery, OutgoingRequest
from strowger.signing_secrets import new_secret
from strowger.webhooks.deliver import ANSWER_KEPT, PER_ENDPOINT, Deliverer, NativeFormat
from strowger.webhooks.egress import guarded_client
from strowger.webhooks.signing import verify
from tests.webhooks.server import OK, Received, listening, says

pytestmark = pytest.mark.anyio

LOOPBACK = (ip_network("127.0.0.0/8"),)
SECRET = new_secret()
EVENT = Event(
    id=EventId("event_1"),
    workspace_id=DEFAULT_WORKSPACE,
    type="call.completed",
    created_at=1763711234.5,
    payload={"call_id": "call_1", "status": "completed", "outcome": "día"},
    call_id=CallId("call_1"),
    sequence=7,
)


@dataclass
class FakeOutbox:
    """Deliveries in memory, and what was recorded of them."""

    deliveries: dict[str, Delivery] = field(default_factory=dict)
    attempts: list[tuple[str, Attempt, bool, float | None]] = field(default_factory=list)

    async def due(self, job: str) -> Delivery | None:
        return self.deliveries.get(job)

    async def record_attempt(
        self,
        delivery: str,
        attempt: Attempt,
        *,
        number: int,
        delivered: bool,
        retry_at: float | None,
    ) -> None:
        self.attempts.append((delivery, attempt, delivered, retry_at))


def outbox_to(url: str, attempts: int = 0) -> FakeOutbox:
    delivery = Delivery(id="d", url=url, secret=SECRET, event=EVENT, attempts=attempts)
    return FakeOutbox({"d": delivery})


@asynccontextmanager
async def deliverer(
    outbox: FakeOutbox, *, now: float = 1763711240.0, total_timeout: float = 5.0
) -> AsyncIterator[Deliverer]:
    async with guarded_client(LOOPBACK) as client:
        yield Deliverer(
            outbox, client, clock=lambda: now, jitter=lambda: 0.0, total_timeout=total_timeout
        )


async def attempt_at(url: str, *, total_timeout: float = 5.0) -> Attempt:
    outbox = outbox_to(url)
    async with deliverer(outbox, total_timeout=total_timeout) as deliveries:
        await deliveries.deliver("d")
    ((_, attempt, delivered, _),) = outbox.attempts
    assert not delivered
    return attempt


async def test_a_delivery_is_a_signed_post_with_the_event() -> None:
    async with listening() as endpoint:
        outbox = outbox_to(endpoint.url)
        async with deliverer(outbox) as deliveries:
            await deliveries.deliver("d")
    (received,) = endpoint.received
    assert received.request_line == "POST /hook HTTP/1.1"
    assert received.headers["webhook-id"] == "event_1"
    assert received.headers["webhook-timestamp"] == "1763711240"
    assert received.headers["content-type"] == "application/json"
    assert json.loads(received.body) == {
        "type": "call.completed",
        "timestamp": "2025-11-21T07:47:14.500Z",
        "data": {"call_id": "call_1", "status": "completed", "outcome": "día"},
    }
    assert outbox.attempts == [
        ("d", Attempt(at=1763711240.0, status=200, answer="ok", duration=0.0), True, None)
    ]


async def test_a_receiver_with_the_standard_library_accepts_it() -> None:
    async with listening() as endpoint, guarded_client(LOOPBACK) as client:
        outbox = outbox_to(endpoint.url)
        await Deliverer(outbox, client).deliver("d")
    (received,) = endpoint.received
    verify(SECRET, received.headers, received.body)


async def test_a_delivery_is_signed_with_the_secret_before_a_rotation_too() -> None:
    async with listening() as endpoint, guarded_client(LOOPBACK) as client:
        outbox, fresh = outbox_to(endpoint.url), new_secret()
        rotated = replace(outbox.deliveries["d"], secret=fresh, previous_secret=SECRET)
        outbox.deliveries["d"] = rotated
        await Deliverer(outbox, client).deliver("d")
    (received,) = endpoint.received
    for secret in (fresh, SECRET):
        verify(secret, received.headers, received.body)


async def test_the_same_event_is_the_same_bytes_each_time() -> None:
    async with listening(says(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")) as endpoint:
        outbox = outbox_to(endpoint.url)
        async with deliverer(outbox, now=1763711240.0) as deliveries:
            await deliveries.deliver("d")
        async with deliverer(outbox, now=1763711999.0) as deliveries:
            await deliveries.deliver("d")
    first, second = endpoint.received
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


async def test_what_customers_are_told_can_be_rendered_by_others() -> None:
    async with listening() as endpoint, guarded_client(LOOPBACK) as client:
        outbox = outbox_to(endpoint.url)
        formats = {NATIVE_FORMAT: NativeFormat(lambda event: {"id": event.call_id})}
        await Deliverer(outbox, client, formats=formats).deliver("d")
    assert json.loads(endpoint.received[0].body)["data"] == {"id": "call_1"}


@pytest.mark.parametrize("status", [300, 302, 400, 404, 410, 429, 500, 503])
async def test_any_other_answer_is_tried_again(status: int) -> None:
    refusal = f"HTTP/1.1 {status} No\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno".encode()
    async with listening(says(refusal)) as endpoint:
        outbox = outbox_to(endpoint.url, attempts=1)
        async with deliverer(outbox) as deliveries:
            await deliveries.deliver("d")
    ((_, attempt, delivered, retry_at),) = outbox.attempts
    assert (attempt.status, attempt.answer) == (status, "no")
    assert not delivered
    assert retry_at == 1763711240.0 + 300.0


async def test_after_72_hours_it_is_given_up() -> None:
    async with listening(says(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n")) as endpoint:
        outbox = outbox_to(endpoint.url, attempts=9)
        async with deliverer(outbox, now=EVENT.created_at + 72 * 3600) as deliveries:
            await deliveries.deliver("d")
    ((_, _, delivered, retry_at),) = outbox.attempts
    assert (delivered, retry_at) == (False, None)


async def test_only_the_beginning_of_an_answer_is_kept_or_even_waited_for() -> None:
    async def endless(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
        while True:
            writer.write(b"x" * 1000)
            await writer.drain()

    async with listening(endless) as endpoint:
        outbox = outbox_to(endpoint.url)
        async with deliverer(outbox) as deliveries:
            await deliveries.deliver("d")
    ((_, attempt, delivered, _),) = outbox.attempts
    assert delivered
    assert attempt.answer == "x" * ANSWER_KEPT


async def test_an_answer_that_is_not_text_is_kept_as_well_as_it_can_be() -> None:
    binary = b"HTTP/1.1 500 No\r\ncontent-length: 3\r\nconnection: close\r\n\r\n\xff\x00a"
    async with listening(says(binary)) as endpoint:
        assert (await attempt_at(endpoint.url)).answer == "\ufffd\x00a"


async def test_an_endpoint_that_trickles_is_cut_off() -> None:
    async def trickle(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with listening(trickle) as endpoint:
        attempt = await attempt_at(endpoint.url, total_timeout=0.2)
    assert attempt.status is None
    assert attempt.answer == "no answer within 0.2 s"


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200", b"\x00" * 1000])
async def test_nonsense_is_a_failed_attempt(answer: bytes) -> None:
    async with listening(says(answer)) as endpoint:
        attempt = await attempt_at(endpoint.url)
    assert attempt.status is None
    assert attempt.answer


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/",
        "ftp://127.0.0.1/",
        "http://",
        "http:///path",
        "not a url",
        "",
        "http://[::1/",
        "http://127.0.0.1:99999/",
        "http://exa mple/",
        "file:///etc/passwd",
        "http://\u2603.\ud800/",
    ],
)
async def test_an_address_that_leads_nowhere_is_a_failed_attempt(url: str) -> None:
    attempt = await attempt_at(url)
    assert attempt.status is None
    assert attempt.answer


async def test_a_forbidden_address_is_said_so() -> None:
    outbox = outbox_to("http://127.0.0.1:9/")
    async with guarded_client() as client:
        await Deliverer(outbox, client).deliver("d")
    ((_, attempt, _, _),) = outbox.attempts
    assert attempt.answer == "127.0.0.1 leads to 127.0.0.1, which is not allowed"


async def test_a_delivery_that_is_settled_already_is_left_alone() -> None:
    outbox = FakeOutbox()
    async with deliverer(outbox) as deliveries:
        await deliveries.deliver("d")
    assert outbox.attempts == []


async def test_what_is_not_to_be_told_yet_is_no_attempt() -> None:
    class NotYet:
        async def compose(self, delivery: Delivery) -> OutgoingRequest | None:
            raise NotItsTurn("the call is still analysed")

    outbox = outbox_to("http://127.0.0.1:9/")
    async with guarded_client() as client:
        with pytest.raises(NotItsTurn):
            await Deliverer(outbox, client, formats={NATIVE_FORMAT: NotYet()}).deliver("d")
    assert outbox.attempts == []


async def test_one_slow_endpoint_holds_a_few_deliveries_and_delays_no_others() -> None:
    release = asyncio.Event()

    async def slow(received: Received, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.write(OK)

    async with listening(slow) as sluggish, listening() as quick:
        outbox = FakeOutbox()
        for number in range(PER_ENDPOINT + 1):
            base = outbox_to(sluggish.url).deliveries["d"]
            outbox.deliveries[f"slow{number}"] = replace(base, id=f"slow{number}")
        outbox.deliveries["quick"] = replace(outbox_to(quick.url).deliveries["d"], id="quick")
        async with deliverer(outbox) as deliveries, asyncio.TaskGroup() as tasks:
            for number in range(PER_ENDPOINT):
                tasks.create_task(deliveries.deliver(f"slow{number}"))
            while len(sluggish.received) < PER_ENDPOINT:
                await asyncio.sleep(0.01)
            with pytest.raises(NotItsTurn):
                await deliveries.deliver(f"slow{PER_ENDPOINT}")
            await deliveries.deliver("quick")
            assert [id for id, *_ in outbox.attempts] == ["quick"]
            release.set()
        async with deliverer(outbox) as deliveries:
            await deliveries.deliver(f"slow{PER_ENDPOINT}")
    assert len(outbox.attempts) == PER_ENDPOINT + 2


async def test_cancelling_leaves_no_delivery_counted() -> None:
    async def never(received: Received, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async with listening(never) as endpoint:
        outbox = outbox_to(endpoint.url)
        async with deliverer(outbox, total_timeout=60) as deliveries:
            for _ in range(PER_ENDPOINT + 1):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await deliveries.deliver("d")
    assert outbox.attempts == []


def test_the_client_really_has_the_guard() -> None:
    """The guard hangs on an attribute that httpx2 does not document."""
    client = guarded_client()
    transport = client._transport
    assert isinstance(transport, httpx2.AsyncHTTPTransport)
    backend = transport._pool._network_backend
    assert type(backend).__name__ == "EgressGuard"
