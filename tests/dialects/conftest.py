"""The API with its dialects over a database of its own, as vendors' clients see it."""

import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.testclient import TestClient

from strowger.api.app import create_app
from strowger.api.dialects.endpoints import Backing
from strowger.api.dialects.serving import Dialects
from strowger.api.dialects.spoken import FORMATS, SPOKEN
from strowger.api.rate_limits import RateLimiter
from strowger.api.services import Services, Surroundings, build_services
from strowger.calls.numbers import DialPolicy
from strowger.lifecycle import CallStatus, EndReason
from strowger.model import (
    DEFAULT_WORKSPACE,
    NATIVE_FORMAT,
    Call,
    CallId,
    CallResult,
    Event,
    EventId,
    KeyId,
    Recording,
    Turn,
    WorkerId,
    WorkspaceId,
)
from strowger.ports import Delivery, OutgoingRequest
from strowger.store.analyses import PostgresAnalyses
from strowger.store.calls import PostgresCallStore
from strowger.store.connect import open_engine
from strowger.store.deliveries import PostgresDeliveries
from strowger.store.dialects import PostgresDialectRecords
from strowger.store.ids import new_id
from strowger.store.records import PostgresRecords
from tests.fakes_around import ContentChecker, FixedCatalogue
from tests.postgres import KEYRING, database_url

__all__ = ["database_url"]

NOW = 1_790_000_000.125
WORKER = WorkerId("worker_1")
SAID = (
    Turn(role="agent", text="Hello, is this Juan?", started_at=0.2, ended_at=1.6),
    Turn(role="callee", text="Yes, it is.", started_at=2.0, ended_at=2.9),
    Turn(role="agent", text="Goodbye.", started_at=3.4, ended_at=4.0),
)


@dataclass
class Shop:
    """A running API, and what happens behind its back."""

    client: TestClient
    services: Services
    store: PostgresCallStore
    analyses: PostgresAnalyses
    dialects: Dialects
    recordings: Path
    now: list[float]
    key: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def behind(self, awaitable: Any) -> Any:
        """Await something in the API's own loop."""
        assert self.client.portal is not None

        async def wait() -> Any:
            return await awaitable

        return self.client.portal.call(wait)

    def new_key(self, *scopes: str, workspace: str = DEFAULT_WORKSPACE, test: bool = False) -> str:
        """A key's text."""
        made = self.services.keys.create(
            WorkspaceId(workspace), "t", scopes=scopes or ("*",), test=test
        )
        return str(self.behind(made)[1])

    def native(self, method: str, path: str, body: Any = None) -> Any:
        """A request to Strowger's own API."""
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = self.client.request(method, path, json=body, headers=headers)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def agent(self, name: str = "Reception", **fields: Any) -> str:
        """The id of a native agent."""
        body = {"name": name, "prompt": "Be kind to {{lead_name}}.", **fields}
        return str(self.native("POST", "/v1/agents", body)["id"])

    def call(self, call_id: str) -> Call:
        found: Call = self.behind(self.services.calls.get(DEFAULT_WORKSPACE, CallId(call_id)))
        return found

    def conduct(
        self,
        call_id: str,
        *,
        status: CallStatus = CallStatus.COMPLETED,
        reason: EndReason = EndReason.CALLEE_HANGUP,
        recorded: bool = True,
    ) -> Call:
        """Have a worker dial, answer (where it is to be completed) and end the call."""

        async def work() -> None:
            id, at = CallId(call_id), self.now[0]
            assert await self.store.claim_dial_attempt(id, WORKER, now=at)
            await self.store.set_status(id, CallStatus.INITIATED, WORKER, now=at + 1)
            answered = status is CallStatus.COMPLETED
            if answered:
                await self.store.set_status(id, CallStatus.IN_PROGRESS, WORKER, now=at + 3)
                for turn in SAID:
                    await self.store.add_turn(id, turn, now=at + 3 + turn.ended_at)
            result = CallResult(
                status=status,
                end_reason=reason,
                ended_at=at + 8,
                transcript=SAID if answered else (),
                answered_by="human" if answered else "unknown",
                recording=Recording(available=answered and recorded, duration=5.0),
            )
            await self.store.finish(id, result)

        self.behind(work())
        return self.call(call_id)

    def composed(
        self,
        format: str,
        call_id: str,
        type: str,
        *,
        payload: Mapping[str, object] | None = None,
        at: float | None = None,
    ) -> OutgoingRequest | None:
        """What a webhook of this format is sent for an event of the call, which happened now or
        `at` another time."""
        call = self.call(call_id)
        event = Event(
            id=EventId("event_1"),
            workspace_id=call.workspace_id,
            type=type,
            created_at=self.now[0] if at is None else at,
            payload=payload or {},
            call_id=call.id,
        )
        delivery = Delivery(
            id="delivery_1",
            url="https://example.com/hook",
            secret="whsec_" + "a" * 32,
            event=event,
            attempts=0,
            format=format,
        )
        writer = self.dialects.formats()[format.partition(":")[0]]
        composed: OutgoingRequest | None = self.behind(writer.compose(delivery))
        return composed


class Full:
    """A rate store in which every minute is full."""

    async def count(self, key: KeyId, requests: int, *, window: float) -> int:
        return 1_000_000


@contextmanager
def crowded(shop: Shop) -> Iterator[None]:
    """Every key has asked too often."""
    app: Any = shop.client.app
    app.state.limiter = RateLimiter(Full(), limit=1, clock=lambda: shop.now[0])
    try:
        yield
    finally:
        app.state.limiter = None


@pytest.fixture
def shop(database_url: str, tmp_path: Path) -> Iterator[Shop]:
    """With a trunk, a number +14155550000 and a key; clients send `shop.key` their own way."""
    engine: AsyncEngine = open_engine(database_url, keyring=KEYRING, pool_size=4)
    records, now = PostgresRecords(engine), [NOW]
    services = build_services(
        records,
        Surroundings(
            deliveries=PostgresDeliveries(engine),
            catalogue=FixedCatalogue(),
            checker=ContentChecker(),
            formats=FORMATS | {NATIVE_FORMAT},
        ),
        ids=new_id,
        clock=lambda: now[0],
        policy=DialPolicy(),
        recording_path=lambda workspace, call: tmp_path / workspace / f"{call}.wav",
    )
    backing = Backing(
        services=services,
        kept=PostgresDialectRecords(engine),
        signer=KEYRING,
        public_url="http://testserver",
    )
    dialects = Dialects(
        backing=backing, spoken=SPOKEN, hosts={f"api.{one.name}.test": one.name for one in SPOKEN}
    )
    with TestClient(create_app(services, dialects=dialects)) as client:
        store = PostgresCallStore(engine)
        shop = Shop(client, services, store, PostgresAnalyses(engine), dialects, tmp_path, now)
        shop.behind(records.ensure_workspace(WorkspaceId("workspace_other"), now=NOW))
        shop.key = shop.new_key()
        shop.native("POST", "/v1/trunks", {"name": "t", "host": "127.0.0.1", "port": 5070})
        shop.native("POST", "/v1/phone-numbers", {"number": "+14155550000"})
        yield shop
        shop.behind(engine.dispose())


def record_silence(shop: Shop, call_id: str, seconds: float = 1.0) -> None:
    """A recording where the worker would have put it."""
    folder = shop.recordings / DEFAULT_WORKSPACE
    folder.mkdir(parents=True, exist_ok=True)
    with wave.open(str(folder / f"{call_id}.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(int(seconds * 8000) * 4))
