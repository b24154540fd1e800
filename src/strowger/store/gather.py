"""One statement for all who ask at the same time.

What a statement costs is mostly the way there and back, and for a change the waiting for the disk.
So nobody goes alone where others want the same: whoever asks while nobody is on the way goes at
once, and those who come meanwhile go together when that one is back. With nothing else to do the
answer is as quick as it would be anyway; the more there is to do, the less each costs.

It does not decide what is asked, nor over which connection: that is the function it is given.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from strowger.errors import Unavailable
from strowger.store.connect import joined

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

Ask = Callable[[Sequence[Asked]], Awaitable[Sequence[Answer | Exception]]]
"""Answers each in order; an exception among the answers is raised to the one it answers."""

MOST_AT_ONCE = 100


def _future() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


@dataclass(slots=True, eq=False)
class _Turn(Generic[Asked, Answer]):
    """One who asks."""

    asked: Asked
    called: asyncio.Future[None] = field(default_factory=_future)
    """Done when there is an answer, or when it is this one's to go for all."""
    answer: tuple[Answer | Exception] | None = None


class Gathered(Generic[Asked, Answer]):
    """Asks for all that wait."""

    def __init__(self, ask: Ask[Asked, Answer], *, most: int = MOST_AT_ONCE) -> None:
        self._ask = ask
        self._most = most
        self._waiting: deque[_Turn[Asked, Answer]] = deque()
        self._on_the_way = False

    async def __call__(self, asked: Asked) -> Answer:
        """What the function that was given answers, or raises.

        Where it fails for all, each is asked for alone, so that a fault stays with whose it is.
        Not where that is `Unavailable`: then what was asked for may even have been done.
        """
        if joined():  # to a transaction of its own, which nobody else is a part of
            (answer,) = await self._ask([asked])
            return _given(answer)
        turn = _Turn[Asked, Answer](asked)
        self._waiting.append(turn)
        if self._on_the_way:
            try:
                await turn.called
            except asyncio.CancelledError:
                if turn.called.done() and not turn.called.cancelled() and turn.answer is None:
                    self._call_next()  # it was to go for all
                raise
        if turn.answer is None:
            await self._go()
        assert turn.answer is not None
        return _given(turn.answer[0])

    async def _go(self) -> None:
        """For the first that wait; whoever calls this is the very first."""
        self._on_the_way = True
        group = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        group = [turn for turn in group if not turn.called.cancelled()]
        answers: Sequence[Answer | Exception] = [_abandoned() for _ in group]
        try:
            answers = await self._answers([turn.asked for turn in group])
        finally:
            for turn, answer in zip(group, answers, strict=True):
                turn.answer = (answer,)
                if not turn.called.done():
                    turn.called.set_result(None)
            self._call_next()

    async def _answers(self, asked: Sequence[Asked]) -> Sequence[Answer | Exception]:
        try:
            return await self._ask(asked)
        except Unavailable as error:
            return [Unavailable(str(error)) for _ in asked]
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised to the one who asked for it
            if len(asked) == 1:
                return [error]
            return [(await self._answers([one]))[0] for one in asked]

    def _call_next(self) -> None:
        self._on_the_way = False
        while self._waiting:
            if not self._waiting[0].called.done():
                self._on_the_way = True
                self._waiting[0].called.set_result(None)
                return
            self._waiting.popleft()


def _given(answer: Answer | Exception) -> Answer:
    if isinstance(answer, Exception):
        raise answer
    return answer


def _abandoned() -> Unavailable:
    return Unavailable("whoever asked for several at once was stopped")
