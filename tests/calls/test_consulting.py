"""The second line of a call: taken before anybody is called by it, and given back for certain."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from strowger.calls import chronicle as chronicles
from strowger.calls import consulting
from strowger.calls.chronicle import Chronicle
from strowger.calls.consulting import SecondLine
from strowger.errors import TransferRefused, Unavailable
from strowger.model import CallId, WorkerId
from tests.calls.test_runner import CALL, WORKER, FakeStore


class Trunk(FakeStore):
    """Says what is done with its lines, and can be away."""

    def __init__(self) -> None:
        super().__init__(CALL)
        self.log: list[str] = []
        self.loses_answers = False
        self.is_away = False

    async def take_line_to_consult(self, call_id: CallId, worker: WorkerId, *, now: float) -> float:
        self.log.append("taken")
        if self.loses_answers:
            raise Unavailable("connection lost")
        return 0.0

    async def give_consulted_line_back(self, call_id: CallId) -> None:
        if self.is_away:
            raise Unavailable("no database for a moment")
        self.log.append("given back")


@asynccontextmanager
async def kept() -> AsyncIterator[Chronicle]:
    chronicle = Chronicle()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(chronicle.run())
        yield chronicle
        await chronicle.written()
        writing.cancel()


def test_a_line_is_held_and_given_back_whatever_becomes_of_the_consultation() -> None:
    async def main() -> None:
        trunk = Trunk()
        async with kept() as chronicle:
            async with SecondLine(trunk, chronicle, CALL.id, WORKER).taken():
                assert trunk.log == ["taken"]
            await chronicle.written()
            assert trunk.log == ["taken", "given back"]

            async def consult() -> None:
                async with SecondLine(trunk, chronicle, CALL.id, WORKER).taken():
                    await asyncio.Event().wait()

            async with asyncio.TaskGroup() as tasks:
                consulting = tasks.create_task(consult())
                while len(trunk.log) < 3:
                    await asyncio.sleep(0)
                consulting.cancel()
        assert trunk.log == 2 * ["taken", "given back"]

    asyncio.run(main())


def test_a_line_is_given_back_of_which_nobody_knows_whether_it_was_taken() -> None:
    async def main() -> None:
        trunk = Trunk()
        trunk.loses_answers = True
        async with kept() as chronicle:
            with pytest.raises(Unavailable):
                async with SecondLine(trunk, chronicle, CALL.id, WORKER).taken():
                    raise AssertionError("nobody is called")
        assert trunk.log == ["taken", "given back"]

    asyncio.run(main())


def test_the_next_line_is_taken_once_the_one_before_was_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chronicles, "RETRY_EVERY", 0.01)

    async def main() -> None:
        trunk = Trunk()
        async with kept() as chronicle:
            trunk.is_away = True
            async with SecondLine(trunk, chronicle, CALL.id, WORKER).taken():
                pass

            async def once_more() -> None:
                async with SecondLine(trunk, chronicle, CALL.id, WORKER).taken():
                    pass

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(once_more())
                await asyncio.sleep(0.05)
                assert trunk.log == ["taken"]
                trunk.is_away = False
        assert trunk.log == 2 * ["taken", "given back"]

    asyncio.run(main())


def test_who_is_called_keeps_the_line_while_the_agent_asks_for_somebody_else_too() -> None:
    async def main() -> None:
        trunk = Trunk()
        async with kept() as chronicle:
            line = SecondLine(trunk, chronicle, CALL.id, WORKER)
            async with line.taken():
                with pytest.raises(TransferRefused, match="already"):
                    async with line.taken():
                        raise AssertionError("one is called at a time")
                await chronicle.written()
                assert trunk.log == ["taken"], "it would be given to another call"
            async with line.taken():
                assert trunk.log == ["taken", "given back", "taken"]

    asyncio.run(main())


def test_nobody_waits_on_the_line_for_a_database_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chronicles, "RETRY_EVERY", 0.01)
    monkeypatch.setattr(consulting, "WRITTEN_WITHIN", 0.05)

    async def main() -> None:
        trunk = Trunk()
        async with kept() as chronicle:
            line = SecondLine(trunk, chronicle, CALL.id, WORKER)
            trunk.is_away = True
            async with line.taken():
                pass
            with pytest.raises(Unavailable, match="database"):
                async with line.taken():
                    raise AssertionError("the line before has not been given back")
            trunk.is_away = False
        assert trunk.log == ["taken", "given back"]

    asyncio.run(main())
