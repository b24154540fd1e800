"""The providers of a rehearsed call: real speech and real or exact ears, at the scenario's pace.

Both sides of a call share one `Air`: what is spoken on one side is what the exact recogniser of
the other side looks for in the sound that its line has heard. Delays are the loop's, so that the
same providers serve calls in virtual time and calls over real SIP.
"""

import asyncio
import json
import random
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache

from strowger.agent import ModelSettings, TranscriberSettings, VoiceSettings
from strowger.conversation.dialogue import Message, OfferedTool, Role, ToolCall
from strowger.errors import ProviderError
from strowger.ports import (
    LINE_RATE,
    LanguageModel,
    Providers,
    ProviderWatch,
    Recognised,
    Recognition,
    ReplyEnd,
    ReplyPart,
    ReplyText,
    SpeechToText,
    TextToSpeech,
    Word,
)
from strowger.simulate.matching import RATE, HeardWord, Sounding, find_words, sounding
from strowger.simulate.scenario import (
    EXACT,
    SCRIPTED,
    ModelPlan,
    RecognitionPlan,
    ScriptedReply,
    SpeechPlan,
    Trouble,
)
from strowger.simulate.virtual_time import VirtualTimeLoop
from strowger.simulate.workshop import Workshop, paced

REMEMBERED = 8
"""Utterances of one side that may still be heard: the last few, because they are spoken in turn."""
CHUNK = LINE_RATE // 10 * 2
"""Bytes of 100 ms, the pieces that speech comes in."""
LONGEST_TURN = 60 * LINE_RATE * 2
"""Bytes of one turn that are listened to."""
CHARACTERS_PER_TOKEN = 4
WRONG_WORDS = ("maybe", "than", "fifty", "of course not", "hello", "tomorrow", "right", "four")
"""What a recogniser takes a word for that it does not understand."""

Voiced = dict[tuple[str, VoiceSettings, str, str], bytes]
"""Speech by provider, settings, language and text: the same words need to be spoken once."""


@lru_cache(maxsize=2048)
def _sounding(text: str, pcm: bytes) -> Sounding:
    return sounding(text, pcm)


@dataclass(slots=True)
class Air:
    """What was spoken on one side of a call, and may be heard on the other."""

    _spoken: deque[tuple[str, bytes | bytearray]] = field(
        default_factory=lambda: deque(maxlen=REMEMBERED)
    )

    def spoken(self, text: str, pcm: bytes | bytearray) -> None:
        """A bytearray is what there is of the sound so far: it may grow."""
        self._spoken.append((text, pcm))

    def sounds(self) -> list[Sounding]:
        """Each once."""
        spoken = dict.fromkeys((text, bytes(pcm)) for text, pcm in self._spoken if pcm)
        return [_sounding(text, pcm) for text, pcm in spoken]


class _Troubles:
    """Counts the requests to one provider, and tells which go wrong."""

    def __init__(self, troubles: Sequence[Trouble], provider: str) -> None:
        self._planned = [each for each in troubles if each.provider == provider]
        self._provider = provider
        self._requests = 0

    async def strike(self) -> None:
        """One more request. Raises ProviderError, or does not return, where it goes wrong."""
        self._requests += 1
        for trouble in self._planned:
            if trouble.request <= self._requests < trouble.request + trouble.times:
                if trouble.kind == "hang":
                    await asyncio.Event().wait()
                raise ProviderError(f"the scenario's {self._provider} fails", retryable=True)


class RehearsedVoice:
    """TextToSpeech that speaks into the air, after the scenario's delay."""

    def __init__(
        self,
        plan: SpeechPlan,
        workshop: Workshop,
        voiced: Voiced,
        air: Air,
        troubles: Sequence[Trouble] = (),
    ) -> None:
        self._plan = plan
        self._workshop = workshop
        self._voiced = voiced
        self._air = air
        self._troubles = _Troubles(troubles, "speech")

    async def warm(self, settings: VoiceSettings, *, language: str) -> None:
        """It always is."""

    async def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes | Word]:
        await self._troubles.strike()
        pcm = await self._pcm(text, settings, language)
        await asyncio.sleep(self._plan.first_audio)
        self._air.spoken(text, pcm)
        if self._plan.word_times:
            for word in _sounding(text, pcm).words:
                yield Word(word.text, word.start / RATE, word.end / RATE)
        for start in range(0, len(pcm), CHUNK):
            yield pcm[start : start + CHUNK]

    async def _pcm(self, text: str, settings: VoiceSettings, language: str) -> bytes:
        key = (self._plan.provider, settings, language, text)
        if key not in self._voiced:
            self._voiced[key] = await self._workshop.speak(
                self._plan.provider, text, settings, language=language
            )
        return self._voiced[key]


