"""Bringing the embedded database up for the processes that follow."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from strowger.app import database
from strowger.config import Settings
from strowger.errors import Unavailable
from strowger.store import embedded


@pytest.fixture
def data() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="strowger-"))
    yield folder
    embedded.stop(folder)
    shutil.rmtree(folder)


def dies_before(data: Path, monkeypatch: pytest.MonkeyPatch, *, times: int) -> None:
    """Let the database be killed so often just before it is first used."""
    bring_up = database.bring_up
    left = times

    async def killed(url: str, settings: Settings) -> None:
        nonlocal left
        if left:
            left -= 1
            pid = int((data / "postgres" / "postmaster.pid").read_text().split()[0])
            os.kill(pid, signal.SIGKILL)
            while embedded.lives(data):
                await asyncio.sleep(0.01)
        await bring_up(url, settings)

    monkeypatch.setattr(database, "bring_up", killed)


def test_a_database_that_dies_while_it_is_prepared_is_started_again(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies_before(data, monkeypatch, times=2)
    said: list[str] = []
    asyncio.run(database.prepare(Settings(data=data), said.append))
    assert said == ["database"]


def test_one_that_dies_again_and_again_is_not_tried_for_ever(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies_before(data, monkeypatch, times=database.PREPARED_AT_MOST)
    with pytest.raises(Unavailable):
        asyncio.run(database.prepare(Settings(data=data), lambda _: None))
