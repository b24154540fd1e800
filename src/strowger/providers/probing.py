"""Whether the configured services let us in: asked for `strowger doctor`, outside of calls.

Those over websockets are connected to as a call would be, and left again; models are asked for
the list of what they have.
"""

import asyncio
from collections.abc import Awaitable, Callable

import httpx2

from strowger.agent import TranscriberSettings, VoiceSettings
from strowger.errors import ProviderError
from strowger.providers.anthropic import VERSION
from strowger.providers.assemblyai import AssemblyAIEars
from strowger.providers.cartesia import CartesiaVoice
from strowger.providers.complaints import describe, fault_of
from strowger.providers.deepgram import DeepgramEars
from strowger.providers.elevenlabs import ElevenLabsVoice
from strowger.providers.settings import ProviderSettings
from strowger.providers.soniox import SonioxEars
from strowger.providers.streamed_ears import EarVendor
from strowger.providers.streamed_voice import VoiceVendor
from strowger.providers.websocket import Connector, Dial

WITHIN = 5.0
"""Seconds."""
REFUSED_WITHIN = 0.5
"""Some services open the connection first and close it where they do not know the key."""


async def probe(settings: ProviderSettings) -> dict[str, str | None]:
    """Of each service that is configured, what is wrong with it; None where nothing is."""
    asked: dict[str, Awaitable[None]] = {}
    connector = Connector(settings.sockets)
    ears: list[tuple[bool, Callable[[], EarVendor]]] = [
        (settings.deepgram.configured, lambda: DeepgramEars(settings.deepgram)),
        (settings.assemblyai.configured, lambda: AssemblyAIEars(settings.assemblyai)),
        (settings.soniox.configured, lambda: SonioxEars(settings.soniox)),
    ]
    voices: list[tuple[bool, Callable[[], VoiceVendor]]] = [
        (settings.elevenlabs.configured, lambda: ElevenLabsVoice(settings.elevenlabs)),
        (settings.cartesia.configured, lambda: CartesiaVoice(settings.cartesia)),
    ]
    for configured, make_ears in ears:
        if configured:
            ear = make_ears()
            asked[ear.name] = _connect(connector, ear.dial(TranscriberSettings(), "en-US"))
    for configured, make_voice in voices:
        if configured:
            voice = make_voice()
            asked[voice.name] = _connect(connector, voice.dial(VoiceSettings(), "en-US"))
    if (key := settings.anthropic.api_key) is not None:
        headers = {"x-api-key": key, "anthropic-version": VERSION}
        asked["anthropic"] = _list("anthropic", settings.anthropic.base_url, headers)
    if (key := settings.google.api_key) is not None:
        asked["google"] = _list("google", settings.google.base_url, {"x-goog-api-key": key})
    problems = await asyncio.gather(*(_problem(one) for one in asked.values()))
    return dict(zip(asked, problems, strict=True))


async def _problem(asking: Awaitable[None]) -> str | None:
    try:
        async with asyncio.timeout(WITHIN):
            await asking
    except ProviderError as error:
        return str(error)
    except TimeoutError:
        return f"it does not answer within {WITHIN:g} s"
    return None


async def _connect(connector: Connector, dial: Dial) -> None:
    socket = await connector.open(dial)
    try:
        async with asyncio.timeout(REFUSED_WITHIN):
            await socket.receive()
    except TimeoutError:
        pass  # it waits for us: all is well
    finally:
        await socket.close()


async def _list(name: str, base_url: str, headers: dict[str, str]) -> None:
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=WITHIN) as client:
            answer = await client.get(f"{base_url.rstrip('/')}/models", headers=headers)
    except httpx2.HTTPError as error:
        raise ProviderError(
            f"{name} cannot be reached: {describe(error)}", retryable=True
        ) from error
    if not answer.is_success:
        problem = f"{name} {fault_of(answer.status_code)} ({answer.status_code})"
        raise ProviderError(problem, retryable=False)
