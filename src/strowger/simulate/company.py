"""Many rehearsed calls on all cores: each in a process that holds one call after another.

A call shares nothing with the calls beside it, so what comes of it does not depend on how many
there are, nor on which process holds it.
"""

import logging
import multiprocessing
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import structlog

from strowger.errors import Unavailable
from strowger.providers.registry import ConfiguredProviders, ProviderSettings
from strowger.simulate.performance import Performance
from strowger.simulate.rehearsal import Studio, rehearse_in_virtual_time
from strowger.simulate.scenario import Scenario
from strowger.simulate.workshop import Workshop
from strowger.telephony.silero import SileroModel


@dataclass(frozen=True, slots=True)
class Booking:
    """One call to hold: a scenario and how often it was held before."""

    scenario: Scenario
    repetition: int


@dataclass(frozen=True, slots=True)
class House:
    """What every process of the company needs to know."""

    providers: ProviderSettings
    recordings: Path | None = None


def bookings_of(scenarios: Sequence[Scenario]) -> list[Booking]:
    """Every scenario as often as it wants to be held."""
    return [
        Booking(scenario, repetition)
        for scenario in scenarios
        for repetition in range(scenario.repeat)
    ]


def perform_all(
    bookings: Sequence[Booking], house: House, *, processes: int
) -> Iterator[tuple[int, Performance]]:
    """Each call's place in the bookings and what came of it, as they are over.

    Raises Unavailable where a process has died. What a call itself raises is a defect of ours.
    """
    if processes <= 1 or len(bookings) == 1:
        with open_studio(house) as studio:
            for place, booking in enumerate(bookings):
                yield place, perform(booking, studio, house)
        return
    pool = ProcessPoolExecutor(
        min(processes, len(bookings)),
        multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(house,),
    )
    with pool:
        places = {pool.submit(_perform, booking): n for n, booking in enumerate(bookings)}
        try:
            for done in as_completed(places):
                yield places[done], done.result()
        except BrokenProcessPool as error:
            raise Unavailable("a process that held calls has died") from error
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def open_studio(house: House) -> Iterator[Studio]:
    """Providers and voice detection for calls in this process."""
    with Workshop(partial(ConfiguredProviders, house.providers)) as workshop:
        yield Studio(workshop, SileroModel())


def perform(booking: Booking, studio: Studio, house: House) -> Performance:
    """Hold one call in virtual time."""
    with recorded(studio, house) as (own_studio, keep):
        performance = rehearse_in_virtual_time(booking.scenario, booking.repetition, own_studio)
        keep(performance)
    return performance


@contextmanager
def recorded(
    studio: Studio, house: House
) -> Iterator[tuple[Studio, Callable[[Performance], None]]]:
    """A studio that records its call where that is wanted, and what keeps the recording."""
    kept = house.recordings
    if kept is None:
        yield studio, lambda performance: None
        return
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept) as folder:

        def keep(performance: Performance) -> None:
            for made in Path(folder).rglob("*.wav"):
                made.replace(kept / f"{file_name(performance.name)}.wav")

        yield replace(studio, recordings=Path(folder)), keep


def file_name(name: str) -> str:
    """A scenario's name as a file has it."""
    kept = "".join(c if c.isalnum() or c in "-=." else " " for c in name)
    return "-".join(kept.split())[:120] or "scenario"


# ── in the processes ─────────────────────────────────────────────────────────────────────────

_STUDIO: ContextVar[tuple[Studio, House]] = ContextVar("studio")
"""What a process of the pool has opened, for as long as it lives."""


def _begin(house: House) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    quieten()
    workshop = Workshop(partial(ConfiguredProviders, house.providers))
    workshop.__enter__()  # until the process ends; its children leave when their input closes
    _STUDIO.set((Studio(workshop, SileroModel()), house))


def _perform(booking: Booking) -> Performance:
    studio, house = _STUDIO.get()
    return perform(booking, studio, house)


def quieten() -> None:
    """Log what went wrong alone: a rehearsal says by itself how it went."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
