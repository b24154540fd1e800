"""What a bad network does to packets. Pure: chance and time come from outside.

Packets keep their order, however much their delays differ, as they do in a queue of a router;
only those chosen to be overtaken do not.
"""

from collections.abc import Callable

from strowger.simulate.persona import Impairments

OVERTAKEN_BY = 0.030
"""Seconds a packet is held back to be overtaken: more than one packet's time, less than two."""
DUPLICATE_AFTER = 0.001
"""Seconds between a packet and its copy."""


class ImpairedPath:
    """One direction of one call's packets."""

    def __init__(self, impairments: Impairments, chance: Callable[[], float]) -> None:
        """`chance` gives a number from 0 up to 1, each time another."""
        self._impairments = impairments
        self._chance = chance
        self._last_due = 0.0

    def carry(self, packet: bytes, *, now: float) -> list[tuple[float, bytes]]:
        """When the packet arrives at the other end: never, once or twice."""
        impairments, chance = self._impairments, self._chance
        # All are drawn for every packet, so that one setting does not change another's victims.
        lost, jitter, doubled, overtaken = chance(), chance(), chance(), chance()
        if lost < impairments.loss:
            return []
        due = now + (impairments.delay_ms + jitter * impairments.jitter_ms) / 1000
        if overtaken < impairments.reorder:
            due += OVERTAKEN_BY
        else:
            due = self._last_due = max(due, self._last_due)
        if doubled < impairments.duplicate:
            return [(due, packet), (due + DUPLICATE_AFTER, packet)]
        return [(due, packet)]
