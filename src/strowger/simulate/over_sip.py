"""The same rehearsals over real SIP: two telephones on loopback, sockets, and the real clock."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from strowger.providers.registry import ConfiguredProviders
from strowger.simulate.callee import CalleeSettings, bad_network, open_callee
from strowger.simulate.company import Booking, House, open_studio, recorded
from strowger.simulate.exchange import LoopbackTelephone
from strowger.simulate.performance import Performance
from strowger.simulate.rehearsal import Rehearsal, Studio
from strowger.telephony.telephone import TelephoneSettings, open_telephone

HOST = "127.0.0.1"
RTP_PORTS = range(21000, 29000)
"""Beside those of a server, and of a callee, on the same machine."""
PORTS_EACH = 16
"""Of one call, for both telephones together."""


async def perform_over_sip(
    bookings: Sequence[Booking],
    house: House,
    *,
    at_once: int,
    on_over: Callable[[int, Performance], None],
) -> None:
    """Hold the calls in real time, so many of them at once."""
    places = asyncio.Queue[tuple[int, Booking]]()
    for place, booking in enumerate(bookings):
        places.put_nowait((place, booking))

    async def hold_calls(slot: int, studio: Studio) -> None:
        with suppress(asyncio.QueueEmpty):
            while True:
                place, booking = places.get_nowait()
                with recorded(studio, house) as (own_studio, keep):
                    performance = await _hold(booking, own_studio, slot)
                    keep(performance)
                on_over(place, performance)

    with open_studio(house) as offline:
        async with ConfiguredProviders(house.providers) as providers, asyncio.TaskGroup() as tasks:
            studio = replace(offline, services=providers)
            for slot in range(min(at_once, len(bookings), len(RTP_PORTS) // PORTS_EACH)):
                tasks.create_task(hold_calls(slot, studio), name=f"calls {slot}")


async def _hold(booking: Booking, studio: Studio, slot: int) -> Performance:
    rehearsal = Rehearsal(booking.scenario, booking.repetition, studio)
    first = RTP_PORTS.start + slot * PORTS_EACH
    half = PORTS_EACH // 2
    callee = CalleeSettings(
        listen=(HOST, _free_port()),
        rtp_ports=(first, first + half - 1),
        transfer=booking.scenario.transfer,
    )
    ours = TelephoneSettings(
        listen=(HOST, _free_port()), rtp_ports=(first + half, first + PORTS_EACH - 1), lines=2
    )
    async with (
        open_callee(
            rehearsal.actor(),
            callee,
            model=studio.model,
            wiring=bad_network(rehearsal.network, rehearsal.seed),
            on_report=lambda told: rehearsal.tell(told.what),
        ),
        open_telephone(ours, studio.model) as telephone,
    ):
        return await rehearsal.hold(LoopbackTelephone(telephone, callee.listen))


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
