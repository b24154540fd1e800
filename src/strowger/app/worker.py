"""A worker's process: it conducts calls, and analyses those that are over."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from strowger.app.database import POOL, database_of_child, keyring_of
from strowger.app.given import dial_policy, provider_settings, recording_path
from strowger.app.running import Ready, UntilStopped
from strowger.config import Settings
from strowger.memory import settle_memory
from strowger.model import WorkerId
from strowger.precedence import LIMIT, take_precedence

log = structlog.get_logger()

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from strowger.observability.figures import MediaTotals
    from strowger.ports import Providers, Secrets, SimulatedTelephone, Toolboxes, TurnJudge
    from strowger.providers.settings import ProviderSettings
    from strowger.telephony.telephone import SipTelephone, TelephoneSettings


def come_first(settings: Settings) -> None:
    """To be asked before any thread is started, as threads have the precedence of their starter."""
    if not take_precedence(settings.worker_niceness):
        log.info("worker.no_precedence", niceness=settings.worker_niceness, permitted_by=LIMIT)


async def run_worker(settings: Settings, number: int, ready: Ready, stopped: UntilStopped) -> None:
    """Conduct calls until told to stop; then let them end. Analyses those that are over, too."""
    from strowger.calls.dispatcher import Dispatcher
    from strowger.calls.on_demand import TelephoneOnDemand
    from strowger.calls.runner import Workplace
    from strowger.observability.figures import WorkerFigures, exposition
    from strowger.observability.lag import watch_loop
    from strowger.observability.server import serve_figures
    from strowger.providers.registry import ConfiguredProviders
    from strowger.store.calls import PostgresCallStore
    from strowger.store.connect import open_engine
    from strowger.store.ids import new_id
    from strowger.store.jobs import JobQueue
    from strowger.store.notices import COMMAND_CHANNEL, PostgresBell
    from strowger.store.queue import Kind
    from strowger.telephony.silero import SileroModel
    from strowger.telephony.telephone import open_telephone

    url = await database_of_child(settings)
    async with AsyncExitStack() as stack:
        keyring = await asyncio.to_thread(keyring_of, settings)
        engine = open_engine(url, pool_size=POOL, keyring=keyring)
        stack.push_async_callback(engine.dispose)
        figures = WorkerFigures(lines=settings.lines)
        providers = await stack.enter_async_context(
            ConfiguredProviders(_ready_to_ask(settings), observer=figures)
        )
        telephone = await stack.enter_async_context(
            open_telephone(_telephone_settings(settings, number), SileroModel())
        )
        simulated = TelephoneOnDemand(partial(_simulated_telephone, providers, settings.lines))
        bell = PostgresBell(url, COMMAND_CHANNEL)
        store = PostgresCallStore(engine)
        dispatcher = Dispatcher(
            Workplace(
                bell=bell,
                store=store,
                toolboxes=await stack.enter_async_context(_toolboxes(settings, store)),
                policy=dial_policy(settings),
                judge=await _turn_judge(settings, stack),
                telephone=telephone,
                simulated=simulated,
                providers=providers,
                services=providers,
                worker=WorkerId(new_id("worker")),
                recording_path=partial(recording_path, settings.recordings),
                observer=figures,
            ),
            lines=settings.lines,
        )
        figures.watch(busy=dispatcher.busy_lines, media=lambda: media_totals(telephone))
        await dispatcher.introduce()
        if settings.metrics is not None:
            at = settings.metrics
            await stack.enter_async_context(
                serve_figures(at.host, at.port + number - 1, partial(exposition, figures.registry))
            )
        settle_memory()
        async with asyncio.TaskGroup() as tasks:
            lag = tasks.create_task(watch_loop(figures.loop_lag), name="loop lag")
            calls = tasks.create_task(dispatcher.run(), name="dispatcher")
            ringing = tasks.create_task(bell.run(), name="bell")
            simulating = tasks.create_task(simulated.run(), name="simulated telephone")
            jobs = tasks.create_task(
                JobQueue(url).run({Kind.DIAL: dispatcher.dial}, capacity=dispatcher.free_lines),
                name="dial jobs",
            )
            analysing = tasks.create_task(_analyse(url, engine, settings), name="analyses")
            host, port = settings.sip.host, settings.sip.port + number - 1
            ready(f"sip:{host}:{port}")
            await stopped()
            dispatcher.take_no_more()
            jobs.cancel()
            analysing.cancel()
            await asyncio.wait([jobs])  # what is in hand may still become a call
            await dispatcher.drain(settings.stop_timeout)
            for task in (calls, simulating, ringing, lag):
                task.cancel()


def _ready_to_ask(settings: Settings) -> "ProviderSettings":
    """The providers' settings, with the client loaded that these want."""
    given = provider_settings(settings)
    if given.asked_over_http:
        import aiohttp  # noqa: F401 - takes 0.4 s, which the first call is not to wait for
    return given


