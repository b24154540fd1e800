"""Asking together: who goes at once, who goes with whom, and whose fault is whose."""

import asyncio
from collections.abc import Sequence

import pytest

from strowger.errors import Conflict, NotFound, Unavailable
from strowger.store.gather import Gathered

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Database:
    """Answers what it is asked in capitals, each time when it is let."""

    def __init__(self) -> None:
        self.heard: list[list[str]] = []
        self.may_answer = asyncio.Semaphore(0)
        self.failing: Exception | None = None

    async def ask(self, asked: Sequence[str]) -> Sequence[str | Exception]:
        self.heard.append(list(asked))
        await asyncio.sleep(0)  # nobody answers before the question is heard
        await self.may_answer.acquire()
        if self.failing is not None:
            raise self.failing
        if "poison" in asked:
            raise ValueError("poison")
        return [NotFound("no such thing") if one == "nothing" else one.upper() for one in asked]

    def let(self, times: int = 1) -> None:
        for _ in range(times):
            self.may_answer.release()


async def settle() -> None:
    """Let everybody run who can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_first_goes_at_once_and_those_who_come_meanwhile_go_together() -> None:
    database = Database()
    gathered = Gathered(database.ask)
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(gathered(one)) for one in ("a", "b", "c")]
        await settle()
        assert database.heard == [["a"]]
        database.let()
        await settle()
        assert database.heard == [["a"], ["b", "c"]]
        late = tasks.create_task(gathered("d"))
        database.let(2)
    assert database.heard == [["a"], ["b", "c"], ["d"]]
    assert [task.result() for task in (*asking, late)] == ["A", "B", "C", "D"]
    database.let()
    assert await gathered("e") == "E"


async def test_no_more_go_together_than_may() -> None:
    database = Database()
    gathered = Gathered(database.ask, most=2)
    database.let(4)
    assert await asyncio.gather(*(gathered(one) for one in "abcdef")) == list("ABCDEF")
    assert database.heard == [["a"], ["b", "c"], ["d", "e"], ["f"]]


async def test_an_error_among_the_answers_is_raised_to_whose_it_is() -> None:
    database = Database()
    gathered = Gathered(database.ask)
    database.let(2)
    found = await asyncio.gather(
        *(gathered(one) for one in ("a", "nothing", "b")), return_exceptions=True
    )
    assert isinstance(found[1], NotFound)
    assert (found[0], found[2]) == ("A", "B")


async def test_a_fault_stays_with_whose_it_is() -> None:
    database = Database()
    gathered = Gathered(database.ask)
    database.let(5)
    found = await asyncio.gather(
        *(gathered(one) for one in ("a", "b", "poison", "c")), return_exceptions=True
    )
    assert isinstance(found[2], ValueError)
    assert (found[0], found[1], found[3]) == ("A", "B", "C")
    assert database.heard == [["a"], ["b", "poison", "c"], ["b"], ["poison"], ["c"]]


async def test_what_may_have_been_done_is_not_tried_again() -> None:
    database = Database()
    database.failing = Unavailable("the connection was lost")
    gathered = Gathered(database.ask)
    database.let(2)
    found = await asyncio.gather(*(gathered(one) for one in "abc"), return_exceptions=True)
    assert [type(one) for one in found] == [Unavailable] * 3
    assert database.heard == [["a"], ["b", "c"]]
    database.failing = None
    database.let()
    assert await gathered("d") == "D"


async def test_whoever_gives_up_while_waiting_is_not_asked_for() -> None:
    database = Database()
    gathered = Gathered(database.ask)
    async with asyncio.TaskGroup() as tasks:
        first, given_up, last = (tasks.create_task(gathered(one)) for one in ("a", "b", "c"))
        await settle()
        given_up.cancel()
        await settle()
        database.let(2)
    assert database.heard == [["a"], ["c"]]
    assert (first.result(), last.result()) == ("A", "C")


async def test_whoever_is_stopped_while_asking_for_others_tells_them() -> None:
    database = Database()
    gathered = Gathered(database.ask)
    going = asyncio.ensure_future(gathered("a"))
    await settle()
    others = [asyncio.ensure_future(gathered(one)) for one in "bc"]
    await settle()
    database.let()
    await settle()
    assert database.heard == [["a"], ["b", "c"]]
    after = asyncio.ensure_future(gathered("d"))
    await settle()
    others[0].cancel()  # it is the one that went for both
    found = await asyncio.gather(going, *others, return_exceptions=True)
    assert found[0] == "A"
    assert isinstance(found[1], asyncio.CancelledError)
    assert isinstance(found[2], Unavailable)
    database.let()
    assert await after == "D"


async def test_whoever_is_called_to_go_and_gives_up_calls_the_next() -> None:
    database = Database()
    gathered = Gathered(database.ask)
    waiting: list[asyncio.Future[str]] = []

    async def first() -> None:
        await gathered("a")
        waiting[0].cancel()  # which was called just now, and has not gone yet

    going = asyncio.ensure_future(first())
    await settle()
    waiting += [asyncio.ensure_future(gathered(one)) for one in "bc"]
    await settle()
    database.let(2)
    found = await asyncio.gather(going, *waiting, return_exceptions=True)
    assert isinstance(found[1], asyncio.CancelledError)
    assert found[2] == "C"
    assert database.heard == [["a"], ["c"]]
    database.let()
    assert await gathered("d") == "D"


async def test_an_error_is_everybodys_own() -> None:
    async def refuse(asked: Sequence[str]) -> Sequence[str | Exception]:
        return [Conflict(one) for one in asked]

    gathered = Gathered(refuse)
    found = await asyncio.gather(*(gathered(one) for one in "ab"), return_exceptions=True)
    assert [str(one) for one in found] == ["a", "b"]
