"""Connections that are kept: alive, ready, and no longer than they are worth."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from websockets.http11 import Request

from strowger.errors import ProviderError
from strowger.providers.pool import SocketPool
from strowger.providers.websocket import Connector, Dial, SocketPolicy
from tests.providers.vendors.sockets import KEY, Client, Vendor, serving

COLD = SocketPolicy(pause=0.0, spares=0)
HOT = SocketPolicy(pause=0.0, spares=1)


@dataclass
class State:
    """What a vendor's session would be."""


@dataclass
class Echo(Vendor):
    """Answers what it is sent, and leaves after so many messages."""

    path = "/echo"
    leaves_after: int | None = None
    open: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        super().__init__()

    def key_of(self, request: Request) -> str | None:
        return KEY

    async def serve(self, client: Client) -> None:
        self.open += 1
        self.changed.set()
        try:
            async for frame in client.frames():
                self.changed.set()
                if len(client.visit.received) == self.leaves_after:
                    return
                await client.send_raw(frame)
        finally:
            self.open -= 1
            self.changed.set()

    async def until(self, open: int) -> None:
        while self.open != open:
            self.changed.clear()
            await self.changed.wait()


@asynccontextmanager
async def pool(
    policy: SocketPolicy, fake: Echo | None = None, **dial: object
) -> AsyncIterator[tuple[SocketPool[State], Dial, Echo]]:
    echo = fake or Echo()
    async with serving(echo) as url, asyncio.TaskGroup() as tasks:
        made = SocketPool(Connector(policy), State)
        running = tasks.create_task(made.run())
        address = Dial(name="echo", url=url.replace("http", "ws") + "/echo")
        try:
            yield made, replace(address, **dial), echo  # type: ignore[arg-type]
        finally:
            running.cancel()


