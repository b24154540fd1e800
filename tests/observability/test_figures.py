"""What Prometheus is shown, by the API and by workers."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from strowger.api.app import create_app
from strowger.api.services import Services
from strowger.calls.numbers import DialPolicy
from strowger.conversation.events import ProviderKind
from strowger.errors import ConfigurationError, Unavailable
from strowger.lifecycle import CallStatus, EndReason
from strowger.model import DEFAULT_WORKSPACE, TurnLatency
from strowger.observability.figures import (
    MOST_VERSIONS,
    ApiFigures,
    MediaTotals,
    PoolState,
    WorkerFigures,
    exposition,
)
from strowger.observability.lag import watch_loop
from strowger.observability.server import serve_figures
from strowger.ports import Attempt, HouseState, Readiness
from tests.api.conftest import Api, make_api
from tests.store.samples import RESULT, a_call

__all__ = ["make_api"]


def samples(page: bytes | str) -> dict[tuple[str, ...], float]:
    """By name and the values of its labels, in order of the labels' names."""
    text = page.decode() if isinstance(page, bytes) else page
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class FakeHouse:
    def __init__(self) -> None:
        self.found: HouseState | None = HouseState(
            jobs={("dial", "queued"): 7}, calls={"queued": 7, "in_progress": 2},
            workers=1, lines=10, busy=2,
        )  # fmt: skip
        self.tables = "0009"

    async def state(self) -> HouseState:
        if self.found is None:
            raise Unavailable("gone")
        return self.found

    async def readiness(self) -> Readiness:
        if self.found is None:
            raise Unavailable("gone")
        return Readiness(tables=self.tables, expected="0009", workers=self.found.workers)


@pytest.fixture
def api(make_api: Callable[[DialPolicy], Api]) -> Api:
    return make_api(DialPolicy())


def watched(services: Services, figures: ApiFigures, house: FakeHouse) -> TestClient:
    return TestClient(create_app(services, figures=figures, house=house))


def test_requests_are_counted_by_route_and_not_by_id(api: Api) -> None:
    figures, house = ApiFigures(), FakeHouse()
    figures.watch_pool(lambda: PoolState(size=10, in_use=3))
    client = watched(api.services, figures, house)
    for number in range(3):
        assert client.get(f"/v1/calls/call_{number}", headers=api.headers).status_code == 404
    client.request("BREW", "/v1/calls")
    client.get("/no/such/address")
    figures.webhook_attempt(Attempt(at=1.0, status=200, answer="", duration=0.2), "delivered")
    page = client.get("/metrics", headers=api.headers)
    assert page.headers["content-type"].startswith("text/plain")
    found = samples(page.text)
    count = "strowger_http_request_seconds_count"
    assert found[count, "GET", "/v1/calls/{call_id}", "404"] == 3
    assert sum(found[key] for key in found if key[:2] == (count, "other")) == 1
    assert found[count, "GET", "(none)", "404"] == 1
    assert found["strowger_jobs", "dial", "queued"] == 7
    assert found["strowger_calls", "in_progress"] == 2
    assert found["strowger_workers",] == 1
    assert found["strowger_lines_busy",] == 2
    assert found["strowger_database_connections", "in_use"] == 3
    assert found["strowger_webhook_attempt_seconds_count", "delivered"] == 1
    assert found["strowger_database_up",] == 1


def test_a_lost_database_is_a_figure_and_not_an_error(api: Api) -> None:
    figures, house = ApiFigures(), FakeHouse()
    client = watched(api.services, figures, house)
    house.found = None
    found = samples(client.get("/metrics", headers=api.headers).text)
    assert found["strowger_database_up",] == 0
    assert ("strowger_jobs", "dial", "queued") not in found


def test_figures_are_the_operators(api: Api) -> None:
    client = watched(api.services, ApiFigures(), FakeHouse())
    assert client.get("/metrics").status_code == 401
    reader = api.as_(DEFAULT_WORKSPACE, "calls:read").headers
    assert client.get("/metrics", headers=reader).status_code == 403
    other = api.as_("workspace_other").headers
    refused = client.get("/metrics", headers=other)
    assert (refused.status_code, refused.json()["code"]) == (403, "operator_only")


