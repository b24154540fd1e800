import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager

import numpy as np
import pytest

from strowger.agent import TranscriberSettings, VoiceSettings
from strowger.errors import ProviderError
from strowger.media import g711
from strowger.media.events import Codec
from strowger.ports import Recognised
from strowger.providers.child import ChildPolicy
from strowger.providers.espeak import EspeakSpeech
from strowger.providers.hearing import prepare
from strowger.providers.installed import find_espeak, find_pocketsphinx
from strowger.providers.pocketsphinx import (
    LONGEST_TURN,
    PocketsphinxRecogniser,
)

POLICY = ChildPolicy(deadline=30.0)
YES_NO = ("yes", "yeah", "yes please", "no", "no thank you", "nope")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "tomorrow")
NUMBERS = ("one", "two", "three", "four", "five", "six", "eight", "nine", "ten", "twenty two")
KEYWORDS = ("confirm", "cancel", "reschedule", "operator", "morning", "afternoon")
CHOSEN = {
    YES_NO: ("yes", "yes please", "no", "no thank you"),
    DAYS: ("monday", "wednesday", "thursday", "friday", "saturday", "tomorrow"),
    NUMBERS: ("two", "five", "twenty two"),
    KEYWORDS: ("cancel", "reschedule", "operator", "confirm", "afternoon"),
}
"""Phrases by the answers that are expected with them."""


