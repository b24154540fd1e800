"""The composition root: builds the parts of each process and ends them in order.

Only this file knows which adapter fills which port.
"""

import asyncio
import logging
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TextIO, TypeVar

import structlog
from opentelemetry import trace

from strowger.config import Settings, TrunkAddress
from strowger.errors import ConfigurationError, Unavailable, leaves
from strowger.log_stream import lossy
from strowger.memory import settle_memory
from strowger.model import DEFAULT_WORKSPACE, NATIVE_FORMAT, Trunk, TrunkId, WorkerId

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from strowger.api.dialects.serving import Dialects
    from strowger.api.services import Services, Surroundings
    from strowger.calls.numbers import DialPolicy
    from strowger.observability.figures import MediaTotals
    from strowger.ports import Providers, Secrets, SimulatedTelephone, Toolboxes, TurnJudge
    from strowger.providers.registry import ProviderSettings
    from strowger.store.keyring import Keyring
    from strowger.telephony.telephone import SipTelephone, TelephoneSettings

T = TypeVar("T")

Ready = Callable[[str], None]
UntilStopped = Callable[[], Awaitable[None]]

CONFIGURED_TRUNK = TrunkId("trunk_default")
"""The id of the trunk that STROWGER_TRUNK describes."""
PREPARED_AT_MOST = 3
"""How often an embedded database is brought up that dies before it is ready."""
POOL = 10
"""Database connections of one process."""


def configure_logging(settings: Settings, process: str, stream: TextIO | None = None) -> None:
    """Log lines on standard error, with the process and, within a call, its id."""
    lines = lossy(stream or sys.stderr)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Tracebacks without local variables: these hold passwords and what people said.
    renderer: list[structlog.typing.Processor] = [
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )
    ]
    if settings.log_format == "json":
        without_locals = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        renderer = [
            structlog.processors.ExceptionRenderer(without_locals),
            structlog.processors.JSONRenderer(),
        ]
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(lines),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    logging.basicConfig(stream=lines, level=max(level, logging.WARNING))


