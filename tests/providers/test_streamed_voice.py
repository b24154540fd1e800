"""Streaming speech against fakes of each vendor's protocol, on loopback."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from typing import cast

import numpy as np
import pytest

from strowger.agent import VoiceSettings
from strowger.errors import ProviderError
from strowger.ports import LINE_RATE, Word
from strowger.providers.cartesia import CartesiaSettings, CartesiaVoice
from strowger.providers.deepgram import DeepgramSettings
from strowger.providers.deepgram_aura import AuraVoice
from strowger.providers.elevenlabs import ElevenLabsSettings, ElevenLabsVoice
from strowger.providers.line_audio import LineAudio
from strowger.providers.streamed_voice import StreamedVoice, VoicePolicy, VoiceVendor
from strowger.providers.websocket import Connector, Garbage, SocketPolicy, VendorFailed
from tests.providers.vendors.behaviour import Behaviour, Fault, speech_like, spoken_words
from tests.providers.vendors.cartesia import Cartesia
from tests.providers.vendors.deepgram import DeepgramAura
from tests.providers.vendors.elevenlabs import ElevenLabs
from tests.providers.vendors.sockets import KEY, Vendor, serving

TEXT = "Good morning, this is the dental practice calling about your appointment."
QUICK = Behaviour(first_sound=0.0)
SOCKETS = SocketPolicy(pause=0.0, spares=0)
IMPATIENT = VoicePolicy(first=0.3, between=0.3)
NAMES = ("elevenlabs", "cartesia", "deepgram")


def vendor_of(name: str, url: str, key: str | None = KEY) -> VoiceVendor:
    match name:
        case "elevenlabs":
            return ElevenLabsVoice(ElevenLabsSettings(base_url=url, api_key=key))
        case "cartesia":
            return CartesiaVoice(CartesiaSettings(base_url=url, api_key=key))
    return AuraVoice(DeepgramSettings(base_url=url, api_key=key))


def fake_of(name: str, behaviour: Behaviour) -> Vendor:
    fakes: dict[str, type[Vendor]] = {
        "elevenlabs": ElevenLabs,
        "cartesia": Cartesia,
        "deepgram": DeepgramAura,
    }
    return fakes[name](replace(behaviour, faults=[*behaviour.faults]))


@asynccontextmanager
async def stage(
    name: str,
    behaviour: Behaviour = QUICK,
    *,
    policy: VoicePolicy | None = None,
    sockets: SocketPolicy = SOCKETS,
    key: str = KEY,
) -> AsyncIterator[tuple[StreamedVoice, Vendor]]:
    fake = fake_of(name, behaviour)
    async with serving(fake) as url, asyncio.TaskGroup() as tasks:
        voice = StreamedVoice(vendor_of(name, url, key), Connector(sockets), policy)
        running = tasks.create_task(voice.pool.run())
        try:
            yield voice, fake
        finally:
            running.cancel()


async def spoken(
    voice: StreamedVoice, text: str = TEXT, **settings: object
) -> tuple[bytes, list[Word]]:
    pcm, words = b"", []
    wanted = VoiceSettings(**settings)  # type: ignore[arg-type]
    async for piece in voice.speak(text, wanted, language="en-US"):
        if isinstance(piece, bytes):
            pcm += piece
        else:
            words.append(piece)
    return pcm, words


def run(test: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test

    asyncio.run(bounded())


@pytest.mark.parametrize("name", NAMES)
def test_a_text_becomes_sound_for_the_line(name: str) -> None:
    async def test() -> None:
        async with stage(name) as (voice, _):
            pcm, _ = await spoken(voice)
            meant = np.frombuffer(speech_like(TEXT), "<i2").astype(float)
            came = np.frombuffer(pcm, "<i2").astype(float)
            assert len(came) == len(meant)
            assert np.corrcoef(meant, came)[0, 1] > 0.99

    run(test())


def test_a_model_that_elevenlabs_does_not_stream_is_said_so_before_it_blames_the_key() -> None:
    vendor = ElevenLabsVoice(ElevenLabsSettings(api_key=KEY))
    with pytest.raises(ProviderError, match="does not stream its model eleven_v3") as failure:
        vendor.dial(VoiceSettings(model="eleven_v3"), "en-US")
    assert not failure.value.retryable


@pytest.mark.parametrize("name", ["elevenlabs", "cartesia"])
def test_a_voice_that_knows_when_its_words_are_spoken_says_so(name: str) -> None:
    async def test() -> None:
        async with stage(name) as (voice, _):
            for _ in range(2):
                pcm, words = await spoken(voice)
                assert [word.text for word in words] == TEXT.split()
                for word, (text, start, lasts) in zip(words, spoken_words(TEXT), strict=True):
                    assert word.text == text
                    assert word.start == pytest.approx(start, abs=0.02)
                    assert word.end == pytest.approx(start + lasts, abs=0.03)
                assert words[-1].end <= len(pcm) / 2 / LINE_RATE + 0.01
                assert all(one.start < two.start for one, two in pairwise(words))

    run(test())


@pytest.mark.parametrize("name", NAMES)
def test_one_connection_serves_one_text_after_another(name: str) -> None:
    async def test() -> None:
        async with stage(name) as (voice, fake):
            first, _ = await spoken(voice)
            second, _ = await spoken(voice, "And something else.")
            assert first != second
            assert len(fake.visits) == 1

    run(test())


@pytest.mark.parametrize("name", NAMES)
def test_two_texts_at_once_have_a_connection_each(name: str) -> None:
    async def test() -> None:
        async with stage(name) as (voice, fake):
            one, two = await asyncio.gather(spoken(voice), spoken(voice, "Something else."))
            assert one[0] == (await spoken(voice))[0]
            assert two[0] == (await spoken(voice, "Something else."))[0]
            assert len(fake.visits) == 2

    run(test())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_called_off_is_not_heard_in_the_next_text(name: str) -> None:
    async def test() -> None:
        slow = replace(QUICK, real_time=0.5)
        async with stage(name, slow) as (voice, fake):
            speech = voice.speak(TEXT, VoiceSettings(), language="en-US")
            async with aclosing(cast(AsyncGenerator[bytes | Word, None], speech)) as pieces:
                async for _ in pieces:
                    break
            pcm, _ = await spoken(voice, "No problem.")
            assert len(pcm) == len(speech_like("No problem."))
            connections = {"elevenlabs": 1, "cartesia": 1, "deepgram": 2}
            assert len(fake.visits) == connections[name]

    run(test())


@pytest.mark.parametrize("name", NAMES)
def test_voice_model_and_speed_are_passed_on(name: str) -> None:
    async def test() -> None:
        async with stage(name) as (voice, fake):
            await spoken(voice, voice_id="nora/1", model="special", speed=1.1)
            visit = fake.visits[0]
            said = f"{visit.path} {visit.query} {visit.received}"
            assert "nora/1" in said or "nora%2F1" in said
            assert "1.1" in said
            assert name == "deepgram" or "special" in said

    run(test())


def test_a_deepgram_connection_is_left_before_it_refuses_to_flush() -> None:
    async def test() -> None:
        async with stage("deepgram") as (voice, fake):
            for _ in range(21):
                await spoken(voice, "Yes.")
            assert [len(visit.messages("Flush")) for visit in fake.visits] == [20, 1]

    run(test())


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_is_an_error_and_the_next_text_is_spoken(name: str, fault: Fault) -> None:
    async def test() -> None:
        behaviour = replace(QUICK, faults=[fault])
        async with stage(name, behaviour, policy=IMPATIENT) as (voice, _):
            with pytest.raises(ProviderError, match=rf"^{name} ") as failure:
                await spoken(voice)
            told_to_stop = fault is Fault.ERROR and name == "elevenlabs"  # no credit left
            assert failure.value.retryable is not told_to_stop
            pcm, _ = await spoken(voice, "Yes.")
            assert pcm

    run(test())


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_key_is_said_without_the_key(name: str) -> None:
    async def test() -> None:
        async with stage(name, key="wrong-key-42") as (voice, _):
            with pytest.raises(ProviderError, match="refused the API key") as failure:
                await spoken(voice)
            assert not failure.value.retryable
            assert "wrong-key-42" not in str(failure.value)

    run(test())


@pytest.mark.parametrize("name", NAMES)
def test_a_text_that_is_too_long_is_refused_before_it_is_sent(name: str) -> None:
    async def test() -> None:
        async with stage(name) as (voice, fake):
            with pytest.raises(ProviderError, match="9000 characters"):
                await spoken(voice, "x" * 9000)
            assert fake.visits == []

    run(test())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "[]",
        '{"audio": 3}',
        '{"audio": "%%%"}',
        '{"audio": "AAAA", "alignment": {"chars": ["a"], "charStartTimesMs": []}}',
        '{"audio": "AAAA", "alignment": {"chars": [1], "charStartTimesMs": ["x"],'
        ' "charDurationsMs": [null]}}',
        '{"type": "chunk"}',
        '{"type": "chunk", "data": null}',
        '{"type": "timestamps", "word_timestamps": {"words": ["a"], "start": [], "end": []}}',
        '{"type": "timestamps"}',
        '{"type": "error", "status_code": "x"}',
        '{"type": "Warning"}',
        b"",
        b"\x00",
    ],
)
def test_no_message_whatever_brings_a_session_down_in_another_way(
    name: str, frame: str | bytes
) -> None:
    session = vendor_of(name, "http://127.0.0.1:1").new_session()
    session.speak("Hello.", VoiceSettings(), "en-US")
    with suppress(Garbage, VendorFailed):
        session.receive(frame)


@pytest.mark.parametrize(
    ("sound", "problem"),
    [
        (b"RIFF" + bytes(1000), "a file or a text"),
        (b'{"error": "no credit"}', "a file or a text"),
        (b"", "no sound"),
        (bytes(2 * 8000) + b"\x00", "half a sample"),
        (bytes(2 * 8000 * 60), "the rate is wrong"),
        (bytes(2 * 8000 // 4), "the rate is wrong"),
    ],
)
def test_sound_that_cannot_be_this_text_is_refused(sound: bytes, problem: str) -> None:
    audio = LineAudio(TEXT)
    with pytest.raises(Garbage, match=problem):
        audio.process(sound)
        audio.flush()


def test_a_short_text_may_be_said_quickly_and_a_number_slowly() -> None:
    chinese = "您好，这里是明亮牙科诊所，想跟您确认一下星期二下午三点的预约，您方便吗？"
    for text, seconds in (("Yes.", 0.2), ("1,234,567", 4.0), (chinese, 10.0)):
        audio = LineAudio(text)
        pcm = audio.process(bytes(round(2 * 8000 * seconds))) + audio.flush()
        assert len(pcm) == round(2 * 8000 * seconds)
