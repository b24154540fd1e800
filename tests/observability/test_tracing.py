"""One call is one trace: the request that asked for it, the worker that held it, the webhook.

The real store, queue and API; only the telephone is played, by one that is always busy.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import httpx2
import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import LogCapture

from strowger.api.app import create_app
from strowger.api.services import build_services
from strowger.calls.dispatcher import Dispatcher
from strowger.calls.numbers import DialPolicy
from strowger.calls.resources import KeyService
from strowger.calls.runner import Workplace
from strowger.errors import CallRefused
from strowger.model import DEFAULT_WORKSPACE, WorkerId
from strowger.ports import DialRequest, Line
from strowger.providers.registry import ConfiguredProviders, ProviderSettings
from strowger.store import (
    Handler,
    JobQueue,
    Kind,
    PostgresCallStore,
    PostgresOutbox,
    PostgresRecords,
)
from strowger.store.connect import open_engine
from strowger.store.ids import new_id
from strowger.webhooks.deliver import Deliverer
from strowger.webhooks.egress import guarded_client
from tests.calls.fakes import FakeLine
from tests.postgres import database_url
from tests.webhooks.server import listening

__all__ = ["database_url"]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
FLOW = {"start": "hi", "nodes": {"hi": {"type": "end", "text": "Hello."}}}


class BusyTelephone:
    @asynccontextmanager
    async def dial(
        self, request: DialRequest, on_ringing: Callable[[int], None]
    ) -> AsyncIterator[Line]:
        on_ringing(180)
        if request.to:
            raise CallRefused(486, "Busy Here")
        yield FakeLine()


@pytest.fixture(scope="module")
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    yield exporter
    provider.shutdown()


@pytest.fixture
def lines() -> Iterator[LogCapture]:
    capture = LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    yield capture
    structlog.configure(**before)


async def place(url: str, folder: Path, webhook: str) -> tuple[str, str]:
    """Ask for a call as a customer who traces would; its id and the request's."""
    engine = open_engine(url)
    records = PostgresRecords(engine)
    _, key = await KeyService(records, ids=new_id, clock=time.time).create(
        DEFAULT_WORKSPACE, "t", scopes=("*",)
    )
    services = build_services(
        records, ids=new_id, clock=time.time, policy=DialPolicy(),
        recording_path=lambda workspace, call: folder / workspace / f"{call}.wav",
    )  # fmt: skip
    transport = httpx2.ASGITransport(create_app(services))
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://strowger", headers=headers
    ) as client:
        made = await client.post("/v1/trunks", json={"name": "t", "host": "127.0.0.1"})
        assert made.status_code == 201, made.text
        body = {"to": "+14155550100", "agent": {"name": "a", "flow": FLOW}, "webhook_url": webhook}
        parent = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        answer = await client.post("/v1/calls", json=body, headers=parent)
        assert answer.status_code == 201, answer.text
    await engine.dispose()
    return answer.json()["id"], answer.headers["x-request-id"]


async def work(url: str, folder: Path, over: Callable[[], bool]) -> None:
    """A worker and a deliverer at work until the call has been told of."""
    engine = open_engine(url)
    async with (
        guarded_client((ip_network("127.0.0.0/8"),)) as client,
        ConfiguredProviders(ProviderSettings()) as providers,
    ):
        deliverer = Deliverer(PostgresOutbox(engine), client)
        store, worker = PostgresCallStore(engine), WorkerId(new_id("worker"))
        workplace = Workplace(
            store=store, telephone=BusyTelephone(), providers=providers, worker=worker,
            recordings=folder,
        )  # fmt: skip
        dispatcher = Dispatcher(workplace, lines=2)
        await dispatcher.introduce()
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(dispatcher.run())
            handlers: dict[str, Handler] = {
                Kind.DIAL: dispatcher.dial,
                Kind.DELIVER: deliverer.deliver,
            }
            queue = JobQueue(url, patience=1.0)
            jobs = tasks.create_task(queue.run(handlers, capacity=dispatcher.free_lines))
            while not over():
                await asyncio.sleep(0.02)
            jobs.cancel()
            running.cancel()
    await engine.dispose()


def test_a_call_is_one_trace_from_the_request_over_the_worker_to_the_webhook(
    database_url: str, tmp_path: Path, exporter: InMemorySpanExporter, lines: LogCapture
) -> None:
    async def main() -> tuple[str, str, list[dict[str, str]]]:
        async with listening() as endpoint:
            call, request = await place(database_url, tmp_path, endpoint.url)

            def over() -> bool:
                told = [json.loads(received.body)["type"] for received in endpoint.received]
                return "call.failed" in told

            await work(database_url, tmp_path, over)
            return call, request, [received.headers for received in endpoint.received]

    call, request, received = asyncio.run(main())
    spans = exporter.get_finished_spans()
    by_name: dict[str, list[ReadableSpan]] = {}
    for span in spans:
        context = span.get_span_context()
        assert context is not None
        if trace.format_trace_id(context.trace_id) == TRACE:
            by_name.setdefault(span.name, []).append(span)
    assert set(by_name) == {"POST /v1/calls", "job dial", "call", "job deliver", "webhook"}
    (asked,), (dialled,), (held,) = (by_name[n] for n in ("POST /v1/calls", "job dial", "call"))
    assert parent_of(dialled) == id_of(asked)
    assert parent_of(held) == id_of(dialled)
    assert held.attributes is not None
    assert held.attributes["strowger.call_id"] == call
    assert held.attributes["strowger.end_reason"] == "callee_busy"
    sent = {trace.format_span_id(id_of(span)) for span in by_name["webhook"]}
    assert {headers["traceparent"].split("-")[1] for headers in received} == {TRACE}
    assert {headers["traceparent"].split("-")[2] for headers in received} <= sent
    check_lines(lines, call, request)


def check_lines(lines: LogCapture, call: str, request: str) -> None:
    """Every line of the call's life names the call and the request that asked for it."""
    for event in ("call.ringing", "call.refused", "call.over", "webhook.attempt"):
        found = [line for line in lines.entries if line["event"] == event]
        assert found, event
        for line in found:
            assert (line["call_id"], line["request_id"]) == (call, request), line


def id_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def parent_of(span: ReadableSpan) -> int:
    assert span.parent is not None
    return span.parent.span_id
