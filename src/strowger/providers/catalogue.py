"""What the configured providers offer, for a process that uses none of them: `ports.Catalogue`."""

import asyncio
from collections.abc import Callable, Sequence

from strowger.ports import ProviderDescription

LIFETIME = 5.0
"""Seconds for which what was found is told again, so that voices installed meanwhile are soon found
and the folders are not read for every request."""


class ProviderCatalogue:
    """`look` finds what there is, as `providers.description.describe` does, and may block. `clock`
    counts seconds and never goes back."""

    def __init__(
        self, look: Callable[[], Sequence[ProviderDescription]], *, clock: Callable[[], float]
    ) -> None:
        self._look = look
        self._clock = clock
        self._found: Sequence[ProviderDescription] = ()
        self._found_at = float("-inf")

    async def describe(self) -> Sequence[ProviderDescription]:
        now = self._clock()
        if now - self._found_at >= LIFETIME:
            self._found = await asyncio.to_thread(self._look)
            self._found_at = now
        return self._found
