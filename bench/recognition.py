"""How well local voices and the local recogniser understand each other over a telephone.

    python bench/recognition.py

Each voice says each phrase; the sound is cut to 300-3400 Hz, sent through µ-law with a little noise
and recognised with the answers of the question it belongs to. An answer is right when it has the
right value: "yeah" for "yes" is, "fifty" for "fifteen" is not. Then sentences that are no answer at
all: those should be refused. Times are from the flush to the result, and from the request to the
first audio, with the processes already running.
"""

import asyncio
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from strowger.agent import TranscriberSettings, VoiceSettings
from strowger.media import g711
from strowger.media.events import Codec
from strowger.ports import LINE_RATE, Recognised, TextToSpeech, pcm_of
from strowger.providers.child import ChildPolicy
from strowger.providers.espeak import EspeakSpeech
from strowger.providers.flite import FliteSpeech
from strowger.providers.installed import find_espeak, find_flite, find_pocketsphinx
from strowger.providers.pocketsphinx import PocketsphinxRecogniser

POLICY = ChildPolicy(deadline=30.0)
NOISE = 20.0
"""RMS of the line's noise: some -64 dBFS."""
VOICES = (
    ("local", "en-us+klatt"),
    ("local", "en-us+klatt2"),
    ("local", "en-us"),
    ("flite", "slt"),
    ("flite", "rms"),
    ("flite", "kal"),
)
ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TEENS = [
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
NUMBERS = (
    "zero", *ONES, *TEENS, *TENS, *(f"{ten} {one}" for ten in TENS for one in ONES), "one hundred",
)  # fmt: skip


@dataclass(frozen=True)
class Question:
    name: str
    answers: dict[str, Sequence[str]]
    """Phrases by the value they stand for."""
    said: Sequence[str]

    @property
    def phrases(self) -> list[str]:
        return [phrase for phrases in self.answers.values() for phrase in phrases]

    def value(self, text: str) -> str | None:
        values = [value for value, phrases in self.answers.items() if text in phrases]
        return values[0] if values else None


YES = ("yes", "yeah", "yep", "yes please", "sure", "correct", "right", "of course")
NO = ("no", "nope", "no thank you", "no thanks")
DAYS = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "today",
    "tomorrow",
]
WORDS = ["confirm", "cancel", "reschedule", "morning", "afternoon", "operator"]
QUESTIONS = (
    Question(
        "yes or no",
        {"yes": YES, "no": NO},
        ("yes", "no", "yeah", "nope", "yes please", "no thank you", "sure"),
    ),
    Question("days", {day: (day,) for day in [*DAYS, "next week"]}, (*DAYS, "next week")),
    Question(
        "numbers",
        {number: (number,) for number in NUMBERS},
        ("seven", "fifteen", "twenty two", "forty five", "sixty", "eleven"),
    ),
    Question("keywords", {word: (word,) for word in WORDS}, WORDS),
)
NO_ANSWERS = (
    "the weather is nice",
    "what do you mean",
    "who is calling please",
    "i have a question about my bill",
    "can you repeat that",
    "pizza with mushrooms",
    "hold on one second",
    "hello",
)


@dataclass
class Score:
    right: int = 0
    wrong: list[str] = field(default_factory=list)
    unheard: list[str] = field(default_factory=list)
    refused: int = 0
    accepted: int = 0
    first_audio: list[float] = field(default_factory=list)


def telephone(pcm: bytes) -> bytes:
    """300-3400 Hz, noise, µ-law, a moment of silence on either side."""
    samples = np.frombuffer(bytes(4800) + pcm + bytes(8000), "<i2").astype(float)
    spectrum = np.fft.rfft(samples)
    frequency = np.fft.rfftfreq(len(samples), 1 / LINE_RATE)
    band = np.clip((frequency - 200) / 100, 0, 1) * np.clip((3600 - frequency) / 200, 0, 1)
    samples = np.fft.irfft(spectrum * band, len(samples))
    samples += np.random.default_rng(len(pcm)).normal(0, NOISE, len(samples))
    codes = g711.encode(Codec.PCMU, samples.clip(-32768, 32767).astype(np.int16))
    return g711.decode(Codec.PCMU, codes).astype("<i2").tobytes()


