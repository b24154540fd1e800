"""Attended transfers between real telephones on loopback: ours, and one that takes REFERs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

import pytest

from strowger.errors import CallRefused, TransferRefused, Unavailable
from strowger.ports import LineHungUp
from strowger.telephony.incoming import IncomingCall
from strowger.telephony.line import SipLine
from strowger.telephony.telephone import SipTelephone, open_telephone
from tests.telephony.test_telephone import free_port, request, settings, until

CALLEE, BOSS, BUSY = "+14155550100", "+14155550111", "+14155550112"


@dataclass
class FarSide:
    """Callee and boss, at one address: whoever is called answers, unless it is busy."""

    outcome: int | None
    """Of what they are referred to; None where nobody ever hears of it."""
    answered: dict[str, str] = field(default_factory=dict)
    """Their calls, by number."""
    calls: dict[str, IncomingCall] = field(default_factory=dict)
    hung_up: list[str] = field(default_factory=list)
    referred: list[str] = field(default_factory=list)

    async def take(self, call: IncomingCall) -> None:
        if call.to == BUSY:
            call.reject(486)
            return

        def referred(to: str) -> None:
            self.referred.append(to)
            if self.outcome is not None:
                call.referral_ended(self.outcome)

        call.on_referred = referred
        self.calls[call.to] = call
        async with call.answer() as line:
            self.answered[call.to] = call.session
            await until(line, LineHungUp)
            self.hung_up.append(call.to)


@asynccontextmanager
async def beside(
    outcome: int | None = 200, *, lines: int = 2, rtp_ports: tuple[int, int] = (22100, 22198)
) -> AsyncIterator[tuple[SipTelephone, FarSide, int]]:
    """Our telephone, and the other one with its port."""
    far, port = FarSide(outcome), free_port()
    incoming: asyncio.Queue[IncomingCall] = asyncio.Queue()
    theirs = replace(settings(port, 22000, lines=6), takes_referrals=True)
    own = replace(settings(free_port(), 22100, lines=lines), rtp_ports=rtp_ports)

    async def take_all(tasks: asyncio.TaskGroup) -> None:
        while True:
            tasks.create_task(far.take(await incoming.get()))

    async with (
        asyncio.timeout(60),
        open_telephone(theirs, None, incoming.put_nowait),
        open_telephone(own, None) as ours,
        asyncio.TaskGroup() as tasks,
    ):
        taking = tasks.create_task(take_all(tasks))
        yield ours, far, port
        taking.cancel()


@asynccontextmanager
async def called(
    outcome: int | None = 200, *, lines: int = 2, rtp_ports: tuple[int, int] = (22100, 22198)
) -> AsyncIterator[tuple[SipLine, FarSide]]:
    async with (
        beside(outcome, lines=lines, rtp_ports=rtp_ports) as (ours, far, port),
        ours.dial(request(port), lambda status: None) as line,
    ):
        yield line, far


def test_the_callee_is_referred_to_the_very_call_that_the_boss_has_answered() -> None:
    async def main() -> None:
        async with called() as (line, far):
            accepted: list[bool] = []
            async with line.consult(BOSS, ring_timeout=30) as boss:
                await line.transfer_to(boss, lambda: accepted.append(True))
                assert far.hung_up == [], "both calls last until somebody has taken over"
            (to,) = far.referred
            replaces = unquote(to.partition("?Replaces=")[2])
            assert replaces.startswith(f"{far.answered[BOSS]};to-tag=")
            assert ";from-tag=" in replaces
            assert accepted == [True]
        assert set(far.hung_up) == {CALLEE, BOSS}

    asyncio.run(main())


def test_the_callee_stays_on_the_line_where_the_boss_is_busy_or_does_not_get_him() -> None:
    async def main() -> None:
        async with called(outcome=603) as (line, far):
            with pytest.raises(CallRefused, match="486"):
                async with line.consult(BUSY, ring_timeout=30):
                    raise AssertionError("nobody answers")
            with pytest.raises(TransferRefused, match="603"):
                async with line.consult(BOSS, ring_timeout=30) as boss:
                    with pytest.raises(TransferRefused, match="already"):
                        async with line.consult(BUSY, ring_timeout=30):
                            raise AssertionError("one is asked at a time")
                    await line.transfer_to(boss, lambda: None)
            assert CALLEE not in far.hung_up

    asyncio.run(main())


def test_nobody_is_called_while_the_far_end_owes_an_answer_to_what_it_was_asked() -> None:
    async def main() -> None:
        async with called(outcome=None) as (line, far):
            async with line.consult(BOSS, ring_timeout=30) as boss:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await line.transfer_to(boss, lambda: None)
            with pytest.raises(TransferRefused, match="cannot be asked now"):
                async with line.consult(BUSY, ring_timeout=30):
                    raise AssertionError("he would be called for nothing")
            assert CALLEE not in far.hung_up

    asyncio.run(main())


def test_a_callee_who_was_put_through_after_nobody_waited_any_more_is_gone() -> None:
    async def main() -> None:
        async with called(outcome=None) as (line, far):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await line.transfer(BOSS, lambda: None)
            far.calls[CALLEE].referral_ended(200)
            gone = await until(line, LineHungUp)
            assert isinstance(gone, LineHungUp)
            assert gone.reason == "put through"

    asyncio.run(main())


def test_who_is_consulted_takes_neither_the_line_nor_the_port_of_a_call_to_come() -> None:
    two_ports = (22100, 22103)

    async def main() -> None:
        async with (
            called(lines=1, rtp_ports=two_ports) as (line, _),
            line.consult(BOSS, ring_timeout=30) as boss,
        ):
            assert boss.row != line.row, "though the only line is taken"
        async with called(lines=2, rtp_ports=two_ports) as (line, far):
            with pytest.raises(Unavailable, match="STROWGER_RTP_PORTS"):
                async with line.consult(BOSS, ring_timeout=30):
                    raise AssertionError("the other port is kept for the other line")
            assert far.hung_up == []

    asyncio.run(main())


def test_two_who_are_consulted_at_once_do_not_share_the_one_port_to_spare() -> None:
    async def main() -> None:
        async with (
            beside(lines=3, rtp_ports=(22100, 22107)) as (ours, _, port),
            ours.dial(request(port), lambda status: None) as one,
            ours.dial(request(port), lambda status: None) as other,
        ):
            consulted: list[SipLine] = []
            refused: list[Unavailable] = []

            async def consult(line: SipLine) -> None:
                try:
                    async with line.consult(BOSS, ring_timeout=30) as boss:
                        consulted.append(boss)
                        while not refused and len(consulted) == 1:
                            await asyncio.sleep(0.01)
                        async with ours.dial(request(port), lambda status: None):
                            pass
                except Unavailable as error:
                    refused.append(error)

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(consult(one))
                tasks.create_task(consult(other))
            assert len(consulted) == 1
            assert "STROWGER_RTP_PORTS" in str(refused[0])

    asyncio.run(main())
