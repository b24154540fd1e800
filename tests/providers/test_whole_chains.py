"""The configured providers with their fallbacks, against fakes of vendors that fail in mid-turn."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from strowger.agent import (
    Fallback,
    ModelSettings,
    TranscriberSettings,
    VoiceFallback,
    VoiceSettings,
)
from strowger.conversation.dialogue import Message, Role
from strowger.conversation.events import ProviderKind
from strowger.errors import ProviderError
from strowger.ports import Providers, ReplyText, Word
from strowger.providers.anthropic import AnthropicSettings
from strowger.providers.assemblyai import AssemblyAISettings
from strowger.providers.cartesia import CartesiaSettings
from strowger.providers.deepgram import DeepgramSettings
from strowger.providers.elevenlabs import ElevenLabsSettings
from strowger.providers.registry import ConfiguredProviders
from strowger.providers.settings import OpenAISettings, ProviderSettings
from strowger.providers.websocket import Connector, Dial, SocketPolicy
from tests.providers.vendors.anthropic import Anthropic
from tests.providers.vendors.assemblyai import AssemblyAI
from tests.providers.vendors.behaviour import Behaviour, Fault, speech_like
from tests.providers.vendors.cartesia import Cartesia
from tests.providers.vendors.deepgram import DeepgramNova
from tests.providers.vendors.elevenlabs import ElevenLabs
from tests.providers.vendors.openai import OpenAI
from tests.providers.vendors.requests import answering
from tests.providers.vendors.sockets import KEY, serving

SPEECH = speech_like("these are the words of the callee, all of them")
REPLY = "Good morning. Your appointment is on Tuesday at three in the afternoon."


@dataclass
class Watcher:
    """A ProviderObserver that remembers."""

    answered: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def provider_answered(self, kind: ProviderKind, name: str, seconds: float) -> None:
        self.answered.append(name)

    def provider_failed(self, kind: ProviderKind, name: str) -> None:
        self.failed.append(name)


def behaviour(*faults: Fault | None) -> Behaviour:
    return Behaviour(
        turns=["these are the words"], replies=[REPLY], faults=[*faults],
        final_after=0.01, first_token=0.0, first_sound=0.0, tokens_per_second=1e6,
    )  # fmt: skip


@asynccontextmanager
async def house(first: Fault) -> AsyncIterator[tuple[ConfiguredProviders, Watcher]]:
    """Two providers of each kind, of which the first has this fault once."""
    sockets = [
        DeepgramNova(behaviour(first)), AssemblyAI(behaviour()),
        ElevenLabs(behaviour(first)), Cartesia(behaviour()),
    ]  # fmt: skip
    requests = [Anthropic(behaviour()), OpenAI(behaviour(first, first))]
    async with serving(*sockets) as streaming, answering(*requests) as http:
        settings = ProviderSettings(
            deepgram=DeepgramSettings(base_url=streaming, api_key=KEY),
            assemblyai=AssemblyAISettings(base_url=streaming, api_key=KEY),
            elevenlabs=ElevenLabsSettings(base_url=streaming, api_key=KEY),
            cartesia=CartesiaSettings(base_url=streaming, api_key=KEY),
            anthropic=AnthropicSettings(base_url=f"{http}/v1", api_key=KEY),
            openai=OpenAISettings(base_url=f"{http}/v1", api_key=KEY),
        )
        watcher = Watcher()
        async with ConfiguredProviders(settings, observer=watcher) as providers:
            yield providers, watcher


async def hear(providers: Providers) -> str:
    settings = TranscriberSettings(
        provider="deepgram", fallbacks=(Fallback(provider="assemblyai"),), fallback_after=0.5
    )
    ears = providers.speech_to_text("deepgram")
    async with ears.recognise(settings, language="en-US", phrases=()) as turn:

        async def read() -> str:
            async for result in turn.results():
                if result.final:
                    return result.text
            raise AssertionError

        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(read())
            for start in range(0, len(SPEECH), 1600):
                await turn.send(SPEECH[start : start + 1600])
                await asyncio.sleep(0.005)
            await turn.flush()
        return reading.result()


async def say(providers: Providers, text: str) -> tuple[float, list[str]]:
    settings = VoiceSettings(
        provider="elevenlabs", fallbacks=(VoiceFallback(provider="cartesia"),), fallback_after=0.5
    )
    voice = providers.text_to_speech("elevenlabs")
    seconds, words = 0.0, []
    async for piece in voice.speak(text, settings, language="en-US"):
        if isinstance(piece, Word):
            words.append(piece.text)
        else:
            seconds += len(piece) / 16000
    return seconds, words


async def think(providers: Providers) -> str:
    settings = ModelSettings(
        provider="openai", fallbacks=(Fallback(provider="anthropic"),), fallback_after=0.5
    )
    model = providers.language_model("openai")
    parts = model.reply([Message(Role.USER, "When is it?")], settings)
    return "".join([part.text async for part in parts if isinstance(part, ReplyText)])


def run(test: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test

    asyncio.run(bounded())


FAULTS = [Fault.HANG, Fault.CLOSE, Fault.CUT, Fault.GARBAGE, Fault.ERROR]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_turn_goes_on_whatever_becomes_of_the_first_of_each_kind(fault: Fault) -> None:
    async def test() -> None:
        async with house(fault) as (providers, watcher):
            assert await hear(providers) == "these are the words"
            assert await think(providers) == REPLY
            seconds, words = await say(providers, REPLY)
            assert sorted(watcher.failed) == ["deepgram", "elevenlabs", "openai"]
            assert watcher.answered[:2] == ["assemblyai", "anthropic"]
            # Every word is said; one that was half said is said again.
            said = " ".join(words)
            assert said.startswith("Good morning.") and said.endswith("in the afternoon.")
            assert len(words) - len(REPLY.split()) in {0, 1}
            assert seconds >= len(speech_like(REPLY)) / 16000 - 0.2

    run(test())


def test_a_call_hears_which_provider_answers_and_what_was_wrong_with_the_other() -> None:
    async def test() -> None:
        used: list[str] = []

        class Witness:
            def provider_used(
                self, kind: ProviderKind, name: str, problems: Mapping[str, str]
            ) -> None:
                used.append(f"{kind}: {name}, as {'; '.join(problems.values())}")

        async with house(Fault.CLOSE) as (providers, _):
            watched = providers.watched(Witness())
            await say(providers, "This is said on another call.")
            await hear(watched)
            await think(watched)
            await say(watched, REPLY)
        assert [line.partition(", as ")[0] for line in used] == [
            "speech_to_text: assemblyai",
            "language_model: anthropic",
            "text_to_speech: cartesia",
        ]
        problems = [line.partition(", as ")[2].split()[0] for line in used]
        assert problems == ["deepgram", "openai", "elevenlabs"]
        assert KEY not in str(used)

    run(test())


def test_the_second_turn_is_spared_the_wait() -> None:
    async def test() -> None:
        async with house(Fault.HANG) as (providers, watcher):
            for _ in range(2):
                assert await hear(providers) == "these are the words"
            assert watcher.failed == ["deepgram"]
            assert watcher.answered == ["assemblyai", "assemblyai"]

    run(test())


def test_a_fallback_that_is_not_configured_is_passed_over() -> None:
    async def test() -> None:
        async with house(Fault.CUT) as (providers, watcher):
            settings = TranscriberSettings(
                provider="deepgram",
                fallbacks=(Fallback(provider="soniox"), Fallback(provider="assemblyai")),
            )
            with pytest.raises(ProviderError, match="set soniox_api_key or STROWGER_SONIOX_API"):
                providers.speech_to_text("soniox")
            ears = providers.speech_to_text("deepgram")
            async with ears.recognise(settings, language="en-US", phrases=()) as turn:
                await turn.send(SPEECH)
                await turn.flush()
                async for result in turn.results():
                    if result.final:
                        break
            assert result.text == "these are the words"
            assert watcher.failed == ["deepgram", "soniox"]

    run(test())


def test_a_server_that_cannot_prove_who_it_is_is_not_spoken_to(tmp_path: Path) -> None:
    async def test() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self_signed(tmp_path))

        async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            raise AssertionError("nothing is said to it")

        server = await asyncio.start_server(never, "127.0.0.1", 0, ssl=context)
        async with server:
            port = server.sockets[0].getsockname()[1]
            dial = Dial(name="x", url=f"wss://127.0.0.1:{port}/")
            with pytest.raises(ProviderError, match="certificate verify failed"):
                await Connector(SocketPolicy(pause=0.0)).open(dial)

    run(test())


def self_signed(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files
