"""The figures of each kind of process, as Prometheus reads them.

Each process has a registry of its own: nothing here is shared by importing it. Buckets are in
seconds and lie where a caller would notice the difference. docs/reference/metrics.md lists all.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from strowger.model import Call, CallResult, TurnLatency
from strowger.ports import Attempt, HouseState

CONTENT_TYPE = CONTENT_TYPE_LATEST
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
STAGE_BUCKETS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 5.0)
STAGES = ("endpointing", "transcription", "model", "speech", "wire", "total")
MOST_VERSIONS = 20
"""Versions of agents whose replies a worker shows apart; that which has had no call for longest
gives way."""
RESPONSE_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0)
LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)


def exposition(registry: CollectorRegistry) -> bytes:
    """All figures of a registry in Prometheus's text format."""
    return generate_latest(registry)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolState:
    """Connections to the database that this process may have, and has in use."""

    size: int
    in_use: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaTotals:
    """Of all lines that were closed, and of the clock, since the process began."""

    packets_received: int = 0
    packets_lost: int = 0
    packets_late: int = 0
    skipped_ticks: int = 0


class ProcessFigures:
    """What every process has."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._lag = Histogram(
            "strowger_loop_lag_seconds", "How late the event loop woke a task that slept.",
            buckets=LAG_BUCKETS, registry=self.registry,
        )  # fmt: skip

    def loop_lag(self, seconds: float) -> None:
        self._lag.observe(seconds)


class ApiFigures(ProcessFigures):
    """Requests, the database and webhooks."""

    def __init__(self) -> None:
        super().__init__()
        self._requests = Histogram(
            "strowger_http_request_seconds", "Requests, by how long they took.",
            ("method", "route", "status"), buckets=REQUEST_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._attempts = Histogram(
            "strowger_webhook_attempt_seconds", "Tries to deliver a webhook.",
            ("outcome",), buckets=REQUEST_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._up = Gauge(
            "strowger_database_up", "1 while the database answers.", registry=self.registry
        )
        self._state = HouseState()
        self._pool: Callable[[], PoolState] | None = None
        self.registry.register(_Drawn(self._draw))

    def watch_pool(self, pool: Callable[[], PoolState]) -> None:
        """Show this pool at every look."""
        self._pool = pool

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route` is the template, such as `/v1/calls/{call_id}`: ids would be endless."""
        self._requests.labels(method, route, str(status)).observe(seconds)

    def webhook_attempt(self, attempt: Attempt, outcome: str) -> None:
        """`outcome` is `delivered`, `failed` (to be tried again) or `given_up`."""
        self._attempts.labels(outcome).observe(attempt.duration)

    def database(self, state: HouseState | None) -> None:
        """What was found at this look; None where the database did not answer."""
        self._up.set(state is not None)
        self._state = state or HouseState()

    def _draw(self) -> Iterator[Metric]:
        state = self._state
        jobs = GaugeMetricFamily("strowger_jobs", "Jobs in the queue.", labels=("kind", "state"))
        for (kind, name), count in state.jobs.items():
            jobs.add_metric((kind, name), count)
        calls = GaugeMetricFamily(
            "strowger_calls", "Calls that are not over, by status.", labels=("status",)
        )
        for status, count in state.calls.items():
            calls.add_metric((status,), count)
        yield jobs
        yield calls
        yield GaugeMetricFamily("strowger_workers", "Workers that live.", state.workers)
        yield GaugeMetricFamily("strowger_lines", "Lines of the workers that live.", state.lines)
        yield GaugeMetricFamily("strowger_lines_busy", "Lines with a call on them.", state.busy)
        if self._pool is not None:
            pool = self._pool()
            sizes = GaugeMetricFamily(
                "strowger_database_connections", "Connections of this process.", labels=("state",)
            )
            sizes.add_metric(("in_use",), pool.in_use)
            sizes.add_metric(("allowed",), pool.size)
            yield sizes


