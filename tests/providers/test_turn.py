import asyncio

from strowger.ports import LINE_RATE, Recognised
from strowger.providers.turn import WholeTurn


class Ear:
    """Says how many bytes it was given."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.asked = 0

    async def transcribe(self, pcm: bytes) -> Recognised:
        self.asked += 1
        await self.go_on.wait()
        return Recognised(str(len(pcm)), final=True)


def test_each_flush_is_answered_with_all_of_the_turn() -> None:
    async def main() -> list[str]:
        turn = WholeTurn(Ear().transcribe, longest=10)
        results, heard = turn.results(), []
        for _ in range(3):
            await turn.send(bytes(320))
            await turn.flush()
            heard.append((await anext(results)).text)
        return heard

    assert asyncio.run(main()) == ["320", "640", "960"]


def test_a_flush_during_recognition_is_answered_afterwards() -> None:
    async def main() -> list[str]:
        ear = Ear()
        ear.go_on.clear()
        turn = WholeTurn(ear.transcribe, longest=10)
        heard = []

        async def listen() -> None:
            async for result in turn.results():
                heard.append(result.text)
                if len(heard) == 2:
                    return

        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            tasks.create_task(listen())
            await turn.send(bytes(320))
            await turn.flush()
            while ear.asked == 0:
                await asyncio.sleep(0)
            await turn.send(bytes(320))
            await turn.flush()
            ear.go_on.set()
        return heard

    assert asyncio.run(main()) == ["320", "640"]


def test_of_a_turn_that_is_too_long_the_end_is_kept() -> None:
    heard = []

    async def transcribe(pcm: bytes) -> Recognised:
        heard.append(pcm)
        return Recognised("", final=True)

    async def main() -> None:
        turn = WholeTurn(transcribe, longest=1)
        for number in range(1, 4):
            await turn.send(bytes([number]) * LINE_RATE)
        await turn.flush()
        await anext(turn.results())

    asyncio.run(main())
    assert heard == [b"\2" * LINE_RATE + b"\3" * LINE_RATE]


def test_closing_the_turn_ends_its_results() -> None:
    async def main() -> None:
        turn = WholeTurn(Ear().transcribe, longest=1)
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            listener = tasks.create_task(collect(turn))
            await asyncio.sleep(0)
            turn.close()
        assert listener.result() == []

    async def collect(turn: WholeTurn) -> list[Recognised]:
        return [result async for result in turn.results()]

    asyncio.run(main())
