"""Spotting phrases in running speech, on the telephone band, by the real voice and recogniser."""

import asyncio
from collections.abc import Sequence

import numpy as np

from strowger.agent import TranscriberSettings, VoiceSettings
from strowger.media import g711
from strowger.media.events import Codec
from strowger.providers.child import ChildPolicy
from strowger.providers.espeak import EspeakSpeech
from strowger.providers.installed import find_espeak, find_pocketsphinx
from strowger.providers.pocketsphinx import PocketsphinxRecogniser

PHRASES = (
    "You have an appointment",
    "on Tuesday at three pm",
    "we look forward to seeing you",
    "somebody from the clinic",
)
POLICY = ChildPolicy(deadline=30.0)


def over_the_telephone(pcm: bytes) -> bytes:
    codes = g711.encode(Codec.PCMU, np.frombuffer(pcm, "<i2"))
    return g711.decode(Codec.PCMU, codes).astype("<i2").tobytes()


async def listen(
    texts: Sequence[str], keywords: tuple[str, ...], phrases: tuple[str, ...] = ()
) -> list[str]:
    """What is understood of each text, spoken in one turn."""
    voice = EspeakSpeech(find_espeak(), POLICY)
    ear = PocketsphinxRecogniser(find_pocketsphinx(), POLICY)
    heard = []
    try:
        for text in texts:
            settings = TranscriberSettings(keywords=keywords)
            spoken = voice.speak(text, VoiceSettings(), language="en-US")
            async with ear.recognise(settings, language="en-US", phrases=phrases) as turn:
                await turn.send(over_the_telephone(b"".join([pcm async for pcm in spoken])))
                await turn.flush()
                heard.append((await anext(aiter(turn.results()))).text)
    finally:
        await voice.close()
        await ear.close()
    return heard


def test_phrases_are_spotted_in_whole_sentences_and_not_where_they_are_not() -> None:
    assert asyncio.run(
        listen(
            [
                "You have an appointment on Tuesday at 3 pm. Can you come?",
                "All right. Somebody from the clinic will call you. Goodbye.",
                "Thank you. We look forward to seeing you on Tuesday. Goodbye.",
                "Your parcel has been delivered to the neighbour by mail.",
            ],
            PHRASES,
        )
    ) == [
        "You have an appointment … on Tuesday at three pm",
        "somebody from the clinic",
        "we look forward to seeing you",
        "",
    ]


def test_a_phrase_in_the_last_words_is_spotted_too() -> None:
    assert asyncio.run(listen(["Are you still there?"], ("are you still there",))) == [
        "are you still there"
    ]


def test_a_phrase_with_a_word_that_nobody_knows_does_not_spoil_the_others() -> None:
    keywords = ("you have an appointment", "zxqvw 17")
    assert asyncio.run(listen(["You have an appointment."], keywords)) == [
        "you have an appointment"
    ]
    assert asyncio.run(listen(["You have an appointment."], ("zxqvw",))) == [""]


def test_where_answers_are_expected_keywords_are_further_answers() -> None:
    assert asyncio.run(listen(["Yes.", "Thursday."], ("thursday",), ("yes", "no"))) == [
        "yes",
        "thursday",
    ]


def test_spotting_and_answers_take_turns_in_one_process() -> None:
    async def main() -> list[str]:
        voice = EspeakSpeech(find_espeak(), POLICY)
        ear = PocketsphinxRecogniser(find_pocketsphinx(), POLICY)
        heard = []
        try:
            for text, phrases in [("You have an appointment.", ()), ("Yes.", ("yes", "no"))] * 3:
                spoken = voice.speak(text, VoiceSettings(), language="en-US")
                pcm = over_the_telephone(b"".join([piece async for piece in spoken]))
                expected = phrases or ("you have an appointment",)
                found = await ear.transcribe(pcm, phrases=expected, spotting=not phrases)
                heard.append(found.text)
        finally:
            await voice.close()
            await ear.close()
        return heard

    assert asyncio.run(main()) == ["you have an appointment", "yes"] * 3
