"""One call is one trace: the request that asked for it, the worker that held it, the webhook.

The API process and a worker, both whole, in this one; the carrier is always busy.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler, SamplingResult
from structlog.testing import LogCapture

from strowger.app.api import run_api
from strowger.app.database import bring_up
from strowger.app.worker import run_worker
from strowger.commands.keys import make_key
from strowger.config import Settings, load_settings
from tests.postgres import database_url
from tests.webhooks.server import listening

__all__ = ["database_url"]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
FLOW = {"start": "hi", "nodes": {"hi": {"type": "end", "text": "Hello."}}}


class Busy(asyncio.DatagramProtocol):
    """Answers every INVITE with 486."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, sender: tuple[str, int]) -> None:
        head = data.decode().partition("\r\n\r\n")[0].split("\r\n")
        if not head[0].startswith("INVITE "):
            return
        kept = ("via", "from", "to", "call-id", "cseq")
        lines = [line for line in head[1:] if line.partition(":")[0].strip().lower() in kept]
        tagged = [line + ";tag=b" if line.lower().startswith("to:") else line for line in lines]
        answer = ["SIP/2.0 486 Busy Here", *tagged, "Content-Length: 0", "", ""]
        self._transport.sendto("\r\n".join(answer).encode(), sender)


@asynccontextmanager
async def busy_carrier() -> AsyncIterator[int]:
    """The port of a trunk through which everybody is busy."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Busy, local_addr=("127.0.0.1", 0))
    yield int(transport.get_extra_info("sockname")[1])
    transport.close()


def settings_for(url: str, folder: Path, carrier: int) -> Settings:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        sip = int(probe.getsockname()[1])
    chosen = {
        "database_url": url, "data": folder, "port": 0, "sip": f"127.0.0.1:{sip}",
        "trunk": f"sip:127.0.0.1:{carrier}", "lines": 2, "stop_timeout": 1,
        "allow_networks": ["127.0.0.1/32"],
    }  # fmt: skip
    return load_settings(chosen, environ={}, file=None)


class Switch(Sampler):
    """Keeps spans while on: a provider, once set, stays for the other tests of the process."""

    def __init__(self) -> None:
        self.on = True

    def should_sample(self, *asked: Any, **more: Any) -> SamplingResult:
        return (ALWAYS_ON if self.on else ALWAYS_OFF).should_sample(*asked, **more)

    def get_description(self) -> str:
        return "switch"


@pytest.fixture(scope="module")
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter, switch = InMemorySpanExporter(), Switch()
    provider = TracerProvider(sampler=switch)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    yield exporter
    switch.on = False


@pytest.fixture
def lines() -> Iterator[LogCapture]:
    capture = LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    yield capture
    structlog.configure(**before)


async def ask(url: str, key: str, webhook: str) -> tuple[str, str]:
    """Ask for a call as a customer who traces would; its id and the request's."""
    body = {"to": "+14155550100", "agent": {"name": "a", "flow": FLOW}, "webhook_url": webhook}
    headers = {
        "Authorization": f"Bearer {key}",
        "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
    }
    async with httpx2.AsyncClient(base_url=url) as client:
        answer = await client.post("/v1/calls", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"], answer.headers["x-request-id"]


def test_a_call_is_one_trace_from_the_request_over_the_worker_to_the_webhook(
    database_url: str, tmp_path: Path, exporter: InMemorySpanExporter, lines: LogCapture
) -> None:
    async def main() -> tuple[str, str, list[dict[str, str]]]:
        async with listening() as endpoint, busy_carrier() as carrier:
            settings = settings_for(database_url, tmp_path, carrier)
            await bring_up(database_url, settings)
            key = await make_key(database_url, "t", ("*",))
            stop = asyncio.Event()

            async def stopped() -> None:
                await stop.wait()

            ready: asyncio.Queue[str] = asyncio.Queue()
            async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
                say = ready.put_nowait
                tasks.create_task(run_api(settings, say, stopped))
                tasks.create_task(run_worker(settings, 1, say, stopped))
                said = [await ready.get(), await ready.get()]
                (url,) = (one for one in said if one.startswith("http"))
                call, request = await ask(url, key, endpoint.url)
                while not any(b"call.failed" in one.body for one in endpoint.received):
                    await asyncio.sleep(0.02)
                stop.set()
            return call, request, [one.headers for one in endpoint.received]

    call, request, received = asyncio.run(main())
    by_name = spans_of_trace(exporter)
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


def spans_of_trace(exporter: InMemorySpanExporter) -> dict[str, list[ReadableSpan]]:
    by_name: dict[str, list[ReadableSpan]] = {}
    for span in exporter.get_finished_spans():
        context = span.get_span_context()
        assert context is not None
        if trace.format_trace_id(context.trace_id) == TRACE:
            by_name.setdefault(span.name, []).append(span)
    return by_name


def check_lines(lines: LogCapture, call: str, request: str) -> None:
    """Every line of the call's life names the call and the request that asked for it."""
    for event in ("call.refused", "call.over", "webhook.attempt"):
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
