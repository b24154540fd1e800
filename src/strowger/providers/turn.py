"""Recognition of a turn as a whole: its audio is kept, and recognised anew at each flush."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from strowger.ports import LINE_RATE, Recognised

Transcribe = Callable[[bytes], Awaitable[Recognised]]
"""All words of a turn, heard at LINE_RATE."""


class WholeTurn:
    """A Recognition for recognisers that want all of a turn at once."""

    def __init__(self, transcribe: Transcribe, *, longest: float) -> None:
        """Of a turn longer than `longest` seconds the end is kept: answers come last."""
        self._transcribe = transcribe
        self._largest = 2 * round(longest * LINE_RATE)
        self._pcm = bytearray()
        self._flushed = asyncio.Event()
        self._closed = False

    async def send(self, pcm: bytes) -> None:
        self._pcm += pcm
        del self._pcm[: max(0, len(self._pcm) - self._largest)]

    async def flush(self) -> None:
        self._flushed.set()

    async def results(self) -> AsyncIterator[Recognised]:
        """One final result for each flush; flushes that come during one share the next."""
        while True:
            await self._flushed.wait()
            if self._closed:
                return
            self._flushed.clear()
            yield await self._transcribe(bytes(self._pcm))

    def close(self) -> None:
        """Nothing more comes; `results` ends."""
        self._closed = True
        self._flushed.set()
