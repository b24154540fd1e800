"""livekit's own plugins of four vendors behind the bridge, against the vendors' fakes on loopback.

Run by `make test-livekit`, in an environment of its own.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any

import pytest

from strowger.agent import ModelSettings, TranscriberSettings, VoiceSettings
from strowger.conversation.dialogue import Message, Role
from strowger.errors import ProviderError
from strowger.ports import Recognised, ReplyText, SpeechToText, TextToSpeech, Word
from strowger.providers.livekit_bridge import LivekitPlugins
from tests.providers.vendors.behaviour import Behaviour, Fault, speech_like
from tests.providers.vendors.cartesia import Cartesia
from tests.providers.vendors.deepgram import DeepgramNova
from tests.providers.vendors.elevenlabs import ElevenLabs
from tests.providers.vendors.openai import OpenAI
from tests.providers.vendors.requests import answering
from tests.providers.vendors.sockets import KEY, serving

NEEDED = ("deepgram", "elevenlabs", "cartesia", "openai")


def installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


pytestmark = pytest.mark.skipif(
    not all(installed(f"livekit.plugins.{name}") for name in NEEDED),
    reason="livekit's plugins are not installed: make test-livekit",
)

SPEECH = speech_like("these are the words")
TEXT = "Good morning. Your appointment is on Tuesday."


class OnLoopback(LivekitPlugins):
    """Plugins that ask the fakes."""

    def __init__(self, tasks: asyncio.TaskGroup, bases: Mapping[tuple[str, str], Any]) -> None:
        super().__init__(tasks)
        self._bases = bases

    def _make(self, name: str, kind: str, wanted: Mapping[str, object]) -> Any:
        there = {"api_key": KEY, **self._bases[name.removeprefix("livekit/"), kind]}
        return super()._make(name, kind, {**wanted, **there})


class House:
    """The vendors, and the plugins that ask them."""

    def __init__(self, *faults: Fault | None) -> None:
        self.ears = DeepgramNova(Behaviour(turns=["yes please"], faults=[*faults]))
        self.elevenlabs = ElevenLabs(Behaviour(faults=[*faults]))
        self.cartesia = Cartesia(Behaviour(faults=[*faults]))
        self.openai = OpenAI(Behaviour(faults=[*faults]))
        self.plugins: OnLoopback

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["House"]:
        """Afterwards nothing is left of it."""
        before = asyncio.all_tasks()
        async with (
            serving(self.ears, self.elevenlabs, self.cartesia) as sockets,
            answering(self.openai) as http,
        ):
            bases = {
                ("deepgram", "STT"): {"base_url": f"{sockets}/v1/listen"},
                ("elevenlabs", "TTS"): {"base_url": f"{sockets}/v1", "encoding": "pcm_24000"},
                ("cartesia", "TTS"): {"base_url": sockets},
                ("openai", "LLM"): {"base_url": f"{http}/v1"},
                ("openai", "TTS"): {"base_url": f"{http}/v1", "response_format": "pcm"},
                ("openai", "STT"): {"base_url": f"{http}/v1"},
            }
            async with asyncio.TaskGroup() as tasks:
                self.plugins = OnLoopback(tasks, bases)
                try:
                    yield self
                finally:
                    await self.plugins.close()
        async with asyncio.timeout(2):
            while left := asyncio.all_tasks() - before:
                await asyncio.wait(left)


def run(test: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test

    asyncio.run(bounded())


async def connected() -> None:
    """Whatever plugins connect beside is connected."""
    while any("prewarm" in repr(task.get_coro()) for task in asyncio.all_tasks()):
        await asyncio.sleep(0.01)


async def hear(ears: SpeechToText, settings: TranscriberSettings | None = None) -> Recognised:
    wanted = settings or TranscriberSettings()
    async with ears.recognise(wanted, language="en-US", phrases=()) as turn:
        await turn.send(SPEECH)
        await turn.flush()
        async for result in turn.results():
            if result.final:
                return result
    raise AssertionError


async def say(voice: TextToSpeech, settings: VoiceSettings | None = None) -> tuple[float, str]:
    seconds, words = 0.0, []
    async for piece in voice.speak(TEXT, settings or VoiceSettings(), language="en-US"):
        if isinstance(piece, Word):
            words.append(piece.text)
        else:
            seconds += len(piece) / 16000
    return seconds, " ".join(words)


def test_deepgram_hears_all_turns_over_one_connection() -> None:
    async def test() -> None:
        async with House().opened() as house:
            ears = house.plugins.ears("livekit/deepgram")
            for _ in range(3):
                assert (await hear(ears)).text == "yes please"
            assert len(house.ears.visits) == 1

    run(test())


def test_deepgram_is_connected_before_the_turn_where_it_was_made_ready() -> None:
    async def test() -> None:
        async with House().opened() as house:
            ears = house.plugins.ears("livekit/deepgram")
            await ears.warm(TranscriberSettings(), language="en-US")
            while not house.ears.visits:
                await asyncio.sleep(0.01)
            assert (await hear(ears)).text == "yes please"
            assert len(house.ears.visits) == 1

    run(test())


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.CLOSE, Fault.ERROR])
def test_deepgram_that_fails_in_a_turn_is_an_error_and_the_next_turn_has_a_new_connection(
    fault: Fault,
) -> None:
    async def test() -> None:
        async with House(fault).opened() as house:
            ears = house.plugins.ears("livekit/deepgram")
            with pytest.raises(ProviderError, match="livekit/deepgram") as failure:
                await hear(ears)
            assert failure.value.retryable
            assert KEY not in str(failure.value)
            assert (await hear(ears)).text == "yes please"
            assert len(house.ears.visits) == 2

    run(test())


@pytest.mark.parametrize("vendor", ["elevenlabs", "cartesia"])
def test_a_voice_says_one_text_after_another_over_one_connection(vendor: str) -> None:
    async def test() -> None:
        async with House().opened() as house:
            voice = house.plugins.voice(f"livekit/{vendor}")
            visits = getattr(house, vendor).visits
            await voice.warm(VoiceSettings(), language="en-US")
            while not visits:
                await asyncio.sleep(0.01)
            for _ in range(2):
                seconds, words = await say(voice)
                assert seconds == pytest.approx(len(speech_like(TEXT)) / 16000, abs=0.3)
                assert words.split()[:2] == ["Good", "morning."]
            assert len(visits) == 1

    run(test())


@pytest.mark.parametrize("vendor", ["elevenlabs", "cartesia"])
def test_a_text_that_is_called_off_leaves_a_connection_ready_for_the_next(vendor: str) -> None:
    async def test() -> None:
        house = House()
        for each in (house.elevenlabs, house.cartesia):
            each.behaviour.real_time = 1.0
        async with house.opened():
            voice = house.plugins.voice(f"livekit/{vendor}")
            visits = getattr(house, vendor).visits
            speech = voice.speak(TEXT, VoiceSettings(), language="en-US")
            assert isinstance(speech, AsyncGenerator)
            await anext(speech)
            await speech.aclose()
            await connected()
            connections = len(visits)
            speech = voice.speak(TEXT, VoiceSettings(), language="en-US")
            assert isinstance(speech, AsyncGenerator)
            await anext(speech)
            await speech.aclose()
            assert len(visits) == connections, "it was there already"

    run(test())


@pytest.mark.parametrize("vendor", ["elevenlabs", "cartesia"])
@pytest.mark.parametrize("fault", [Fault.CUT, Fault.CLOSE, Fault.ERROR])
def test_a_voice_that_fails_is_an_error_and_says_the_next_text(vendor: str, fault: Fault) -> None:
    async def test() -> None:
        async with House(fault).opened() as house:
            voice = house.plugins.voice(f"livekit/{vendor}")
            with pytest.raises(ProviderError, match=f"livekit/{vendor}") as failure:
                await say(voice)
            assert KEY not in str(failure.value)
            seconds, _ = await say(voice)
            assert seconds > 1.0

    run(test())


def test_openai_thinks_hears_and_speaks_over_what_was_made_ready() -> None:
    async def test() -> None:
        async with House().opened() as house:
            model = house.plugins.model("livekit/openai")
            await model.warm(ModelSettings())
            plugin = house.plugins.plugin("livekit/openai", "LLM", model=None, temperature=None)
            await plugin._prewarm_task
            reply = model.reply([Message(Role.USER, "When?")], ModelSettings())
            text = "".join([part.text async for part in reply if isinstance(part, ReplyText)])
            assert text == "I have noted that down for you."
            assert len(house.openai.connections) == 1
            seconds, _ = await say(house.plugins.voice("livekit/openai"))
            assert seconds == pytest.approx(len(speech_like(TEXT)) / 16000, abs=0.1)
            assert (await hear(house.plugins.ears("livekit/openai"))).text == "yes please"

    run(test())
