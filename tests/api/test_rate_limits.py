"""How many requests a key may make in a minute, by one process and by several together."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from strowger.api.rate_limits import WINDOW, RateExceeded, RateLimiter
from strowger.model import DEFAULT_WORKSPACE, ApiKey, KeyId
from strowger.store.connect import open_engine
from strowger.store.rates import PostgresRates
from tests.api.conftest import refusal
from tests.api.house import house
from tests.postgres import database_url

__all__ = ["database_url"]

pytestmark = pytest.mark.anyio

KEY = ApiKey(id=KeyId("key_1"), workspace_id=DEFAULT_WORKSPACE, name="t", scopes=("*",))
OTHER = ApiKey(id=KeyId("key_2"), workspace_id=DEFAULT_WORKSPACE, name="o", scopes=("*",))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class CountingRates:
    """`ports.RateStore` in memory, that says how often it was asked."""

    def __init__(self) -> None:
        self.windows: Counter[tuple[str, float]] = Counter()
        self.asked = 0

    async def count(self, key: KeyId, requests: int, *, window: float) -> int:
        self.asked += 1
        await asyncio.sleep(0)
        self.windows[key, window] += requests
        return self.windows[key, window]


async def served(limiter: RateLimiter, key: ApiKey, requests: int) -> int:
    """How many of so many requests at once are let through."""

    async def one() -> bool:
        try:
            await limiter.admit(key)
        except RateExceeded:
            return False
        return True

    return sum(await asyncio.gather(*(one() for _ in range(requests))))


@pytest.mark.parametrize("limit", [1, 7, 100, 6000])
async def test_one_process_serves_the_limit_exactly_and_asks_seldom(limit: int) -> None:
    store, now = CountingRates(), [600.0]
    limiter = RateLimiter(store, limit=limit, clock=lambda: now[0])
    assert await served(limiter, KEY, limit + 50) == limit
    assert store.asked <= 60 + limit // 50
    assert await served(limiter, OTHER, 1) == 1, "each key has its own"
    now[0] += WINDOW
    assert await served(limiter, KEY, 2 * limit) == limit


async def test_the_state_counts_down_to_the_refusal() -> None:
    limiter = RateLimiter(CountingRates(), limit=3, clock=lambda: 615.5)
    states = [await limiter.admit(KEY) for _ in range(3)]
    assert [state.remaining for state in states] == [2, 1, 0]
    assert {state.reset for state in states} == {45}
    with pytest.raises(RateExceeded) as refused:
        await limiter.admit(KEY)
    assert refused.value.retry_after == 45
    assert refused.value.state.remaining == 0


async def test_processes_together_never_serve_more_and_hardly_less(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        limiters = []
        for _ in range(3):
            engine = open_engine(database_url, pool_size=2)
            stack.push_async_callback(engine.dispose)
            rates = PostgresRates(engine)
            limiters.append(RateLimiter(rates, limit=500, clock=lambda: 1000.0))
        done = await asyncio.gather(*(served(limiter, KEY, 400) for limiter in limiters))
    assert sum(done) == 500


async def test_every_answer_tells_the_limit_and_the_last_is_429(
    database_url: str, tmp_path: Path
) -> None:
    async with house(database_url, tmp_path, rate_limit=4) as home:
        headers = await home.key()
        answers = [
            await home.client.get("/v1/calls", headers=headers),
            await home.client.get("/v1/calls/call_1", headers=headers),
            await home.client.post("/v1/calls", content=b"{", headers=headers),
            await home.client.post("/v1/calls", json={}, headers=headers),
        ]
        assert [answer.status_code for answer in answers] == [200, 404, 415, 422]
        left = [answer.headers["ratelimit-remaining"] for answer in answers]
        assert left == ["3", "2", "1", "0"]
        for answer in answers:
            assert answer.headers["ratelimit-limit"] == "4"
            assert 1 <= int(answer.headers["ratelimit-reset"]) <= 60
        refused = await home.client.get("/v1/calls", headers=headers)
        refusal(refused, 429, "rate_limited")
        assert refused.headers["retry-after"] == refused.headers["ratelimit-reset"]
        assert refused.headers["ratelimit-remaining"] == "0"
        keyed = {**headers, "Idempotency-Key": "k"}
        refusal(await home.client.post("/v1/calls", json={}, headers=keyed), 429, "rate_limited")
        assert (await home.client.get("/v1/calls", headers=await home.key())).status_code == 200
        assert "ratelimit-limit" not in (await home.client.get("/healthz")).headers
        home.now[0] += 60
        assert (await home.client.get("/v1/calls", headers=headers)).status_code == 200


async def test_without_a_limit_nothing_is_counted(database_url: str, tmp_path: Path) -> None:
    async with house(database_url, tmp_path) as home:
        answer = await home.client.get("/v1/calls", headers=await home.key())
        assert "ratelimit-limit" not in answer.headers
        assert await home.count("rate_windows") == 0
