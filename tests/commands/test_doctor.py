"""Each check of the doctor, well and ill, with what it advises."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from strowger.commands import checks
from strowger.commands.checks import Finding
from strowger.commands.doctor import CHECKS, Check, doctor, guarded
from strowger.config import Settings, load_settings
from strowger.errors import Unavailable
from strowger.store.connect import connect
from strowger.store.house import PostgresHouse
from tests.postgres import database_url
from tests.telephony.peer import PASSWORD, Answer, peer
from tests.telephony.peer import guarded as guarded_peer
from tests.telephony.peer import says as peer_says
from tests.webhooks.server import listening, says

__all__ = ["database_url"]

MISSING = b"HTTP/1.1 401 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
BROKEN = b"HTTP/1.1 502 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
OURS = (
    b"HTTP/1.1 200 OK\r\nx-request-id: request_1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


def settings(folder: Path, **chosen: Any) -> Settings:
    given = {"data": folder, "sip": "127.0.0.1:0", "port": 0, **chosen}
    return load_settings(given, environ={}, file=None)


def look(check: Check, of: Settings) -> Finding:
    return asyncio.run(guarded(check, of))


@contextmanager
def taken(kind: socket.SocketKind) -> Iterator[int]:
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            holder.listen()
        yield int(holder.getsockname()[1])


def test_a_folder_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    assert look(checks.data_folder, settings(tmp_path / "new")).problem is None
    (tmp_path / "file").write_text("")
    found = look(checks.data_folder, settings(tmp_path / "file"))
    assert "cannot write to the data folder" in (found.problem or "")
    assert "--data" in found.advice


def test_a_clock_of_the_past_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(checks.wall_clock, settings(tmp_path)).problem is None
    monkeypatch.setattr(checks, "WRITTEN", datetime(2999, 1, 1, tzinfo=UTC).timestamp())
    found = look(checks.wall_clock, settings(tmp_path))
    assert "clock" in (found.problem or "")
    assert "NTP" in found.advice


def test_a_database_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    gone = settings(tmp_path, database_url="postgresql://me@127.0.0.1:1/none")
    assert "database" in (look(checks.database, gone).problem or "")


async def order(url: str, statement: str) -> None:
    connection = await connect(url)
    await connection.execute(statement)
    await connection.close()


def test_a_database_is_judged_by_its_tables_and_left_alone(
    tmp_path: Path, database_url: str
) -> None:
    of = settings(tmp_path, database_url=database_url)
    assert "is at this version" in look(checks.database, of).what
    asyncio.run(order(database_url, "UPDATE alembic_version SET version_num = '0000'"))
    assert "brings it up to date" in look(checks.database, of).what
    asyncio.run(order(database_url, "UPDATE alembic_version SET version_num = '9999'"))
    newer = look(checks.database, of)
    assert "newer Strowger" in (newer.problem or "")
    assert "install the newer version" in newer.advice
    asyncio.run(order(database_url, "DROP TABLE alembic_version"))
    assert "is empty" in look(checks.database, of).what


@pytest.mark.parametrize(("ahead", "said"), [(3600.0, "ahead of"), (-60.0, "behind")])
def test_a_database_that_tells_another_time_is_a_problem(
    tmp_path: Path,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    ahead: float,
    said: str,
) -> None:
    clock = PostgresHouse.clock

    async def wrong(self: PostgresHouse) -> float:
        return await clock(self) + ahead

    monkeypatch.setattr(PostgresHouse, "clock", wrong)
    found = look(checks.database, settings(tmp_path, database_url=database_url))
    assert f"{abs(ahead):.0f} s {said}" in (found.problem or "")
    assert "NTP" in found.advice


def test_addresses_that_something_else_has_are_problems(tmp_path: Path) -> None:
    assert look(checks.api_address, settings(tmp_path)).problem is None
    with taken(socket.SOCK_DGRAM) as port:
        found = look(checks.sip_address, settings(tmp_path, sip=f"127.0.0.1:{port}"))
    assert f"SIP address 127.0.0.1:{port} cannot be used" in (found.problem or "")
    assert "--sip" in found.advice


@pytest.mark.parametrize(("answer", "good"), [(OURS, True), (MISSING, False)])
def test_a_port_that_strowger_has_itself_is_no_problem(
    tmp_path: Path, answer: bytes, good: bool
) -> None:
    async def main() -> Finding:
        async with listening(says(answer)) as endpoint:
            return await checks.api_address(settings(tmp_path, port=endpoint.port))

    found = asyncio.run(main())
    assert (found.problem is None) is good
    assert good or "--port" in found.advice


def test_audio_ports_that_are_all_taken_are_a_problem(tmp_path: Path) -> None:
    with taken(socket.SOCK_DGRAM) as port:
        first = port - port % 2
        narrow = f"{first}-{first + 1}"
        of = settings(tmp_path, rtp_ports=narrow, lines=1)
        assert look(checks.audio_ports, of).problem
    assert look(checks.audio_ports, settings(tmp_path)).problem is None


def test_no_trunk_and_a_silent_trunk_are_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = look(checks.trunk, settings(tmp_path))
    assert "no trunk is configured" in (none.problem or "")
    assert "STROWGER_TRUNK" in none.advice
    monkeypatch.setattr(checks, "TRUNK_WITHIN", 0.2)
    with taken(socket.SOCK_DGRAM) as port:
        silent = look(checks.trunk, settings(tmp_path, trunk=f"sip:127.0.0.1:{port}"))
    assert "does not answer" in (silent.problem or "")
    assert "firewall" in silent.advice


def trunk_found(folder: Path, answer: Answer, credentials: str = "") -> Finding:
    """What doctor says of a trunk that answers like that."""

    async def main() -> Finding:
        async with peer(answer) as (port, _):
            at = f"sip:{credentials}127.0.0.1:{port}"
            return await checks.trunk(settings(folder, trunk=at))

    return asyncio.run(main())


def test_a_trunk_is_asked_with_our_user_name_and_password(tmp_path: Path) -> None:
    right = trunk_found(tmp_path, guarded_peer, f"me:{quote(PASSWORD)}@")
    assert right.problem is None, right.problem
    wrong = trunk_found(tmp_path, guarded_peer, "me:guessed@")
    assert "does not take our user name and password" in (wrong.problem or "")
    assert "STROWGER_TRUNK" in wrong.advice
    none = trunk_found(tmp_path, guarded_peer)
    assert "wants a user name and a password" in (none.problem or "")
    assert "USER:PASSWORD" in none.advice
    for found in (right, wrong, none):
        assert PASSWORD not in repr(found)
        assert "guessed" not in repr(found)


@pytest.mark.parametrize(("status", "good"), [(200, True), (403, False)])
def test_a_trunk_is_judged_by_its_answer(tmp_path: Path, status: int, good: bool) -> None:
    found = trunk_found(tmp_path, peer_says(status))
    assert (found.problem is None) is good
    assert str(status) in (found.what if good else found.problem or "")
    assert good or "carrier" in found.advice


@pytest.mark.parametrize(
    ("answer", "problem", "advice"),
    [(MISSING, "does not take our key", "API_KEY"), (BROKEN, "502", "later"), (OURS, None, "")],
)
def test_services_that_do_not_let_us_in_are_problems(
    tmp_path: Path, answer: bytes, problem: str | None, advice: str
) -> None:
    async def main() -> Finding:
        async with listening(says(answer)) as endpoint:
            base = f"http://127.0.0.1:{endpoint.port}/v1"
            return await checks.openai(
                settings(tmp_path, openai_base_url=base, openai_api_key="sk-swordfish")
            )

    found = asyncio.run(main())
    assert (problem or "") in (found.problem or "")
    assert (found.problem is None) is (problem is None)
    assert advice in found.advice
    assert "swordfish" not in repr(found)


def test_a_service_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    gone = settings(tmp_path, openai_base_url="http://127.0.0.1:1/v1")
    found = look(checks.openai, gone)
    assert "does not answer" in (found.problem or "")
    assert "not configured" in look(checks.openai, settings(tmp_path)).what


def test_timers_that_come_late_are_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "TIMER_ROUNDS", 10)
    monkeypatch.setattr(checks, "LATE", 60.0)
    assert look(checks.timers, settings(tmp_path)).problem is None
    monkeypatch.setattr(checks, "LATE", -1.0)
    assert "10 of 10 timers" in (look(checks.timers, settings(tmp_path)).problem or "")


def test_calls_come_before_other_programs_where_the_system_lets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def lets(_: int, __: int, niceness: int) -> None:
        asked.append(niceness)

    def lets_not(_: int, __: int, niceness: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "getpriority", lambda _, __: 0)
    monkeypatch.setattr(os, "setpriority", lets)
    assert "before other programs" in look(checks.precedence, settings(tmp_path)).what
    assert asked == [-10, 0], "what was asked for is given back"
    monkeypatch.setattr(os, "setpriority", lets_not)
    found = look(checks.precedence, settings(tmp_path))
    assert "LimitNICE" in found.what
    assert found.problem is None, "calls work without"
    usual = look(checks.precedence, settings(tmp_path, worker_niceness="0"))
    assert "no precedence" in usual.what
    monkeypatch.setattr(os, "getpriority", lambda _, __: -10)
    had = look(checks.precedence, settings(tmp_path))
    assert "before other programs" in had.what, "as a service manager may have it"


def test_whatever_a_check_cannot_bear_is_said_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(of: Settings) -> Finding:
        raise Unavailable("the moon is down")

    async def well(of: Settings) -> Finding:
        return Finding("all is well")

    def run(*some: Callable[[Settings], Any]) -> int:
        monkeypatch.setattr("strowger.commands.doctor.CHECKS", some)
        return doctor(settings(tmp_path))

    assert run(broken, well) == 1
    said = capsys.readouterr().out
    assert "✗ the moon is down" in said
    assert "✓ all is well" in said
    assert run(well) == 0
    assert len(CHECKS) == 13
