"""Recognition that goes on with another recogniser when one fails in the middle of a turn.

The sound of the turn is kept, so that who takes over hears it from its beginning.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress

from strowger.agent import TranscriberSettings
from strowger.errors import ProviderError
from strowger.ports import LINE_RATE, Recognised, Recognition, SpeechToText
from strowger.providers.candidates import Candidate, Clock, Health, candidates, too_late

LARGEST_TURN = 2 * LINE_RATE * 60
"""Bytes of a turn that are kept for who takes over: a minute's end."""

Ears = Candidate[TranscriberSettings]
Begin = Callable[[Ears, AsyncExitStack], Awaitable[Recognition]]
"""Enter a candidate's recognition of the turn. Raises ProviderError."""


class FallbackEars:
    """SpeechToText by the recogniser of that name, and by those its settings fall back to."""

    def __init__(
        self, name: str, find: Callable[[str], SpeechToText], health: Health, *, tries: int = 1
    ) -> None:
        """`tries` is how often it is asked itself before a turn is given up."""
        self._name = name
        self._find = find
        self._health = health
        self._tries = tries

    @property
    def metered(self) -> bool:
        with suppress(ProviderError):
            return self._find(self._name).metered
        return False

    async def warm(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str] = ()
    ) -> None:
        first = self._ordered(settings)[0]
        with suppress(ProviderError):  # the first turn will say it
            ears = self._find(first.name)
            if ears.metered and not self.metered:
                return  # who asks believes that it costs nothing, and perhaps nobody answers
            await ears.warm(first.settings, language=language, phrases=phrases)

    @asynccontextmanager
    async def recognise(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str]
    ) -> AsyncIterator["FallbackTurn"]:
        async def begin(candidate: Ears, stack: AsyncExitStack) -> Recognition:
            ears = self._find(candidate.name)
            recognising = ears.recognise(candidate.settings, language=language, phrases=phrases)
            return await stack.enter_async_context(recognising)

        turn = FallbackTurn(
            self._ordered(settings), begin, self._health, within=settings.fallback_after
        )
        try:
            await turn.take_on()
            yield turn
        finally:
            await turn.close()

    def _ordered(self, settings: TranscriberSettings) -> list[Ears]:
        now = asyncio.get_running_loop().time()
        return self._health.ordered(candidates(self._name, settings, tries=self._tries), now=now)


class FallbackTurn:
    """One turn, whoever hears it."""

    def __init__(
        self, candidates: Sequence[Ears], begin: Begin, health: Health, *, within: float
    ) -> None:
        self._left = list(candidates)
        self._begin = begin
        self._health = health
        self._within = within
        self._stack = AsyncExitStack()
        self._present = self._left[0]
        self._ears: Recognition | None = None
        self._pcm = bytearray()
        self._passed_on = 0
        """Bytes of `_pcm` that the present recogniser has."""
        self._asked: Clock | None = None
        """Since when a final result is wanted."""
        self._broken: ProviderError | None = None
        self._waiting: asyncio.Timeout | None = None

    async def send(self, pcm: bytes) -> None:
        self._pcm += pcm
        surplus = max(0, len(self._pcm) - LARGEST_TURN)
        del self._pcm[:surplus]
        self._passed_on = max(0, self._passed_on - surplus)
        self._asked = None  # the pause was none
        if (ears := self._ears) is not None:
            with self._noting_failure(ears):
                await self._pass_on(ears)

    async def flush(self) -> None:
        self._asked = Clock()
        if (ears := self._ears) is not None:
            with self._noting_failure(ears):
                await ears.flush()
        self._set_deadline()

    async def results(self) -> AsyncGenerator[Recognised, None]:
        while True:
            if self._ears is None:
                await self.take_on()
                continue
            try:
                results = self._ears.results()
                while (result := await self._next(results)) is not None:
                    if result.final and self._asked is not None:
                        self._health.answered(self._present, self._asked.seconds)
                        self._asked = None
                    yield result
            except ProviderError as error:
                await self._give_up(error)
            else:
                return

    async def take_on(self) -> None:
        """Let the next who can hear the turn, from its beginning. Raises the last one's error."""
        while self._ears is None:
            candidate = self._left.pop(0)
            self._present = candidate
            try:
                async with asyncio.timeout(self._within if self._left else None):
                    ears = await self._begin(candidate, self._stack)
                    await self._replay(ears)
            except TimeoutError:
                await self._give_up(too_late(self._present.name, self._within))
            except ProviderError as error:
                await self._give_up(error)

    async def close(self) -> None:
        await self._stack.aclose()

    async def _replay(self, ears: Recognition) -> None:
        self._passed_on = 0
        while self._passed_on < len(self._pcm):
            await self._pass_on(ears)
        self._ears = ears
        if self._asked is not None:
            self._asked = Clock()
            await ears.flush()

    async def _pass_on(self, ears: Recognition) -> None:
        pcm = bytes(self._pcm[self._passed_on :])
        self._passed_on = len(self._pcm)
        if pcm:
            await ears.send(pcm)

    async def _give_up(self, error: ProviderError) -> None:
        """Take leave of the present recogniser. Raises its error where no other is left."""
        following = self._left[0] if self._left else None
        now = asyncio.get_running_loop().time()
        self._health.failed(self._present, error, now=now, next=following)
        self._ears = self._broken = None
        await self._stack.aclose()
        if not self._left:
            raise error

    async def _next(self, results: AsyncIterator[Recognised]) -> Recognised | None:
        """The next result; None at the end. Raises ProviderError, too where none comes in time."""
        if self._broken is not None:
            raise self._broken
        try:
            async with asyncio.timeout_at(self._due()) as self._waiting:
                return await anext(results, None)
        except TimeoutError:
            raise self._broken or too_late(self._present.name, self._within) from None
        finally:
            self._waiting = None

    def _due(self) -> float | None:
        """Until when a final result has to come; only where somebody else could be asked."""
        if self._asked is None or not self._left:
            return None
        return self._asked.began + self._within

    def _set_deadline(self) -> None:
        if self._waiting is not None and not self._waiting.expired():
            now = asyncio.get_running_loop().time()
            self._waiting.reschedule(now if self._broken is not None else self._due())

    @contextmanager
    def _noting_failure(self, ears: Recognition) -> Iterator[None]:
        """Who reads the results finds another recogniser; who sends need not know.

        What fails to be sent to one that was given up meanwhile is not the next one's failure.
        """
        try:
            yield
        except ProviderError as error:
            if self._ears is ears:
                self._broken = error
                self._set_deadline()
