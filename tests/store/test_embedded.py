import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from strowger.errors import ConfigurationError
from strowger.store import embedded
from strowger.store.connect import connect

STARTER = """
import sys, time
from pathlib import Path
from strowger.store import embedded
print(embedded.start(Path(sys.argv[1])).url, flush=True)
if sys.argv[2] == "stay":
    time.sleep(60)
"""


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder with a short path, its server stopped at the end."""
    folder = Path(tempfile.mkdtemp(prefix="strowger-"))
    yield folder
    for found in folder.rglob("PG_VERSION"):
        if (found.parent / "postmaster.pid").exists():
            embedded.EmbeddedPostgres("", found.parent, started=True).stop()
    shutil.rmtree(folder)


def ask(url: str, question: str) -> object:
    async def main() -> object:
        connection = await connect(url)
        try:
            return await connection.fetchval(question)
        finally:
            await connection.close()

    return asyncio.run(main())


def test_a_server_starts_is_found_again_and_stops(data: Path) -> None:
    server = embedded.start(data)
    assert server.started
    assert ask(server.url, "SHOW listen_addresses") == ""
    assert ask(server.url, "SHOW server_encoding") == "UTF8"
    again = embedded.start(data)
    assert not again.started
    assert again.url == server.url
    server.stop()
    server.stop()
    assert not (data / "postgres" / "postmaster.pid").exists()
    assert embedded.start(data).started


def test_nobody_else_may_enter_the_sockets_folder(data: Path) -> None:
    server = embedded.start(data)
    folder = Path(str(ask(server.url, "SHOW unix_socket_directories")).strip('"'))
    assert folder.stat().st_mode & 0o077 == 0


def test_the_server_outlives_a_starter_that_is_killed(data: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, data, "stay"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert starter.stdout is not None
        url = next(line for line in starter.stdout if line.startswith("postgresql:")).strip()
        ask(url, "CREATE TABLE kept (x int)")
        starter.send_signal(signal.SIGKILL)
    finally:
        starter.kill()
        starter.communicate()
    server = embedded.start(data)
    assert not server.started
    assert ask(server.url, "SELECT count(*) FROM kept") == 0


def test_a_server_that_was_killed_itself_starts_again_with_its_data(data: Path) -> None:
    server = embedded.start(data)
    ask(server.url, "CREATE TABLE kept (x int)")
    pid = int((data / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)
    again = embedded.start(data)
    assert ask(again.url, "SELECT count(*) FROM kept") == 0


def test_two_who_start_at_once_share_one_server(data: Path) -> None:
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER, data, "go"], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    urls = {starter.communicate(timeout=60)[0].splitlines()[-1] for starter in starters}
    assert len(urls) == 1
    assert ask(urls.pop(), "SELECT 1") == 1


@pytest.mark.parametrize(
    "name", ["with space", 'quote\'d "x"', "a,b", "100% $HOME", "ünï", "deep" * 40]
)
def test_any_name_of_a_folder_will_do(data: Path, name: str) -> None:
    server = embedded.start(data / name)
    assert ask(server.url, "SELECT 1") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="everybody else is an ordinary user anyway")
def test_an_ordinary_user_needs_no_rights_elsewhere(data: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(data, nobody.pw_uid, nobody.pw_gid)
    become = f"import os; os.setgroups([]); os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})"
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            STARTER.replace("print", f"{become}\nprint"),
            data,
            "go",
        ],
        env={"PYTHONPATH": os.pathsep.join(sys.path), "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ask(done.stdout.strip(), "SELECT 1") == 1
    assert (data / "postgres").stat().st_uid == nobody.pw_uid
    assert not embedded.start(data).started


def test_a_data_folder_serves_one_at_a_time(data: Path) -> None:
    with embedded.claim(data):
        with pytest.raises(ConfigurationError) as refused, embedded.claim(data):
            pass
        assert "in use" in str(refused.value)
        assert "\n" not in str(refused.value)
    with embedded.claim(data):
        pass


def test_a_database_of_another_version_is_refused(data: Path) -> None:
    (data / "postgres").mkdir()
    (data / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(ConfigurationError, match="PostgreSQL 12"):
        embedded.start(data)


def test_a_data_folder_that_cannot_be_made_is_said_in_one_line(data: Path) -> None:
    (data / "file").touch()
    with pytest.raises(ConfigurationError) as refused:
        embedded.start(data / "file" / "data")
    assert "\n" not in str(refused.value)


def test_a_folder_with_something_else_in_it_is_left_alone(data: Path) -> None:
    (data / "postgres").mkdir(mode=0o700)
    (data / "postgres" / "letter.txt").write_text("dear")
    with pytest.raises(ConfigurationError) as refused:
        embedded.start(data)
    assert "\n" not in str(refused.value)
    assert (data / "postgres" / "letter.txt").read_text() == "dear"


def test_a_server_lives_until_it_is_killed_and_lives_again_when_started(data: Path) -> None:
    assert not embedded.lives(data)
    server = embedded.start(data)
    assert embedded.lives(data)
    pid = int((data / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while embedded.lives(data):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    again = embedded.start(data)
    assert again.started
    assert again.url == server.url
    assert embedded.lives(data)
