"""The API over a database of its own, in this process: for what only the real thing shows."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from strowger.api.app import HttpPolicy, create_app
from strowger.api.services import Surroundings, build_services
from strowger.calls.numbers import DialPolicy
from strowger.calls.resources import KeyService
from strowger.model import DEFAULT_WORKSPACE, WorkspaceId
from strowger.store.calls import PostgresCallStore
from strowger.store.connect import STATEMENT_TIMEOUT, connect, open_engine
from strowger.store.deliveries import PostgresDeliveries
from strowger.store.events import CHANNEL
from strowger.store.ids import new_id
from strowger.store.notices import PostgresBell
from strowger.store.rates import PostgresRates
from strowger.store.records import PostgresRecords
from tests.fakes_around import ContentChecker, FixedCatalogue
from tests.postgres import KEYRING

AGENT = {"name": "Reception", "prompt": "Take appointments."}
CALL = {"to": "+14155550100", "agent": AGENT}
PATIENCE = 20.0


@dataclass
class House:
    """One API process."""

    url: str
    engine: AsyncEngine
    records: PostgresRecords
    store: PostgresCallStore
    bell: PostgresBell
    app: FastAPI
    now: list[float]
    client: httpx2.AsyncClient

    async def key(
        self, *scopes: str, workspace: str = DEFAULT_WORKSPACE, name: str = "t"
    ) -> dict[str, str]:
        """Headers with a new key."""
        await self.records.ensure_workspace(WorkspaceId(workspace), now=0.0)
        service = KeyService(self.records, ids=new_id, clock=lambda: self.now[0])
        _, text = await service.create(WorkspaceId(workspace), name, scopes=scopes or ("*",))
        return {"Authorization": f"Bearer {text}"}

    async def trunk(self, headers: dict[str, str], **fields: Any) -> str:
        body = {"name": "A", "host": "127.0.0.1", **fields}
        answer = await self.client.post("/v1/trunks", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def count(self, table: str) -> int:
        connection = await connect(self.url)
        try:
            return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))
        finally:
            await connection.close()

    async def order(self, statement: str) -> None:
        connection = await connect(self.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@asynccontextmanager
async def house(
    url: str,
    folder: Path,
    *,
    rate_limit: int = 0,
    pool_size: int = 10,
    statement_timeout: float = STATEMENT_TIMEOUT,
) -> AsyncIterator[House]:
    engine = open_engine(
        url, keyring=KEYRING, pool_size=pool_size, statement_timeout=statement_timeout
    )
    records, bell, now = PostgresRecords(engine), PostgresBell(url, CHANNEL), [1_790_000_000.125]
    services = build_services(
        records,
        Surroundings(
            deliveries=PostgresDeliveries(engine),
            catalogue=FixedCatalogue(),
            checker=ContentChecker(),
        ),
        ids=new_id,
        clock=lambda: now[0],
        policy=DialPolicy(),
        recording_path=lambda workspace, call: folder / f"{call}.wav",
        bell=bell,
    )
    policy = HttpPolicy(rate_limit=rate_limit)
    app = create_app(services, policy=policy, rates=PostgresRates(engine))
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://strowger") as client:
        yield House(url, engine, records, PostgresCallStore(engine), bell, app, now, client)
    await engine.dispose()


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """The app behind a real socket: streams really stream."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        host, port = listening.getsockname()
        config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server._serve([listening]), name="http")
            async with httpx2.AsyncClient(
                base_url=f"http://{host}:{port}", timeout=PATIENCE, trust_env=False
            ) as client:
                yield client
            server.should_exit = True
            await serving
