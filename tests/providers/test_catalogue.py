"""What providers offer is looked for, and not for every request."""

import asyncio

from strowger.conversation.events import ProviderKind
from strowger.ports import ProviderDescription
from strowger.providers.catalogue import LIFETIME, ProviderCatalogue


def test_a_voice_that_is_installed_meanwhile_is_found_after_a_few_seconds() -> None:
    now, installed = [100.0], ["joe"]

    def look() -> list[ProviderDescription]:
        return [
            ProviderDescription(
                name="piper",
                kind=ProviderKind.TEXT_TO_SPEECH,
                available=True,
                voices=tuple(installed),
            )
        ]

    catalogue = ProviderCatalogue(look, clock=lambda: now[0])

    def voices() -> tuple[str, ...]:
        (described,) = asyncio.run(catalogue.describe())
        return described.voices

    assert voices() == ("joe",)
    installed.append("pim")
    now[0] += LIFETIME / 2
    assert voices() == ("joe",)
    now[0] += LIFETIME / 2
    assert voices() == ("joe", "pim")
