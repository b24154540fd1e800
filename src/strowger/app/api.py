"""The API's process: HTTP, dialects among it, and the delivery of webhooks."""

import asyncio
import socket
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from strowger.app.database import POOL, database_of_child, keyring_of
from strowger.app.given import dial_policy, provider_settings, recording_path
from strowger.app.running import Ready, UntilStopped
from strowger.config import Settings
from strowger.errors import ConfigurationError
from strowger.memory import settle_memory
from strowger.model import NATIVE_FORMAT

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from strowger.api.dialects.serving import Dialects
    from strowger.api.services import Services, Surroundings
    from strowger.store.keyring import Keyring


async def run_api(settings: Settings, ready: Ready, stopped: UntilStopped) -> None:
    """Serve HTTP and deliver webhooks until told to stop."""
    import uvicorn

    from strowger.api.app import HttpPolicy, create_app
    from strowger.api.services import build_services
    from strowger.calls.render import render_event_data
    from strowger.calls.waiting import WaitingRoom
    from strowger.observability.figures import ApiFigures, PoolState
    from strowger.observability.lag import watch_loop
    from strowger.store.calls import PostgresWaitingCalls
    from strowger.store.connect import ANSWER_TIMEOUT, in_use, open_engine
    from strowger.store.house import PostgresHouse
    from strowger.store.ids import new_id
    from strowger.store.jobs import JobQueue
    from strowger.store.notices import EVENT_CHANNEL, PostgresBell
    from strowger.store.outbox import PostgresOutbox
    from strowger.store.queue import Kind
    from strowger.store.rates import PostgresRates
    from strowger.store.records import PostgresRecords
    from strowger.webhooks.deliver import Deliverer, NativeFormat
    from strowger.webhooks.egress import guarded_client

    url = await database_of_child(settings)
    async with AsyncExitStack() as stack:
        keyring = await asyncio.to_thread(keyring_of, settings)
        engine = open_engine(
            url,
            pool_size=POOL,
            statement_timeout=ANSWER_TIMEOUT,
            pool_timeout=ANSWER_TIMEOUT,
            keyring=keyring,
        )
        stack.push_async_callback(engine.dispose)
        bell = PostgresBell(url, EVENT_CHANNEL)
        waiting = WaitingRoom(PostgresWaitingCalls(engine))
        figures = ApiFigures()
        figures.watch_pool(lambda: PoolState(size=POOL, in_use=in_use(engine)))
        services = build_services(
            PostgresRecords(engine),
            _surroundings(settings, engine),
            ids=new_id,
            clock=time.time,
            policy=dial_policy(settings),
            recording_path=partial(recording_path, settings.recordings),
            bell=bell,
        )
        dialects = _dialects(settings, services, engine, keyring)
        listening = _listen(settings.host, settings.port)
        stack.callback(listening.close)
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(
                    services,
                    policy=HttpPolicy(rate_limit=settings.rate_limit),
                    rates=PostgresRates(engine),
                    figures=figures,
                    house=PostgresHouse(engine),
                    dialects=dialects,
                ),
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=5,
            )
        )
        client = await stack.enter_async_context(guarded_client(settings.allow_networks))
        deliverer = Deliverer(
            PostgresOutbox(engine),
            client,
            formats={NATIVE_FORMAT: NativeFormat(render_event_data), **dialects.formats()},
            on_attempt=figures.webhook_attempt,
        )
        settle_memory()
        async with asyncio.TaskGroup() as tasks:
            # Not `serve`: that takes the signals, which are `stopped`'s to hear.
            serving = tasks.create_task(server._serve([listening]), name="http")
            jobs = tasks.create_task(
                JobQueue(url).run(
                    {
                        Kind.DELIVER: deliverer.deliver,
                        Kind.QUEUE: waiting.queue,
                        Kind.RELEASE: waiting.release,
                    },
                    capacity=lambda: 0,
                ),
                name="jobs",
            )
            others = [
                tasks.create_task(bell.run(), name="bell"),
                tasks.create_task(waiting.tend(), name="waiting calls"),
                tasks.create_task(watch_loop(figures.loop_lag), name="loop lag"),
            ]
            host, port = listening.getsockname()[:2]
            ready(f"http://{host}:{port}")
            await stopped()
            server.should_exit = True
            await asyncio.wait([serving])
            waiting.stop()
            for task in (jobs, *others):
                task.cancel()


def _surroundings(settings: Settings, engine: "AsyncEngine") -> "Surroundings":
    """What the API looks at besides records."""
    from strowger.api.dialects.spoken import FORMATS
    from strowger.api.services import Surroundings
    from strowger.providers.catalogue import ProviderCatalogue
    from strowger.providers.description import describe
    from strowger.store.deliveries import PostgresDeliveries
    from strowger.telephony.checking import UdpTrunkChecker

    return Surroundings(
        deliveries=PostgresDeliveries(engine),
        catalogue=ProviderCatalogue(
            partial(describe, provider_settings(settings)), clock=time.monotonic
        ),
        checker=UdpTrunkChecker(settings.sip.host, public_host=settings.public_address),
        formats=FORMATS | {NATIVE_FORMAT},
    )


def _dialects(
    settings: Settings, services: "Services", engine: "AsyncEngine", keyring: "Keyring"
) -> "Dialects":
    """The dialects of the API. Raises ConfigurationError for a host that leads nowhere."""
    from strowger.api.dialects.endpoints import Backing
    from strowger.api.dialects.serving import Dialects
    from strowger.api.dialects.spoken import NAMES, SPOKEN
    from strowger.store.dialects import PostgresDialectRecords

    hosts = dict(settings.dialect_hosts)
    for host, name in hosts.items():
        if name not in NAMES:
            raise ConfigurationError(
                f"dialect_hosts: {host} leads to {name}, which is none of {', '.join(NAMES)}"
            )
    backing = Backing(
        services=services,
        kept=PostgresDialectRecords(engine),
        signer=keyring,
        public_url=settings.public_url or f"http://{_reachable(settings.host)}:{settings.port}",
    )
    return Dialects(backing=backing, spoken=SPOKEN, hosts=hosts)


def _reachable(host: str) -> str:
    """What a client on this machine writes for the address listened at."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int) -> socket.socket:
    """Raises ConfigurationError where the address is taken, not ours or not allowed."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(1024)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port"
        ) from error
    return listening