class WorkerFigures(ProcessFigures):
    """Calls and their audio."""

    def __init__(self, *, lines: int) -> None:
        super().__init__()
        self._calls = Counter(
            "strowger_calls_ended", "Calls that are over.",
            ("status", "reason"), registry=self.registry,
        )  # fmt: skip
        self._responses = Histogram(
            "strowger_response_seconds",
            "From the callee's last voiced sound to the agent's first, at the wire.",
            buckets=RESPONSE_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._stages = Histogram(
            "strowger_reply_stage_seconds",
            "Where the time of replies went, by version of the agent.",
            ("agent", "version", "stage"), buckets=STAGE_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._versions: OrderedDict[tuple[str, str], set[str]] = OrderedDict()
        """The stages that are shown of each version, that with the latest call last."""
        self._answers = Histogram(
            "strowger_provider_seconds",
            "From a question to a provider's first sound or word, or its final words.",
            ("kind", "provider"), buckets=RESPONSE_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._failures = Counter(
            "strowger_provider_failures", "Failures of providers, mended or not.",
            ("kind", "provider"), registry=self.registry,
        )  # fmt: skip
        self._lines = lines
        self._busy: Callable[[], int] = int
        self._media: Callable[[], MediaTotals] = MediaTotals
        self.registry.register(_Drawn(self._draw))

    def watch(self, *, busy: Callable[[], int], media: Callable[[], MediaTotals]) -> None:
        """Where to look up what is shown."""
        self._busy, self._media = busy, media

    def call_over(self, call: Call, result: CallResult) -> None:
        """One call has ended, this way; its replies took that long."""
        self._calls.labels(result.status.value, result.end_reason.value).inc()
        for turn in result.transcript:
            if turn.latency is not None and turn.latency.total is not None:
                self._responses.observe(turn.latency.total)
        replies = [turn.latency for turn in result.transcript if turn.latency is not None]
        if call.agent_id is not None and call.agent_version is not None and replies:
            self._observe_stages((call.agent_id, str(call.agent_version)), replies)

    def _observe_stages(self, version: tuple[str, str], replies: list[TurnLatency]) -> None:
        shown = self._versions.setdefault(version, set())
        self._versions.move_to_end(version)
        if len(self._versions) > MOST_VERSIONS:
            oldest, stages = self._versions.popitem(last=False)
            for stage in stages:
                self._stages.remove(*oldest, stage)
        for reply in replies:
            for stage in STAGES:
                if (seconds := getattr(reply, stage)) is not None:
                    shown.add(stage)
                    self._stages.labels(*version, stage).observe(seconds)

    def provider_answered(self, kind: str, name: str, seconds: float) -> None:
        """A provider began to answer, or finished hearing a turn."""
        self._answers.labels(str(kind), name).observe(seconds)

    def provider_failed(self, kind: str, name: str) -> None:
        """A provider failed; another may have gone on."""
        self._failures.labels(str(kind), name).inc()

    def _draw(self) -> Iterator[Metric]:
        media = self._media()
        lines = GaugeMetricFamily("strowger_lines", "Lines of this worker.", labels=("state",))
        busy = self._busy()
        lines.add_metric(("busy",), busy)
        lines.add_metric(("free",), max(0, self._lines - busy))
        yield lines
        packets = CounterMetricFamily(
            "strowger_rtp_packets", "Packets from callees, on lines that were closed.",
            labels=("fate",),
        )  # fmt: skip
        packets.add_metric(("received",), media.packets_received)
        packets.add_metric(("lost",), media.packets_lost)
        packets.add_metric(("late",), media.packets_late)
        yield packets
        yield CounterMetricFamily(
            "strowger_media_ticks_skipped",
            "Turns of the media clock that came too late and were left out.",
            media.skipped_ticks,
        )


class _Drawn(Collector):
    """Figures that are looked up when they are asked for."""

    def __init__(self, draw: Callable[[], Iterator[Metric]]) -> None:
        self._draw = draw

    def collect(self) -> Iterator[Metric]:
        return self._draw()