def _add_trace(
    logger: object, method: str, line: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """The trace a line belongs to, where traces are kept."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        line["trace_id"] = trace.format_trace_id(context.trace_id)
    return line


def run_loop(main: Coroutine[None, None, T]) -> T:
    """Run to the end on uvloop. What the operator is to read is raised plainly, never in a group.

    Raises ConfigurationError or Unavailable.
    """
    import uvloop

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main)
    except* (ConfigurationError, Unavailable) as errors:
        raise next(leaves(errors)) from None
    raise AssertionError("either it returned or it raised")


# ── the database ─────────────────────────────────────────────────────────────────────────────


def database_url(settings: Settings) -> str:
    """The operator's database, or the embedded one, started where it is not running. Blocks."""
    from strowger.store import embedded

    if settings.database_url is not None:
        return settings.database_url
    return embedded.start(settings.data).url


async def _database_of_child(settings: Settings) -> str:
    """The same for a process that comes after `prepare`: what worked then will work again.

    Raises Unavailable, which ends this process to be started again, and not the whole house.
    """
    try:
        return await asyncio.to_thread(database_url, settings)
    except ConfigurationError as error:
        raise Unavailable(str(error)) from error


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """A database at this version, for a command: what it started, it stops. Blocks."""
    from strowger.store import embedded

    running = None if settings.database_url is not None else embedded.start(settings.data)
    url = settings.database_url if running is None else running.url
    assert url is not None
    try:
        asyncio.run(bring_up(url, settings))
        yield url
    finally:
        if running is not None and running.started:
            with suppress(ConfigurationError), embedded.claim(settings.data):
                running.stop()  # unless a server came up meanwhile and needs it


async def prepare(settings: Settings, ready: Ready) -> None:
    """Make the database ready for the processes that follow.

    An embedded one that dies meanwhile is started again: nobody else keeps it running yet.
    """
    own = settings.database_url is None
    for tries_left in reversed(range(PREPARED_AT_MOST if own else 1)):
        url = await asyncio.to_thread(database_url, settings)
        try:
            await bring_up(url, settings)
        except Unavailable as error:
            if not tries_left:
                raise
            structlog.get_logger().warning("database lost, starting it again", problem=str(error))
        else:
            ready("database")
            return


def keyring_of(settings: Settings) -> "Keyring":
    """The keys for secrets: those configured, else those in the data folder, made if missing.

    Raises ConfigurationError.
    """
    from strowger.store.keyring import FILE_NAME, GivenKeys, KeyFile, Keyring, parse_keys

    if settings.secret_keys is not None:
        return Keyring(GivenKeys(parse_keys(settings.secret_keys, "STROWGER_SECRET_KEYS")))
    file = KeyFile(settings.data / FILE_NAME)
    file.make_if_missing()
    return Keyring(file)


async def bring_up(url: str, settings: Settings) -> None:
    """Bring the database to this version, see that its secrets open with the keys there are, and
    write down what the configuration names."""
    from strowger.store.connect import open_engine
    from strowger.store.migrate import migrate
    from strowger.store.records import PostgresRecords
    from strowger.store.sealing import check

    keyring = await asyncio.to_thread(keyring_of, settings)
    await migrate(url, keyring=keyring)
    engine = open_engine(url, pool_size=1, keyring=keyring)
    try:
        await check(engine)
        records, now = PostgresRecords(engine), time.time()
        await records.ensure_workspace(DEFAULT_WORKSPACE, now=now)
        await records.limit_workspace(DEFAULT_WORKSPACE, settings.max_calls or None)
        if (trunk := settings.trunk) is not None:
            await records.ensure_trunk(configured_trunk(trunk, now=now))
    finally:
        await engine.dispose()


def configured_trunk(address: TrunkAddress, *, now: float) -> Trunk:
    """The trunk that the configuration names, as it is kept."""
    return Trunk(
        id=CONFIGURED_TRUNK,
        workspace_id=DEFAULT_WORKSPACE,
        name="from the configuration",
        host=address.host,
        port=address.port,
        username=address.username,
        password=address.password,
        is_default=True,
        created_at=now,
        updated_at=now,
    )


# ── the API process ──────────────────────────────────────────────────────────────────────────


async def run_api(settings: Settings, ready: Ready, stopped: UntilStopped) -> None:
    """Serve HTTP and deliver webhooks until told to stop."""
    import uvicorn

    from strowger.api.app import HttpPolicy, create_app
    from strowger.api.services import build_services
    from strowger.calls.render import render_event_data
    from strowger.calls.runner import recording_path
    from strowger.calls.waiting import WaitingRoom
    from strowger.observability.figures import ApiFigures, PoolState
    from strowger.observability.lag import watch_loop
    from strowger.store.calls import PostgresWaitingCalls
    from strowger.store.connect import in_use, open_engine
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

    url = await _database_of_child(settings)
    async with AsyncExitStack() as stack:
        keyring = await asyncio.to_thread(keyring_of, settings)
        engine = open_engine(url, pool_size=POOL, keyring=keyring)
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
            policy=_dial_policy(settings),
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
    from strowger.store.deliveries import PostgresDeliveries
    from strowger.telephony.checking import UdpTrunkChecker

    return Surroundings(
        deliveries=PostgresDeliveries(engine),
        catalogue=ProviderCatalogue(provider_settings(settings)),
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


# ── a worker process ─────────────────────────────────────────────────────────────────────────


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

    url = await _database_of_child(settings)
    async with AsyncExitStack() as stack:
        keyring = await asyncio.to_thread(keyring_of, settings)
        engine = open_engine(url, pool_size=POOL, keyring=keyring)
        stack.push_async_callback(engine.dispose)
        figures = WorkerFigures(lines=settings.lines)
        providers = await stack.enter_async_context(
            ConfiguredProviders(provider_settings(settings), observer=figures)
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
                policy=_dial_policy(settings),
                judge=await _turn_judge(settings, stack),
                telephone=telephone,
                simulated=simulated,
                providers=providers,
                worker=WorkerId(new_id("worker")),
                recordings=settings.recordings,
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


async def _analyse(url: str, engine: "AsyncEngine", settings: Settings) -> None:
    """Analyse calls that are over, until cancelled.

    Apart from the calls in everything: a model may think for longer here than while somebody
    listens, a provider that is slow with this is not thought ill of there, and when this process
    is to end no answer is waited for, as another will ask again.
    """
    from strowger.calls.analysis import Analyst
    from strowger.providers.http import HttpPolicy
    from strowger.providers.registry import ConfiguredProviders
    from strowger.store.analyses import PostgresAnalyses
    from strowger.store.jobs import JobQueue
    from strowger.store.queue import Kind

    given, patient = provider_settings(settings), HttpPolicy(first_byte=60.0, between=30.0)
    given = replace(given, http=patient, openai=replace(given.openai, http=patient))
    async with ConfiguredProviders(given) as providers:
        analyst = Analyst(PostgresAnalyses(engine), providers, clock=time.time)
        await JobQueue(url, patience=0.0).run({Kind.ANALYZE: analyst.analyze}, capacity=lambda: 0)


def _simulated_telephone(
    providers: "Providers", lines: int
) -> AbstractAsyncContextManager["SimulatedTelephone"]:
    """What test calls are dialled with; nothing of it is loaded before the first."""
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


def _dial_policy(settings: Settings) -> "DialPolicy":
    from strowger.calls.numbers import DialPolicy

    return DialPolicy(
        allow_countries=frozenset(settings.allow_countries),
        allow_sip_uris=settings.allow_sip_uris,
    )


def media_totals(telephone: "SipTelephone") -> "MediaTotals":
    """What became of the packets of this worker's lines."""
    from strowger.observability.figures import MediaTotals

    return MediaTotals(
        packets_received=telephone.packets["received"],
        packets_lost=telephone.packets["lost"],
        packets_late=telephone.packets["late"],
        skipped_ticks=telephone.clock.skipped_ticks,
    )


def provider_settings(settings: Settings) -> "ProviderSettings":
    """What the providers need of the settings."""
    from strowger.providers import settings as of

    return of.ProviderSettings(
        openai=of.OpenAISettings(
            base_url=settings.openai_base_url,
            api_key=settings.openai_api_key,
            chat_model=settings.openai_model,
            speech_model=settings.openai_speech_model,
            speech_voice=settings.openai_voice,
            transcription_model=settings.openai_transcription_model,
            realtime_model=settings.openai_realtime_model,
        ),
        anthropic=of.AnthropicSettings(**_given(settings, "anthropic", "model")),
        google=of.GoogleSettings(**_given(settings, "google", "model")),
        deepgram=of.DeepgramSettings(**_given(settings, "deepgram", "model", "voice")),
        assemblyai=of.AssemblyAISettings(**_given(settings, "assemblyai", "model")),
        soniox=of.SonioxSettings(**_given(settings, "soniox", "model")),
        elevenlabs=of.ElevenLabsSettings(**_given(settings, "elevenlabs", "voice", "model")),
        cartesia=of.CartesiaSettings(**_given(settings, "cartesia", "voice", "model")),
        models=of.LocalModels(
            whisper=settings.whisper_model,
            piper=settings.piper_voices,
            kokoro=settings.kokoro_model,
            kokoro_voices=settings.kokoro_voices,
        ),
    )


def _given(settings: Settings, provider: str, *names: str) -> dict[str, str]:
    """What is set of a provider; the rest stays as it is there."""
    values = {
        name: getattr(settings, f"{provider}_{name}") for name in ("api_key", "base_url", *names)
    }
    return {name: value for name, value in values.items() if value is not None}


def _share_of_ports(settings: Settings, number: int) -> tuple[int, int]:
    """The RTP ports of one worker: the range is dealt out evenly."""
    ports = settings.rtp_ports
    share = (ports.last - ports.first + 1) // max(settings.workers, 1) // 2 * 2
    first = ports.first + (number - 1) * share
    return first, first + share - 1
