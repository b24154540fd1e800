"""One delivery: sign, send, write down what came of it, plan the next try."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import httpx2
import structlog
from opentelemetry import propagate, trace

from strowger import __version__
from strowger.errors import NotFound, NotItsTurn, StrowgerError
from strowger.model import NATIVE_FORMAT, Event
from strowger.ports import Attempt, Delivery, Outbox, OutgoingRequest, WebhookFormat
from strowger.webhooks.egress import TOTAL_TIMEOUT
from strowger.webhooks.schedule import DELAYS, retry_at
from strowger.webhooks.signing import signed_headers

log = structlog.get_logger()
TRACER = trace.get_tracer("strowger")

ANSWER_KEPT = 2048  # bytes
PER_ENDPOINT = 10
"""Deliveries one endpoint gets at once: a slow one must not take all there is."""

Render = Callable[[Event], Mapping[str, object]]
"""What customers are told of an event: the body's `data`."""


class NativeFormat:
    """Strowger's own way, which has a word for every event."""

    def __init__(self, render: Render | None = None) -> None:
        self._render = render or _payload

    async def compose(self, delivery: Delivery) -> OutgoingRequest:
        return OutgoingRequest(url=delivery.url, body=body_of(delivery.event, self._render))


class UnknownFormat(StrowgerError):
    """A delivery is to be written in a way that this server does not have."""


class Deliverer:
    """Makes deliveries; `deliver` is the handler of the queue's jobs for them."""

    def __init__(
        self,
        outbox: Outbox,
        client: httpx2.AsyncClient,
        *,
        formats: Mapping[str, WebhookFormat] | None = None,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
        total_timeout: float = TOTAL_TIMEOUT,
        delays: Sequence[float] = DELAYS,
        on_attempt: Callable[[Attempt, str], None] | None = None,
    ) -> None:
        """`client` is to come from `egress.guarded_client`; `formats` write what is sent,
        by the name before the colon of its format; without them that is Strowger's own way.

        `on_attempt` hears of each attempt and what came of it: `delivered`, `failed`, which is to
        be tried again, or `given_up`.
        """
        self._outbox = outbox
        self._client = client
        self._formats = formats or {NATIVE_FORMAT: NativeFormat()}
        self._clock = clock
        self._jitter = jitter
        self._total_timeout = total_timeout
        self._delays = delays
        self._on_attempt = on_attempt
        self._in_flight: Counter[str] = Counter()

    async def deliver(self, job: str) -> None:
        """Make the attempt that a job is for. Raises NotItsTurn."""
        delivery = await self._outbox.due(job)
        if delivery is None:
            return
        try:
            request = await self._composed(delivery)
        except (UnknownFormat, NotFound) as missing:  # the format, or the call it would tell of
            await self._record_unsent(delivery, str(missing), delivered=False)
            return
        if request is None:
            answer = f"not sent: {delivery.format} has no word for {delivery.event.type}"
            await self._record_unsent(delivery, answer, delivered=True)
            return
        endpoint = _endpoint(request.url)
        if self._in_flight[endpoint] >= PER_ENDPOINT:
            raise NotItsTurn(f"{endpoint} has {PER_ENDPOINT} deliveries in flight")
        self._in_flight[endpoint] += 1
        try:
            attempt = await self._traced(delivery, request)
        finally:
            self._in_flight[endpoint] -= 1
            self._in_flight += Counter()  # forgets endpoints with nothing in flight
        await self._record(delivery, attempt)

    async def _composed(self, delivery: Delivery) -> OutgoingRequest | None:
        """What is to be sent. Raises UnknownFormat."""
        name = delivery.format.partition(":")[0]
        if name not in self._formats:
            raise UnknownFormat(f"not sent: there is no format {name} here")
        return await self._formats[name].compose(delivery)

    async def _record_unsent(self, delivery: Delivery, answer: str, *, delivered: bool) -> None:
        attempt = Attempt(at=self._clock(), status=None, answer=answer, duration=0.0)
        await self._outbox.record_attempt(
            delivery.id, attempt, number=delivery.attempts, delivered=delivered, retry_at=None
        )

    async def _traced(self, delivery: Delivery, request: OutgoingRequest) -> Attempt:
        with TRACER.start_as_current_span("webhook", kind=trace.SpanKind.CLIENT) as span:
            attempt = await self._attempt(delivery, request)
            span.set_attribute("strowger.event", delivery.event.type)
            span.set_attribute("strowger.event_id", delivery.event.id)
            span.set_attribute("strowger.call_id", delivery.event.call_id or "")
            if attempt.status is not None:
                span.set_attribute("http.response.status_code", attempt.status)
        return attempt

    async def _record(self, delivery: Delivery, attempt: Attempt) -> None:
        delivered = attempt.status is not None and 200 <= attempt.status < 300
        again = None
        if not delivered:
            again = retry_at(
                attempts=delivery.attempts + 1,
                happened_at=delivery.event.created_at,
                now=attempt.at + attempt.duration,
                jitter=self._jitter(),
                delays=self._delays,
            )
        outcome = "delivered" if delivered else "given_up" if again is None else "failed"
        log.info(
            "webhook.attempt",
            outcome=outcome,
            delivery_id=delivery.id,
            event_id=delivery.event.id,
            call_id=delivery.event.call_id,
            status=attempt.status,
        )
        if self._on_attempt is not None:
            self._on_attempt(attempt, outcome)
        await self._outbox.record_attempt(
            delivery.id, attempt, number=delivery.attempts, delivered=delivered, retry_at=again
        )

    async def _attempt(self, delivery: Delivery, request: OutgoingRequest) -> Attempt:
        at = self._clock()
        signing = [secret for secret in (delivery.secret, delivery.previous_secret) if secret]
        headers = signed_headers(*signing, message_id=delivery.event.id, at=at, body=request.body)
        headers["content-type"] = "application/json"
        headers.update(request.headers)
        headers["user-agent"] = f"Strowger/{__version__}"
        propagate.inject(headers)  # who receives it may go on with the trace
        status = None
        try:
            async with asyncio.timeout(self._total_timeout):
                status, answer = await self._send(request, headers)
        except TimeoutError:
            answer = f"no answer within {self._total_timeout:g} s"
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            answer = str(error) or type(error).__name__
        return Attempt(at=at, status=status, answer=answer, duration=max(0.0, self._clock() - at))

    async def _send(self, request: OutgoingRequest, headers: Mapping[str, str]) -> tuple[int, str]:
        """The answer's status and the beginning of its body; the rest is not waited for."""
        async with self._client.stream(
            request.method, request.url, headers=headers, content=request.body
        ) as response:
            answer = b""
            async for piece in response.aiter_raw():
                answer += piece
                if len(answer) >= ANSWER_KEPT:
                    break
            return response.status_code, answer[:ANSWER_KEPT].decode(errors="replace")


def body_of(event: Event, render: Render) -> bytes:
    """The same bytes each time: the event is kept as it happened."""
    moment = datetime.fromtimestamp(event.created_at, UTC).isoformat(timespec="milliseconds")
    message = {
        "type": event.type,
        "timestamp": moment.replace("+00:00", "Z"),
        "data": render(event),
    }
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def _endpoint(url: str) -> str:
    """Host and port: who shares the limit. A URL that is none has it to itself."""
    try:
        return httpx2.URL(url).netloc.decode()
    except httpx2.InvalidURL:
        return url


def _payload(event: Event) -> Mapping[str, object]:
    return event.payload
