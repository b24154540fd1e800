"""What the local voice says, for fakes of services whose callees listen for speech."""

import asyncio
import functools
import threading

from strowger.agent import VoiceSettings
from strowger.ports import pcm_of
from strowger.providers.registry import ConfiguredProviders, ProviderSettings


@functools.cache
def speech(text: str) -> bytes:
    """PCM of the text at 8 kHz; may be asked for where a loop runs."""

    async def speak() -> bytes:
        async with ConfiguredProviders(ProviderSettings()) as providers:
            voice = providers.text_to_speech("local")
            spoken = voice.speak(text, VoiceSettings(), language="en-US")
            return b"".join([piece async for piece in pcm_of(spoken)])

    spoken: list[bytes] = []
    thread = threading.Thread(target=lambda: spoken.append(asyncio.run(speak())))
    thread.start()
    thread.join()
    return spoken[0]