class RehearsedRecogniser:
    """SpeechToText that hears what was spoken into the far side's air, or asks a real one."""

    metered = False

    def __init__(
        self,
        plan: RecognitionPlan,
        workshop: Workshop,
        air: Air,
        *,
        seed: str,
        troubles: Sequence[Trouble] = (),
    ) -> None:
        self._plan = plan
        self._workshop = workshop
        self._air = air
        self._seed = seed
        self._turns = 0
        self._troubles = _Troubles(troubles, "recognition")

    async def warm(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str] = ()
    ) -> None:
        """It always is."""

    @asynccontextmanager
    async def recognise(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str]
    ) -> AsyncIterator[Recognition]:
        self._turns += 1
        await self._troubles.strike()
        if self._plan.provider == EXACT:
            chance = random.Random(f"words {self._seed} {self._turns}")  # noqa: S311
            yield _ExactWords(self._plan, self._air, chance)
        else:

            async def recognise(pcm: bytes) -> Recognised:
                return await self._workshop.recognise(
                    self._plan.provider, pcm, settings, language=language, phrases=phrases
                )

            yield _WholeTurn(self._plan, recognise)


class _ExactWords:
    """One turn, heard by comparing it with what was played."""

    def __init__(self, plan: RecognitionPlan, air: Air, chance: random.Random) -> None:
        self._plan = plan
        self._air = air
        self._errors = chance.random()  # one number decides the errors of all results of the turn
        self._pcm = bytearray()
        self._shown = 0
        self._results: asyncio.Queue[Recognised] = asyncio.Queue(maxsize=1024)

    async def send(self, pcm: bytes) -> None:
        self._pcm += pcm[: LONGEST_TURN - len(self._pcm)]
        every = self._plan.interim_every
        if every is not None and len(self._pcm) - self._shown >= 2 * every * LINE_RATE:
            self._shown = len(self._pcm)
            self._tell_later(final=False)

    async def flush(self) -> None:
        self._tell_later(final=True)

    async def results(self) -> AsyncIterator[Recognised]:
        while True:
            yield await self._results.get()

    def _tell_later(self, *, final: bool) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(self._plan.delay, self._tell, bytes(self._pcm), final)

    def _tell(self, pcm: bytes, final: bool) -> None:
        loop, sounds = asyncio.get_running_loop(), self._air.sounds()
        if isinstance(loop, VirtualTimeLoop):
            self._found(find_words(pcm, sounds), final)
            return
        # Some hundredths of a second, for which real telephones on this loop must not stand still.
        finding = loop.run_in_executor(None, find_words, pcm, sounds)
        finding.add_done_callback(lambda done: self._found(done.result(), final))

    def _found(self, found: Sequence[HeardWord], final: bool) -> None:
        if not found and not final:
            return
        words = misheard(
            [Word(each.text, each.start, each.end, round(each.alike, 3)) for each in found],
            self._plan.word_errors,
            self._errors,
        )
        sure = round(sum(word.alike for word in found) / len(found), 3) if found else 0.0
        text, times = " ".join(word.text for word in words), tuple(words)
        if not self._results.full():
            self._results.put_nowait(Recognised(text, final, sure, times))


def misheard(words: Sequence[Word], share: float, seed: float) -> list[Word]:
    """The words with that share of them lost or taken for others.

    A word's fate depends on the seed and its place alone, so that a turn's results agree.
    """
    heard: list[Word] = []
    for place, word in enumerate(words):
        chance = random.Random(f"{seed} {place}")  # noqa: S311
        struck, lost, other = chance.random(), chance.random(), chance.choice(WRONG_WORDS)
        if struck >= share:
            heard.append(word)
        elif lost >= 0.5:
            heard.append(replace(word, text=other))
    return heard


