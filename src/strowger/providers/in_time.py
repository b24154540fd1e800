"""A stream whose first piece has to come within a time, and each further one, too."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

T = TypeVar("T")


async def in_time(stream: AsyncIterator[T], within: float | None) -> AsyncGenerator[T, None]:
    """The pieces as they come. Raises TimeoutError; closing this closes the stream."""
    try:
        while True:
            async with asyncio.timeout(within):
                try:
                    piece = await anext(stream)
                except StopAsyncIteration:
                    return
            yield piece
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()