def run(test: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(120):
            await test

    asyncio.run(bounded())


@asynccontextmanager
async def local() -> AsyncIterator[tuple[EspeakSpeech, PocketsphinxRecogniser]]:
    voice = EspeakSpeech(find_espeak(), POLICY)
    ears = PocketsphinxRecogniser(find_pocketsphinx(), POLICY)
    try:
        yield voice, ears
    finally:
        await voice.close()
        await ears.close()


async def on_the_line(voice: EspeakSpeech, text: str, voice_id: str | None = None) -> bytes:
    """The text as a telephone hears it: µ-law, and a moment of silence around it."""
    spoken = voice.speak(text, VoiceSettings(voice_id=voice_id), language="en-US")
    pcm = bytes(4800) + b"".join([piece async for piece in spoken]) + bytes(8000)
    codes = g711.encode(Codec.PCMU, np.frombuffer(pcm, "<i2"))
    return g711.decode(Codec.PCMU, codes).astype("<i2").tobytes()


async def understood(
    ears: PocketsphinxRecogniser, pcm: bytes, phrases: Iterable[str]
) -> Recognised:
    settings = TranscriberSettings()
    async with ears.recognise(settings, language="en-US", phrases=tuple(phrases)) as turn:
        for start in range(0, len(pcm), 320):
            await turn.send(pcm[start : start + 320])
        await turn.flush()
        return await anext(turn.results())


def test_expected_answers_are_understood_on_the_telephone_band() -> None:
    async def test() -> None:
        wrong = []
        async with local() as (voice, ears):
            for expected, said in CHOSEN.items():
                for text in said:
                    heard = await understood(ears, await on_the_line(voice, text), expected)
                    assert heard.final
                    if heard.text != text:
                        wrong.append((text, heard))
        assert len(wrong) <= 2, wrong  # of 18

    run(test())


def test_words_around_an_answer_are_left_out() -> None:
    async def test() -> None:
        async with local() as (voice, ears):
            for text, expected in [("um, friday", "friday"), ("friday, please", "friday")]:
                heard = await understood(ears, await on_the_line(voice, text), DAYS)
                assert heard.text == expected

    run(test())


def test_what_is_none_of_the_answers_is_less_sure_than_what_is_one() -> None:
    async def test() -> None:
        async with local() as (voice, ears):
            sure = [
                (await understood(ears, await on_the_line(voice, text), DAYS)).confidence
                for text in ("monday", "wednesday", "friday", "saturday")
            ]
            other = [
                (await understood(ears, await on_the_line(voice, text), DAYS)).confidence
                for text in (
                    "i have a question about my bill",
                    "the weather is nice",
                    "who is calling please",
                    "pizza with mushrooms",
                )
            ]
        assert sum(c or 0 for c in other) < 0.5 * sum(c or 0 for c in sure)

    run(test())


def test_more_of_the_turn_after_a_pause_is_recognised_with_what_came_before() -> None:
    async def test() -> None:
        async with local() as (voice, ears):
            first, second = [await on_the_line(voice, text) for text in ("twenty", "two")]
            settings = TranscriberSettings()
            phrases = ("twenty", "twenty two")
            async with ears.recognise(settings, language="en-US", phrases=phrases) as turn:
                results = turn.results()
                heard = []
                for pcm in (first, second):
                    await turn.send(pcm)
                    await turn.flush()
                    heard.append((await anext(results)).text)
        assert heard == ["twenty", "twenty two"]

    run(test())


def test_silence_noise_and_clicks_are_no_words() -> None:
    async def test() -> None:
        noise = np.random.default_rng(0).normal(0, 300, 16000).astype("<i2").tobytes()
        click = bytes(8000) + b"\xff\x7f" * 3 + bytes(8000)
        async with local() as (_, ears):
            for pcm in (b"", b"\0", bytes(2), bytes(32_000), noise, click):
                assert (await understood(ears, pcm, YES_NO)).text == ""

    run(test())


def test_a_phrase_with_a_word_that_nobody_knows_is_left_out_and_warned_of_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def test() -> None:
        async with local() as (voice, ears):
            pcm = await on_the_line(voice, "friday")
            for _ in range(2):
                assert (await understood(ears, pcm, ("friday", "zxqvw club"))).text == "friday"
            assert (await understood(ears, pcm, ("zxqvw",))).text == ""

    run(test())
    assert capsys.readouterr().out.count("words_not_in_dictionary") == 1


def test_phrases_come_back_as_they_were_written() -> None:
    async def test() -> None:
        async with local() as (voice, ears):
            heard = await understood(
                ears, await on_the_line(voice, "friday"), ("FRIDAY!", "Monday")
            )
            assert heard.text == "FRIDAY!"

    run(test())


def test_phrases_cannot_break_the_grammar() -> None:
    async def test() -> None:
        hostile = (
            "friday",
            "a | b;",
            "<rule> = x;",
            "",
            "  ",
            "\0",
            "++noise++",
            "<sil>",
            "é" * 500,
        )
        async with local() as (voice, ears):
            assert (await understood(ears, await on_the_line(voice, "friday"), hostile)).text == (
                "friday"
            )

    run(test())


def test_without_phrases_it_is_dictation_with_little_confidence() -> None:
    async def test() -> None:
        async with local() as (voice, ears):
            pcm = await on_the_line(voice, "what is the weather like")
            heard = await understood(ears, pcm, ())
        assert heard.text
        assert heard.confidence is not None and heard.confidence <= 0.2

    run(test())


def test_many_grammars_one_after_another_are_forgotten_again() -> None:
    async def test() -> None:
        async with local() as (voice, ears):
            pcm = await on_the_line(voice, "friday")
            for number in range(70):
                phrases = ("friday", "monday" + " monday" * (number % 7), "one" + " two" * number)
                assert (await understood(ears, pcm, phrases)).text == "friday"

    run(test())


def test_another_language_is_refused() -> None:
    async def test() -> None:
        async with local() as (_, ears):
            with pytest.raises(ProviderError, match="English, not de-DE"):
                async with ears.recognise(TranscriberSettings(), language="de-DE", phrases=()):
                    pass

    run(test())


def test_a_turn_is_prepared_alike_whatever_its_level() -> None:
    time = np.arange(8000) / 8000
    tone = np.sin(2 * np.pi * 700 * time) * (time > 0.3) * (time < 0.7)
    loud, quiet = [
        np.frombuffer(prepare((tone * level).astype("<i2").tobytes()), "<i2").astype(float)
        for level in (20_000, 1000)
    ]
    assert len(loud) == len(quiet) == pytest.approx(16000 * 0.6, abs=400)
    assert np.abs(loud - quiet).max() < 100


def test_the_longest_turn_is_recognised_within_its_deadline() -> None:
    async def test() -> None:
        async with local() as (voice, ears):
            sentence = await on_the_line(voice, "i would rather not say anything about that today")
            turn = (sentence * 40)[: 2 * 8000 * (LONGEST_TURN - 2)]
            heard = await understood(ears, turn + await on_the_line(voice, "friday"), DAYS)
            assert heard.final

    run(test())


def test_warming_up_starts_the_child_and_costs_the_first_turn_nothing() -> None:
    async def main() -> None:
        recogniser = PocketsphinxRecogniser(find_pocketsphinx(), ChildPolicy())
        try:
            await recogniser.warm(TranscriberSettings(), language="en-US")
            assert any(child.running for child in recogniser._children._children)
        finally:
            await recogniser.close()

    asyncio.run(main())