class _WholeTurn:
    """One turn, given to a real recogniser at each pause, out of the call's time."""

    def __init__(
        self, plan: RecognitionPlan, recognise: Callable[[bytes], Awaitable[Recognised]]
    ) -> None:
        self._plan = plan
        self._recognise = recognise
        self._pcm = bytearray()
        self._flushed: asyncio.Queue[bytes] = asyncio.Queue(maxsize=64)

    async def send(self, pcm: bytes) -> None:
        self._pcm += pcm[: LONGEST_TURN - len(self._pcm)]

    async def flush(self) -> None:
        await self._flushed.put(bytes(self._pcm))

    async def results(self) -> AsyncIterator[Recognised]:
        while True:
            pcm = await self._flushed.get()
            result = await self._recognise(pcm)
            await asyncio.sleep(self._plan.delay)
            yield result


class ScriptedModel:
    """LanguageModel whose replies are written in the scenario."""

    def __init__(self, plan: ModelPlan) -> None:
        self._plan = plan
        self._replies = 0
        self._waiting = [reply for reply in plan.replies if reply.when is None]

    async def warm(self, settings: ModelSettings) -> None:
        """It always is."""

    async def reply(
        self,
        dialogue: Sequence[Message],
        settings: ModelSettings,
        *,
        tools: Sequence[OfferedTool] = (),
    ) -> AsyncIterator[ReplyPart]:
        self._replies += 1
        told = (each.text for each in reversed(dialogue) if each.role in (Role.USER, Role.TOOL))
        reply = self._chosen(next(told, ""))
        await asyncio.sleep(
            self._plan.first_token if reply.first_token is None else reply.first_token
        )
        for start in range(0, len(reply.say), CHARACTERS_PER_TOKEN):
            if start:
                await asyncio.sleep(1 / self._plan.tokens_per_second)
            yield ReplyText(reply.say[start : start + CHARACTERS_PER_TOKEN])
        for number, tool in enumerate(reply.tools):
            arguments = tool.arguments
            written = arguments if isinstance(arguments, str) else json.dumps(arguments)
            yield ToolCall(f"call_{self._replies}_{number}", tool.name, written)
        if reply.trouble == "fail":
            raise ProviderError("the scenario's model fails", retryable=True)
        if reply.trouble == "hang":
            await asyncio.Event().wait()
        yield ReplyEnd()

    def _chosen(self, last: str) -> ScriptedReply:
        for reply in self._plan.replies:
            if reply.when is not None and re.search(reply.when, last, re.IGNORECASE):
                return reply
        if len(self._waiting) > 1:
            return self._waiting.pop(0)
        return self._waiting[0] if self._waiting else ScriptedReply()


class WorkshopModel:
    """LanguageModel that a configured provider answers for, at the pace it answered at."""

    def __init__(self, provider: str, workshop: Workshop) -> None:
        self._provider = provider
        self._workshop = workshop

    async def warm(self, settings: ModelSettings) -> None:
        """It always is."""

    async def reply(
        self,
        dialogue: Sequence[Message],
        settings: ModelSettings,
        *,
        tools: Sequence[OfferedTool] = (),
    ) -> AsyncIterator[ReplyPart]:
        parts = await self._workshop.reply(self._provider, dialogue, settings, tools=tools)
        async for part in paced(parts):
            yield part


@dataclass(frozen=True, slots=True)
class Performers:
    """The providers of one side, whatever names they are asked for by: implements
    `WatchedProviders`."""

    ear: RehearsedRecogniser
    voice: RehearsedVoice
    model: LanguageModel
    fallback: RehearsedVoice

    def speech_to_text(self, name: str) -> SpeechToText:
        return self.ear

    def text_to_speech(self, name: str) -> TextToSpeech:
        return self.voice

    def language_model(self, name: str) -> LanguageModel:
        return self.model

    def fallback_voice(self) -> TextToSpeech | None:
        return self.fallback

    def watched(self, by: ProviderWatch) -> Providers:
        return self


def model_of(plan: ModelPlan, workshop: Workshop) -> LanguageModel:
    if plan.provider == SCRIPTED:
        return ScriptedModel(plan)
    return WorkshopModel(plan.provider, workshop)