async def _analyse(url: str, engine: "AsyncEngine", settings: Settings) -> None:
    """Analyse calls that are over, until cancelled.

    Apart from the calls in everything: a model may think for longer here than while somebody
    listens, a provider that is slow with this is not thought ill of there, and when this process
    is to end no answer is waited for, as another will ask again.
    """
    from strowger.calls.analysis import Analyst
    from strowger.providers.http_service import HttpPolicy
    from strowger.providers.registry import ConfiguredProviders
    from strowger.store.analyses import PostgresAnalyses
    from strowger.store.jobs import JobQueue
    from strowger.store.queue import Kind

    given, patient = provider_settings(settings), HttpPolicy(first_byte=60.0, between=30.0)
    given = replace(given, http=patient, openai=replace(given.openai, http=patient))
    async with ConfiguredProviders(given) as providers:
        analyst = Analyst(PostgresAnalyses(engine), providers, clock=time.time)
        await JobQueue(url, patience=0.0).run({Kind.ANALYZE: analyst.analyze}, capacity=lambda: 0)


@asynccontextmanager
async def _simulated_telephone(
    providers: "Providers", lines: int
) -> AsyncIterator["SimulatedTelephone"]:
    """What test calls are dialled with. Nothing of it is loaded before the first, and then beside
    the event loop: it takes a fifth of a second, in which others speak."""
    exchange = await asyncio.to_thread(_simulated_exchange, providers, lines)
    async with exchange as telephone:
        yield telephone


def _simulated_exchange(
    providers: "Providers", lines: int
) -> AbstractAsyncContextManager["SimulatedTelephone"]:
    from strowger.simulate.exchange import open_exchange
    from strowger.telephony.silero import SileroModel

    return open_exchange(providers, SileroModel(), lines=lines)


def _telephone_settings(settings: Settings, number: int) -> "TelephoneSettings":
    """Each worker has a SIP port and a share of the RTP ports of its own."""
    from strowger.telephony.telephone import TelephoneSettings

    return TelephoneSettings(
        listen=(settings.sip.host, settings.sip.port + number - 1),
        public_host=settings.public_address,
        rtp_ports=_share_of_ports(settings, number),
        lines=settings.lines,
    )


def _share_of_ports(settings: Settings, number: int) -> tuple[int, int]:
    """The RTP ports of one worker: the range is dealt out evenly."""
    ports = settings.rtp_ports
    share = (ports.last - ports.first + 1) // max(settings.workers, 1) // 2 * 2
    first = ports.first + (number - 1) * share
    return first, first + share - 1


@asynccontextmanager
async def _toolboxes(settings: Settings, secrets: "Secrets") -> AsyncIterator["Toolboxes"]:
    """Tools of agents reach what webhooks may reach."""
    from strowger.toolbox.box import GuardedToolboxes
    from strowger.webhooks.egress import guarded_client

    async with guarded_client(settings.allow_networks) as client:
        yield GuardedToolboxes(client, secrets)


async def _turn_judge(settings: Settings, stack: AsyncExitStack) -> "TurnJudge | None":
    """Raises ConfigurationError where there is no such model."""
    if settings.turn_model is None:
        return None
    from strowger.providers import smart_turn

    return stack.enter_context(await asyncio.to_thread(smart_turn.load, settings.turn_model))


def media_totals(telephone: "SipTelephone") -> "MediaTotals":
    """What became of the packets of this worker's lines."""
    from strowger.observability.figures import MediaTotals

    return MediaTotals(
        packets_received=telephone.packets["received"],
        packets_lost=telephone.packets["lost"],
        packets_late=telephone.packets["late"],
        skipped_ticks=telephone.clock.skipped_ticks,
    )
