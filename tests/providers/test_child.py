import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from strowger.errors import ProviderError
from strowger.precedence import take_precedence
from strowger.providers.child import ChildPolicy, ChildPool, python_child

COMMAND = python_child(
    sys.executable, "tests.providers.echo_child", folders=[str(Path(__file__).parents[2])]
)
PATIENT = ChildPolicy(deadline=20.0)


def run(test: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(40):
            await test

    asyncio.run(bounded())


@asynccontextmanager
async def pool_of(size: int = 1, policy: ChildPolicy = PATIENT) -> AsyncIterator[ChildPool]:
    pool = ChildPool("echo", COMMAND, policy, size=size)
    try:
        yield pool
    finally:
        await pool.close()


async def ask(pool: ChildPool, do: str, body: bytes = b"", **more: object) -> bytes:
    return b"".join([piece async for piece in pool.ask({"do": do, **more}, body)])


def alive(pid: int) -> bool:
    """Zombies count as dead: their parent only has not looked yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_request_is_answered_with_what_it_asked_for() -> None:
    async def test() -> None:
        async with pool_of() as pool:
            assert await ask(pool, "echo", b"\x00\xff\n" * 200_000) == b"\x00\xff\n" * 200_000
            assert await ask(pool, "count", to=3) == b"0 1 2 "

    run(test())


def test_requests_at_the_same_time_each_get_their_own_answer() -> None:
    async def test() -> None:
        async with pool_of() as pool, asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(ask(pool, "echo", b"%d" % number)) for number in range(20)]
        assert [task.result() for task in asked] == [b"%d" % number for number in range(20)]

    run(test())


def test_the_same_process_serves_until_it_is_closed_and_then_is_gone() -> None:
    async def test() -> None:
        async with pool_of() as pool:
            first, second = await ask(pool, "pid"), await ask(pool, "pid")
            assert first == second
            assert alive(int(first))
        assert not alive(int(first))
        with pytest.raises(ProviderError, match="closed"):
            await ask(pool, "pid")

    run(test())


def test_a_child_does_not_take_the_precedence_of_its_worker() -> None:
    async def test() -> None:
        own = os.getpriority(os.PRIO_PROCESS, 0)
        if not take_precedence(-5):
            pytest.skip("only root may take precedence here")
        try:
            async with pool_of() as pool:
                pid = int(await ask(pool, "pid"))
                assert os.getpriority(os.PRIO_PROCESS, pid) == 0
        finally:
            take_precedence(own)

    run(test())


def test_an_answer_left_early_is_stopped_and_the_next_one_is_right() -> None:
    async def test() -> None:
        async with pool_of() as pool:
            async with aclosing(pool.ask({"do": "forever"})) as pieces:
                assert (await anext(pieces)).startswith(b"x")
            assert await ask(pool, "echo", b"next") == b"next"

    run(test())


def test_a_canceled_task_stops_its_request_and_the_next_one_is_right() -> None:
    async def test() -> None:
        async with pool_of() as pool:
            pid = await ask(pool, "pid")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await ask(pool, "forever")
            assert await ask(pool, "pid") == pid

    run(test())


def test_a_child_that_dies_fails_the_request_and_is_started_anew() -> None:
    async def test() -> None:
        async with pool_of() as pool:
            with pytest.raises(ProviderError, match="the child's complaint") as failure:
                await ask(pool, "die")
            assert failure.value.retryable
            assert await ask(pool, "echo", b"again") == b"again"

    run(test())


def test_a_child_killed_in_the_middle_of_an_answer_fails_it_and_is_started_anew() -> None:
    async def test() -> None:
        async with pool_of() as pool:
            pid = int(await ask(pool, "pid"))
            pieces = pool.ask({"do": "forever"})
            await anext(pieces)
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(ProviderError, match="status -9") as failure:
                async for _ in pieces:
                    pass
            assert failure.value.retryable
            assert int(await ask(pool, "pid")) != pid

    run(test())


def test_a_stuck_child_is_given_up_at_the_deadline_and_started_anew() -> None:
    async def test() -> None:
        async with pool_of(policy=ChildPolicy(deadline=3.0)) as pool:
            pid = int(await ask(pool, "pid"))
            with pytest.raises(ProviderError, match=r"within 3 s") as failure:
                await ask(pool, "stick")
            assert failure.value.retryable
            assert await ask(pool, "echo", b"again") == b"again"
            assert not alive(pid)

    run(test())


def test_a_refused_request_is_an_error_and_the_child_goes_on() -> None:
    async def test() -> None:
        async with pool_of() as pool:
            pid = await ask(pool, "pid")
            with pytest.raises(ProviderError, match="not this") as failure:
                await ask(pool, "refuse")
            assert not failure.value.retryable
            assert await ask(pool, "pid") == pid

    run(test())


def test_what_a_library_prints_does_not_get_between_the_frames() -> None:
    async def test() -> None:
        async with pool_of() as pool:
            assert await ask(pool, "print") == b""
            assert await ask(pool, "echo", b"next") == b"next"

    run(test())


def test_a_stream_out_of_step_ends_the_child_and_fails_the_request() -> None:
    async def test() -> None:
        async with pool_of() as pool:
            with pytest.raises(ProviderError, match="not a frame") as failure:
                await ask(pool, "garbage")
            assert failure.value.retryable
            assert await ask(pool, "echo", b"again") == b"again"

    run(test())


def test_more_requests_than_may_wait_are_refused_at_once() -> None:
    async def test() -> None:
        async with pool_of(policy=ChildPolicy(deadline=20.0, waiting=1)) as pool:
            pieces = pool.ask({"do": "forever"})
            await anext(pieces)
            with pytest.raises(ProviderError, match="busy") as failure:
                await ask(pool, "echo")
            assert failure.value.retryable
            await pieces.aclose()
            assert await ask(pool, "echo", b"free") == b"free"

    run(test())


def test_an_answer_over_the_limit_is_an_error() -> None:
    async def test() -> None:
        async with pool_of(policy=ChildPolicy(deadline=20.0, largest_answer=100)) as pool:
            with pytest.raises(ProviderError, match="more than 100 bytes"):
                await ask(pool, "forever")
            assert await ask(pool, "echo", b"next") == b"next"

    run(test())


def test_a_pool_takes_a_second_child_only_while_the_first_is_busy() -> None:
    async def test() -> None:
        async with pool_of(size=2) as pool:
            first = await ask(pool, "pid")
            assert await ask(pool, "pid") == first
            pieces = pool.ask({"do": "forever"})
            await anext(pieces)
            assert await ask(pool, "pid") != first
            await pieces.aclose()

    run(test())


def test_an_idle_child_is_let_go_and_comes_back_when_it_is_needed() -> None:
    async def test() -> None:
        async with pool_of(policy=ChildPolicy(deadline=20.0, idle=0.01)) as pool:
            pid = int(await ask(pool, "pid"))
            while alive(pid):
                await asyncio.sleep(0.01)
            assert int(await ask(pool, "pid")) != pid

    run(test())


def test_an_idle_child_that_does_not_leave_is_ended() -> None:
    async def test() -> None:
        async with pool_of(policy=ChildPolicy(deadline=20.0, idle=0.01, closing=0.1)) as pool:
            pid = int(await ask(pool, "linger"))
            while alive(pid):
                await asyncio.sleep(0.01)

    run(test())


def test_a_program_that_does_not_exist_is_an_error_that_no_retry_mends() -> None:
    async def test() -> None:
        pool = ChildPool("nothing", ["/nowhere/program"], PATIENT)
        with pytest.raises(ProviderError, match="cannot be started") as failure:
            await ask(pool, "echo")
        assert not failure.value.retryable
        await pool.close()

    run(test())


PARENT = """
import asyncio, sys
from strowger.providers.child import ChildPolicy, ChildPool
async def main():
    pool = ChildPool("echo", {command!r}, ChildPolicy(deadline=20.0))
    print(b"".join([piece async for piece in pool.ask({{"do": "pid"}})]).decode(), flush=True)
    async for piece in pool.ask({{"do": {do!r}}}):
        pass
asyncio.run(main())
"""


@pytest.mark.parametrize("do", ["forever", "stick"])
def test_a_child_ends_with_a_parent_that_is_killed(do: str) -> None:
    source = str(Path(__file__).parents[2] / "src")
    program = f"import sys; sys.path.insert(0, {source!r})\n" + PARENT.format(
        command=COMMAND, do=do
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    for _ in range(1000):
        if not alive(pid):
            break
        signal.sigtimedwait([], 0.01)
    assert not alive(pid)