def run(test: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await test

    asyncio.run(bounded())


def test_what_is_given_back_at_rest_goes_to_the_next() -> None:
    async def test() -> None:
        async with pool(COLD) as (sockets, dial, echo):
            for _ in range(3):
                async with sockets.lease(dial) as held:
                    await held.socket.send("hello")
                    assert await held.socket.receive() == "hello"
                    held.at_rest = True
            assert len(echo.visits) == 1

    run(test())


def test_what_is_not_at_rest_is_closed_with_a_farewell() -> None:
    async def test() -> None:
        async with pool(COLD, farewell="bye") as (sockets, dial, echo):
            async with sockets.lease(dial):
                pass
            await echo.until(0)
            assert echo.visits[0].received == ["bye"]

    run(test())


def test_another_dial_has_a_connection_of_its_own() -> None:
    async def test() -> None:
        async with pool(COLD) as (sockets, dial, echo):
            for url in (dial.url, dial.url + "?voice=other"):
                async with sockets.lease(replace(dial, url=url)) as held:
                    held.at_rest = True
            assert [visit.query for visit in echo.visits] == [{}, {"voice": "other"}]

    run(test())


def test_a_spare_stands_ready_while_the_service_is_in_use() -> None:
    async def test() -> None:
        async with pool(HOT, first=("begin",)) as (sockets, dial, echo):
            sockets.warm(dial)
            await echo.until(1)
            while not sockets.idle:
                await asyncio.sleep(0.01)
            async with sockets.lease(dial):
                await echo.until(2)
            assert echo.visits[0].received[0] == "begin"

    run(test())


def test_for_one_question_one_connection_stands_ready_and_none_after_it() -> None:
    async def test() -> None:
        async with pool(HOT, passing=True) as (sockets, dial, echo):
            sockets.warm(dial)
            await echo.until(1)
            while not sockets.idle:
                await asyncio.sleep(0.01)
            async with sockets.lease(dial):
                await asyncio.sleep(0.1)
                assert len(echo.visits) == 1

    run(test())


@pytest.mark.parametrize("kind", ["metered", "passing"])
def test_who_comes_before_what_was_to_wait_for_him_leaves_nothing_waiting(kind: str) -> None:
    async def test() -> None:
        async with pool(HOT, metered=kind == "metered", passing=kind == "passing") as (
            sockets,
            dial,
            echo,
        ):
            sockets.warm(dial)
            await asyncio.sleep(0)  # it is being dialled
            async with sockets.lease(dial) as held:
                while len(echo.visits) < 2:
                    await asyncio.sleep(0.01)
                await echo.until(1)
                assert held.socket.is_open

    run(test())


def test_where_time_costs_money_one_waits_for_who_is_expected_and_none_after_it() -> None:
    async def test() -> None:
        async with pool(HOT, metered=True) as (sockets, dial, echo):
            async with sockets.lease(dial):
                await asyncio.sleep(0.1)
                assert len(echo.visits) == 1, "nobody else is expected"
            sockets.warm(dial)
            while not sockets.idle:
                await asyncio.sleep(0.01)
            async with sockets.lease(dial):
                await asyncio.sleep(0.1)
                assert len(echo.visits) == 2

    run(test())


def test_where_time_costs_money_a_single_question_has_no_connection_of_its_own_ready() -> None:
    async def test() -> None:
        async with pool(HOT, metered=True, passing=True) as (sockets, dial, echo):
            sockets.warm(dial)
            await asyncio.sleep(0.1)
            assert not echo.visits

    run(test())


def test_a_connection_that_was_closed_meanwhile_is_not_handed_out() -> None:
    async def test() -> None:
        async with pool(COLD, Echo(leaves_after=1)) as (sockets, dial, echo):
            for _ in range(2):
                async with sockets.lease(dial) as held:
                    held.at_rest = True
                    await held.socket.send("leave")
                    with pytest.raises(ProviderError, match="closed the connection"):
                        await held.socket.receive()
            assert len(echo.visits) == 2

    run(test())


def test_a_silent_connection_is_kept_alive_in_use_and_out_of_it() -> None:
    async def test() -> None:
        async with pool(COLD, keep_alive="still here", keep_alive_every=0.5) as (
            sockets,
            dial,
            echo,
        ):
            async with sockets.lease(dial) as held:
                assert await held.socket.receive() == "still here"
                held.at_rest = True
            count = len(echo.visits[0].received)
            while len(echo.visits[0].received) < count + 1:
                await asyncio.sleep(0.01)

    run(test())


def test_a_service_that_counts_pings_is_pinged_as_often_as_it_wants() -> None:
    async def test() -> None:
        async with pool(COLD, ping_every=0.05) as (sockets, dial, _), sockets.lease(dial) as held:
            while not held.socket._connection.latency:  # known from the first pong on
                await asyncio.sleep(0.01)

    run(test())


def test_what_nobody_uses_is_let_go() -> None:
    async def test() -> None:
        brief = replace(COLD, idle_for=0.0, hot_for=0.0)
        async with pool(brief) as (sockets, dial, echo):
            async with sockets.lease(dial) as held:
                held.at_rest = True
            await echo.until(0)
            assert sockets.idle == 0

    run(test())


def test_a_service_that_cannot_be_reached_keeps_nobody_from_closing() -> None:
    async def test() -> None:
        async with asyncio.TaskGroup() as tasks:
            sockets = SocketPool(Connector(HOT), State)
            running = tasks.create_task(sockets.run())
            dial = Dial(name="nobody", url="ws://127.0.0.1:1/")
            sockets.warm(dial)
            await asyncio.sleep(0.05)
            with pytest.raises(ProviderError, match="nobody cannot be reached"):
                async with sockets.lease(dial):
                    pass
            running.cancel()

    run(test())


def test_a_redirect_is_not_followed() -> None:
    async def test() -> None:
        async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 302 Found\r\nlocation: ws://127.0.0.1:2/\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(elsewhere, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(ProviderError, match=r"unexpected status \(302"):
                await Connector(COLD).open(Dial(name="x", url=f"ws://127.0.0.1:{port}/"))

    run(test())