async def spoken(voice: TextToSpeech, text: str, voice_id: str) -> tuple[bytes, float]:
    """The sound, and the seconds until its first piece."""
    began, first, pcm = time.perf_counter(), 0.0, b""
    speech = voice.speak(text, VoiceSettings(voice_id=voice_id), language="en-US")
    async for piece in pcm_of(speech):
        first = first or time.perf_counter() - began
        pcm += piece
    return telephone(pcm), first


async def heard(
    ears: PocketsphinxRecogniser, pcm: bytes, phrases: Sequence[str]
) -> tuple[Recognised, float]:
    settings = TranscriberSettings()
    async with ears.recognise(settings, language="en-US", phrases=phrases) as turn:
        await turn.send(pcm)
        began = time.perf_counter()
        await turn.flush()
        result = await anext(turn.results())
        return result, time.perf_counter() - began


async def measure(
    voice: TextToSpeech, voice_id: str, ears: PocketsphinxRecogniser, times: dict[str, list[float]]
) -> Score:
    score = Score()
    await spoken(voice, "warm up", voice_id)
    for question in QUESTIONS:
        for text in question.said:
            pcm, first = await spoken(voice, text, voice_id)
            score.first_audio.append(first)
            result, took = await heard(ears, pcm, question.phrases)
            times[question.name].append(took)
            if question.value(result.text) == question.value(text):
                score.right += 1
            elif result.text:
                score.wrong.append(f"{text} as {result.text}")
            else:
                score.unheard.append(text)
        for text in NO_ANSWERS:
            pcm, _ = await spoken(voice, text, voice_id)
            result, _ = await heard(ears, pcm, question.phrases)
            if result.text:
                score.accepted += 1
            else:
                score.refused += 1
    return score


def milliseconds(times: Sequence[float]) -> str:
    middle, late = np.percentile(times, [50, 95]) * 1000
    return f"{middle:.0f} / {late:.0f} ms"


def print_row(name: str, score: Score) -> None:
    total = score.right + len(score.wrong) + len(score.unheard)
    answers = f"{score.right:3} of {total}"
    others = f"{score.refused} of {score.refused + score.accepted}"
    audio = milliseconds(score.first_audio)
    print(f"{name:22}{answers:12}{len(score.wrong):5}{len(score.unheard):9}{others:>14}{audio:>16}")


async def main() -> None:
    espeak = EspeakSpeech(find_espeak(), POLICY)
    voices: dict[str, TextToSpeech] = {"local": espeak}
    if shutil.which("flite"):
        voices["flite"] = FliteSpeech(find_flite())
    ears = PocketsphinxRecogniser(find_pocketsphinx(), POLICY)
    times: dict[str, list[float]] = {question.name: [] for question in QUESTIONS}
    scores = {}
    print(f"{'voice':22}{'right':12}{'wrong':>5}{'no words':>9}{'refused':>14}{'first audio':>16}")
    try:
        for question in QUESTIONS:  # grammars are built when they are first asked for
            await heard(ears, (await spoken(espeak, "warm up", "en-us"))[0], question.phrases)
        for provider, voice_id in VOICES:
            if provider in voices:
                name = f"{provider} {voice_id}"
                scores[name] = await measure(voices[provider], voice_id, ears, times)
                print_row(name, scores[name])
    finally:
        await espeak.close()
        await ears.close()
    print("\nfrom flush to result, half of them / 95 in 100 within:")
    for question in QUESTIONS:
        count = len(question.phrases)
        print(f"  {question.name:12}{count:4} phrases{milliseconds(times[question.name]):>16}")
    print("\nnot understood:")
    for name, score in scores.items():
        print(f"  {name}: {', '.join([*score.wrong, *score.unheard]) or 'nothing'}")


if __name__ == "__main__":
    asyncio.run(main())
