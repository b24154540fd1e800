import asyncio
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from strowger.agent import VoiceSettings
from strowger.errors import ProviderError
from strowger.providers.child import ChildPolicy
from strowger.providers.espeak import LONGEST_TEXT, EspeakSpeech
from strowger.providers.installed import find_espeak
from strowger.providers.loudness import active_rms

TEXT = "Good morning, would you like to confirm your appointment on Tuesday?"


def run(test: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await test

    asyncio.run(bounded())


@asynccontextmanager
async def espeak() -> AsyncIterator[EspeakSpeech]:
    voice = EspeakSpeech(find_espeak(), ChildPolicy(deadline=30.0))
    try:
        yield voice
    finally:
        await voice.close()


async def said(
    voice: EspeakSpeech, text: str = TEXT, language: str = "en-US", **settings: object
) -> bytes:
    spoken = voice.speak(text, VoiceSettings(**settings), language=language)  # type: ignore[arg-type]
    return b"".join([pcm async for pcm in spoken])


def children() -> list[int]:
    """Child processes of this one that still run."""
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in listed]


@pytest.mark.parametrize("voice_id", [None, "en-us", "en-gb", "en-gb+klatt2", "de", "en-US+f2"])
def test_a_voice_is_as_loud_as_a_telephone_talker_and_begins_at_once(voice_id: str | None) -> None:
    async def test() -> None:
        async with espeak() as voice:
            sound = np.frombuffer(await said(voice, voice_id=voice_id), "<i2").astype(float)
        assert 2.5 * 8000 < len(sound) < 6 * 8000
        assert -23.5 < 20 * np.log10(active_rms(sound) / 32768) < -18
        assert 20 * np.log10(np.abs(sound).max() / 32768) < -3
        loud = np.flatnonzero(np.abs(sound) > 200)
        assert loud[0] < 80  # 10 ms
        assert len(sound) - loud[-1] < 800

    run(test())


def test_audio_comes_in_pieces_before_the_whole_is_made() -> None:
    async def test() -> None:
        async with espeak() as voice:
            pieces = [pcm async for pcm in voice.speak(TEXT, VoiceSettings(), language="en-US")]
        assert len(pieces) > 10
        assert all(len(piece) % 2 == 0 for piece in pieces)

    run(test())


def test_speed_changes_how_long_it_takes_to_say() -> None:
    async def test() -> None:
        async with espeak() as voice:
            slow, usual, fast = [len(await said(voice, speed=s)) for s in (0.5, 1.0, 2.0)]
        assert slow > 1.5 * usual
        assert usual > 1.4 * fast

    run(test())


def test_each_language_has_its_voice() -> None:
    async def test() -> None:
        async with espeak() as voice:
            german = await said(voice, "Guten Morgen", language="de-DE")
            named = await said(voice, "Guten Morgen", voice_id="de+klatt")
            english = await said(voice, "Guten Morgen", language="en-US")
            assert len(named) == pytest.approx(len(german), abs=100)
            assert len(english) != pytest.approx(len(german), abs=100)
            with pytest.raises(ProviderError, match="does not speak"):
                await said(voice, language="tlh-XX-klingon")

    run(test())


@pytest.mark.parametrize("voice_id", ["nosuchvoice", "../../etc/passwd", "en us", "", "en-us+"])
def test_a_voice_that_does_not_exist_is_refused_and_the_next_one_speaks(voice_id: str) -> None:
    async def test() -> None:
        async with espeak() as voice:
            with pytest.raises(ProviderError, match="voice") as failure:
                await said(voice, voice_id=voice_id)
            assert not failure.value.retryable
            assert await said(voice)

    run(test())


@pytest.mark.parametrize(
    "text", ["", " ", "...", "\0", "\ud83d", "😀", "<speak>&amp;", "[[nonsense"]
)
def test_any_text_is_spoken_or_silent_but_never_breaks_the_voice(text: str) -> None:
    async def test() -> None:
        async with espeak() as voice:
            await said(voice, text)
            assert await said(voice)

    run(test())


def test_the_same_texts_in_the_same_order_sound_the_same() -> None:
    async def test() -> None:
        heard = []
        for _ in range(2):
            async with espeak() as voice:
                heard.append([await said(voice, text) for text in ("Yes.", TEXT, "No.")])
        assert heard[0] == heard[1]

    run(test())


def test_a_text_that_is_too_long_is_refused() -> None:
    async def test() -> None:
        async with espeak() as voice:
            with pytest.raises(ProviderError, match="characters"):
                await said(voice, "x" * (LONGEST_TEXT + 1))

    run(test())


def test_stopping_in_the_middle_of_a_word_leaves_the_next_utterance_whole() -> None:
    async def test() -> None:
        async with espeak() as voice:
            whole = await said(voice, "Thank you.", voice_id="en-us")
            for _ in range(5):
                pieces = voice.speak(TEXT * 20, VoiceSettings(voice_id="en-us"), language="en-US")
                await anext(pieces)
                await pieces.aclose()  # type: ignore[attr-defined]
                again = await said(voice, "Thank you.", voice_id="en-us")
                assert len(again) == pytest.approx(len(whole), abs=200)

    run(test())


def test_two_calls_at_the_same_time_each_get_their_own_words() -> None:
    async def test() -> None:
        async with espeak() as voice:
            alone = [len(await said(voice, text)) for text in ("One.", TEXT)]
            async with asyncio.TaskGroup() as tasks:
                together = [
                    tasks.create_task(said(voice, text)) for text in ("One.", TEXT, "One.", TEXT)
                ]
        assert [len(task.result()) for task in together] == pytest.approx(alone * 2, abs=200)

    run(test())


def test_a_child_killed_in_the_middle_is_an_error_and_the_next_utterance_is_spoken() -> None:
    async def test() -> None:
        async with espeak() as voice:
            await said(voice)
            before = children()
            pieces = voice.speak(TEXT * 70, VoiceSettings(), language="en-US")
            await anext(pieces)
            assert len(before) == 1
            os.kill(before[0], signal.SIGKILL)
            with pytest.raises(ProviderError) as failure:
                async for _ in pieces:
                    pass
            assert failure.value.retryable
            assert await said(voice)
            assert before[0] not in children()
        assert children() == []

    run(test())
