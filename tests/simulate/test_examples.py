"""The scenarios that come with Strowger come to what they say."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from strowger.providers.registry import ProviderSettings
from strowger.simulate.company import Booking, House, bookings_of, open_studio, perform
from strowger.simulate.judging import judge
from strowger.simulate.rehearsal import Studio
from strowger.simulate.scenario_files import load_scenarios

EXAMPLES = Path(__file__).parents[2] / "examples" / "scenarios"
HOUSE = House(ProviderSettings())
BOOKINGS = [
    booking
    for booking in bookings_of(load_scenarios([EXAMPLES]))
    if not booking.scenario.name.startswith("fifty")  # the README's test holds those
]


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    with open_studio(HOUSE) as opened:
        yield opened


@pytest.mark.parametrize(
    "booking", BOOKINGS, ids=lambda booking: f"{booking.scenario.name} {booking.repetition}"
)
def test_a_call_of_the_examples_is_as_it_says(booking: Booking, studio: Studio) -> None:
    came = perform(booking, studio, HOUSE)
    bad = [verdict for verdict in judge(booking.scenario, came) if not verdict.good]
    assert not bad, "\n".join([bad[0].message, *bad[0].around])
