"""A stream whose first piece has to come within a time, and each further one, too."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

from strowger.patience import Patience

T = TypeVar("T")


async def in_time(stream: AsyncIterator[T], within: float | None) -> AsyncGenerator[T, None]:
    """The pieces as they come. Raises TimeoutError; closing this closes the stream."""
    patience = Patience()
    try:
        while True:
            with patience.within(within):
                try:
                    piece = await anext(stream)
                except StopAsyncIteration:
                    return
            yield piece
    finally:
        patience.close()
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()