def test_readiness_says_what_it_found(api: Api) -> None:
    house = FakeHouse()
    client = watched(api.services, ApiFigures(), house)
    assert client.get("/readyz").json() == {
        "status": "ok", "database": "ok", "tables": "0009", "workers": 1,
    }  # fmt: skip
    house.found = HouseState()
    assert client.get("/readyz").json()["workers"] == 0
    house.tables = "0008"
    assert client.get("/readyz").status_code == 503
    house.found = None
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_a_worker_shows_its_lines_calls_answers_and_packets() -> None:
    figures = WorkerFigures(lines=10)
    totals = MediaTotals(packets_received=100, packets_lost=2, packets_late=1, skipped_ticks=4)
    figures.watch(busy=lambda: 3, media=lambda: totals)
    figures.call_over(a_call(), RESULT)
    failed = replace(
        RESULT, status=CallStatus.FAILED, end_reason=EndReason.TRUNK_UNREACHABLE, transcript=()
    )
    figures.call_over(a_call(), failed)
    found = samples(exposition(figures.registry))
    ended = "strowger_calls_ended_total"
    assert found[ended, RESULT.end_reason, RESULT.status] == 1
    assert found[ended, "trunk_unreachable", "failed"] == 1
    measured = [
        turn.latency.total
        for turn in RESULT.transcript
        if turn.latency is not None and turn.latency.total is not None
    ]
    assert measured
    assert found["strowger_response_seconds_count",] == len(measured)
    assert found["strowger_response_seconds_sum",] == pytest.approx(sum(measured))
    assert (found["strowger_lines", "busy"], found["strowger_lines", "free"]) == (3, 7)
    fates = {
        fate: found["strowger_rtp_packets_total", fate] for fate in ("received", "lost", "late")
    }
    assert fates == {"received": 100, "lost": 2, "late": 1}
    assert found["strowger_media_ticks_skipped_total",] == 4
    assert not any(name.startswith("strowger_reply_stage") for name, *_ in found)


def test_stages_of_replies_are_shown_for_the_versions_of_kept_agents_that_had_calls_last() -> None:
    figures = WorkerFigures(lines=10)
    latency = TurnLatency(endpointing=0.5, speech=0.1, wire=0.02, total=0.62)
    turn = replace(RESULT.transcript[0], latency=latency)
    result = replace(RESULT, transcript=(turn,))
    for version in range(1, MOST_VERSIONS + 2):
        figures.call_over(a_call(agent_id="agent_a", agent_version=version), result)
        figures.call_over(a_call(agent_id="agent_a", agent_version=2), result)
    found = samples(exposition(figures.registry))
    sums = [
        (*labels, value)
        for (name, *labels), value in found.items()
        if name == "strowger_reply_stage_seconds_sum"
    ]
    versions = {version for _, _, version, _ in sums}
    assert versions == {"2", *(str(n) for n in range(3, MOST_VERSIONS + 2))}
    last = {stage: value for _, stage, version, value in sums if version == "21"}
    assert last == {"endpointing": 0.5, "speech": 0.1, "wire": 0.02, "total": 0.62}


def test_a_worker_shows_how_its_providers_do() -> None:
    figures = WorkerFigures(lines=1)
    figures.provider_answered(ProviderKind.TEXT_TO_SPEECH, "elevenlabs", 0.18)
    figures.provider_failed(ProviderKind.SPEECH_TO_TEXT, "deepgram")
    page = exposition(figures.registry).decode()
    answered = 'strowger_provider_seconds_count{kind="text_to_speech",provider="elevenlabs"} 1.0'
    failed = 'strowger_provider_failures_total{kind="speech_to_text",provider="deepgram"} 1.0'
    assert answered in page
    assert failed in page


def test_a_worker_serves_its_figures_and_nothing_else() -> None:
    async def main() -> None:
        async with (
            serve_figures("127.0.0.1", 0, lambda: b"a 1\n") as port,
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        ):
            page = await client.get("/metrics?x=1")
            assert (page.status_code, page.content) == (200, b"a 1\n")
            assert page.headers["content-type"].startswith("text/plain")
            assert (await client.head("/metrics")).headers["content-length"] == "4"
            assert (await client.get("/")).status_code == 404
            assert (await client.post("/metrics")).status_code == 405
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x" * 40_000)
            assert await reader.read() == b""  # cut off, and the page is still served
            writer.close()
            assert (await client.get("/metrics")).status_code == 200
            with pytest.raises(ConfigurationError, match="--metrics"):
                async with serve_figures("127.0.0.1", port, lambda: b""):
                    pass

    asyncio.run(main())


def test_a_loop_that_is_held_up_is_noticed() -> None:
    seen: list[float] = []

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch_loop(seen.append, every=0.01, tell_from=9.0))
            await asyncio.sleep(0.02)
            time.sleep(0.1)
            await asyncio.sleep(0.02)
            watching.cancel()

    asyncio.run(main())
    assert max(seen) >= 0.08
