"""What the configured providers offer, for a process that uses none of them: `ports.Catalogue`."""

import asyncio
from collections.abc import Sequence

from strowger.ports import ProviderDescription
from strowger.providers.registry import ConfiguredProviders, ProviderSettings


class ProviderCatalogue:
    """Looks at files only, each time, so that what is installed meanwhile is found."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._providers = ConfiguredProviders(settings)

    async def describe(self) -> Sequence[ProviderDescription]:
        return await asyncio.to_thread(self._providers.describe)
