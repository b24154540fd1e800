"""Real work for calls in virtual time: done at once, while their clock stands still.

A thread with a loop of its own runs the configured providers. A caller on a virtual loop blocks
until the work is done, so that nothing else happens meanwhile and calls stay reproducible; on an
ordinary loop it waits as one does.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Self, TypeVar

from strowger.agent import ModelSettings, TranscriberSettings, VoiceSettings
from strowger.conversation.dialogue import Message, OfferedTool
from strowger.errors import ProviderError
from strowger.ports import Providers, Recognised, ReplyPart, pcm_of
from strowger.simulate.virtual_time import VirtualTimeLoop

T = TypeVar("T")

WORK_WITHIN = 60.0
"""Seconds, of the real clock, that one piece of work may take."""
START_WITHIN = 30.0


class Workshop:
    """The configured providers, in a thread of their own, for as long as it is open."""

    def __init__(
        self, open_providers: Callable[[], AbstractAsyncContextManager[Providers]]
    ) -> None:
        self._open_providers = open_providers
        self._thread = threading.Thread(target=self._main, name="workshop", daemon=True)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._providers: Providers | None = None
        self._closing: asyncio.Event | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(START_WITHIN):
            raise ProviderError("the providers did not start in time", retryable=False)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._loop is not None and self._closing is not None:
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(START_WITHIN)

    # ── what it can do ───────────────────────────────────────────────────────────────────────

    async def speak(
        self, provider: str, text: str, settings: VoiceSettings, *, language: str
    ) -> bytes:
        """All of the speech. Raises ProviderError.

        By a voice that has said nothing before: espeak-ng's sound depends on what it said last, and
        here the same words are to sound the same, whoever spoke before (50 ms for a new child).
        """

        async def work(_: Providers) -> bytes:
            async with self._open_providers() as providers:
                voice = providers.text_to_speech(provider)
                pieces = voice.speak(text, settings, language=language)
                return b"".join([piece async for piece in pcm_of(pieces)])

        return await self._do(work)

    async def recognise(
        self,
        provider: str,
        pcm: bytes,
        settings: TranscriberSettings,
        *,
        language: str,
        phrases: Sequence[str],
    ) -> Recognised:
        """The words of a whole turn. Raises ProviderError.

        By a recogniser that has heard nothing before: pocketsphinx adapts itself to what it hears,
        and here the same sound is to have the same words (0.4 s for a new child).
        """

        async def work(_: Providers) -> Recognised:
            async with self._open_providers() as providers:
                recogniser = providers.speech_to_text(provider)
                async with recogniser.recognise(
                    settings, language=language, phrases=phrases
                ) as recognition:
                    await recognition.send(pcm)
                    await recognition.flush()
                    async for result in recognition.results():
                        if result.final:
                            return result
            return Recognised("", True)

        return await self._do(work)

    async def reply(
        self,
        provider: str,
        dialogue: Sequence[Message],
        settings: ModelSettings,
        *,
        tools: Sequence[OfferedTool],
    ) -> list[tuple[float, ReplyPart]]:
        """The parts of the reply, with the seconds after which each came. Raises ProviderError."""

        async def work(providers: Providers) -> list[tuple[float, ReplyPart]]:
            loop = asyncio.get_running_loop()
            began = loop.time()
            parts = providers.language_model(provider).reply(dialogue, settings, tools=tools)
            return [(loop.time() - began, part) async for part in parts]

        return await self._do(work)

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    async def _do(self, work: Callable[[Providers], Coroutine[None, None, T]]) -> T:
        assert self._loop is not None and self._providers is not None, "it is open"
        done = asyncio.run_coroutine_threadsafe(work(self._providers), self._loop)
        try:
            if isinstance(asyncio.get_running_loop(), VirtualTimeLoop):
                return done.result(WORK_WITHIN)
            async with asyncio.timeout(WORK_WITHIN):
                return await asyncio.wrap_future(done)
        except TimeoutError:
            done.cancel()
            raise ProviderError(f"nothing came within {WORK_WITHIN:g} s", retryable=True) from None

    def _main(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._closing = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        async with self._open_providers() as providers:
            self._providers = providers
            self._ready.set()
            await self._closing.wait()


async def paced(parts: Sequence[tuple[float, ReplyPart]]) -> AsyncIterator[ReplyPart]:
    """The parts at the pace they came at."""
    before = 0.0
    for at, part in parts:
        await asyncio.sleep(max(0.0, at - before))
        before = max(at, before)
        yield part
