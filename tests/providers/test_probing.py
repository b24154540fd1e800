"""`strowger doctor` asking the services whether they let us in."""

import asyncio
import subprocess
import sys

import pytest

from strowger.providers.anthropic import AnthropicSettings
from strowger.providers.assemblyai import AssemblyAISettings
from strowger.providers.cartesia import CartesiaSettings
from strowger.providers.deepgram import DeepgramSettings
from strowger.providers.elevenlabs import ElevenLabsSettings
from strowger.providers.google import GoogleSettings
from strowger.providers.probing import probe
from strowger.providers.settings import ProviderSettings
from strowger.providers.soniox import SonioxSettings
from tests.providers.vendors.anthropic import Anthropic
from tests.providers.vendors.assemblyai import AssemblyAI
from tests.providers.vendors.cartesia import Cartesia
from tests.providers.vendors.deepgram import DeepgramNova
from tests.providers.vendors.elevenlabs import ElevenLabs
from tests.providers.vendors.google import Google
from tests.providers.vendors.requests import answering
from tests.providers.vendors.sockets import KEY, serving
from tests.providers.vendors.soniox import Soniox

ALL = {"deepgram", "assemblyai", "soniox", "elevenlabs", "cartesia", "anthropic", "google"}


def settings_for(streaming: str, http: str, key: str) -> ProviderSettings:
    return ProviderSettings(
        deepgram=DeepgramSettings(base_url=streaming, api_key=key),
        assemblyai=AssemblyAISettings(base_url=streaming, api_key=key),
        soniox=SonioxSettings(base_url=streaming, api_key=key),
        elevenlabs=ElevenLabsSettings(base_url=streaming, api_key=key),
        cartesia=CartesiaSettings(base_url=streaming, api_key=key),
        anthropic=AnthropicSettings(base_url=f"{http}/v1", api_key=key),
        google=GoogleSettings(base_url=f"{http}/v1beta", api_key=key),
    )


@pytest.mark.parametrize(("key", "fine"), [(KEY, True), ("wrong", False)])
def test_each_service_is_asked_and_says_what_it_thinks_of_the_key(key: str, fine: bool) -> None:
    async def main() -> dict[str, str | None]:
        sockets = [DeepgramNova(), AssemblyAI(), Soniox(), ElevenLabs(), Cartesia()]
        async with serving(*sockets) as streaming, answering(Anthropic(), Google()) as http:
            return await probe(settings_for(streaming, http, key))

    found = asyncio.run(main())
    assert set(found) == ALL
    if fine:
        assert not any(found.values()), found
    else:
        assert all("refused the API key" in (problem or "") for problem in found.values())


def test_what_is_not_configured_is_not_asked() -> None:
    assert asyncio.run(probe(ProviderSettings())) == {}


def test_a_service_that_is_away_is_a_problem() -> None:
    settings = settings_for("http://127.0.0.1:1", "http://127.0.0.1:1", "k")
    found = asyncio.run(probe(settings))
    assert all("cannot be reached" in (problem or "") for problem in found.values())


def test_the_fakes_serve_in_a_process_of_their_own() -> None:
    command = [sys.executable, "-m", "tests.providers.vendors", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            ready, streaming, http, key = server.stdout.readline().split()
            assert ready == "ready"
            found = asyncio.run(probe(settings_for(streaming, http, key)))
            assert not any(found.values()), found
        finally:
            server.terminate()
        assert server.wait(10) == 0
