import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from strowger.errors import ConfigurationError
from strowger.succession import StoppedWhileWaiting, succeed

HOLDER = """
import sys, time
from pathlib import Path
from strowger.succession import succeed
with succeed(Path(sys.argv[1]), "worker-1", patience=60, stopped=lambda seconds: False):
    print("held", flush=True)
    sys.stdin.read()
"""
PATIENT = 30.0  # seconds; no test waits for their end


@contextmanager
def holding(data: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the role, until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, data], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def not_stopped(seconds: float) -> bool:
    time.sleep(min(seconds, 0.01))
    return False


def test_who_comes_next_waits_for_the_one_before(tmp_path: Path) -> None:
    with holding(tmp_path) as before:
        assert before.stdin is not None
        looks = 0

        def stopped(seconds: float) -> bool:
            nonlocal looks
            looks += 1
            if looks == 3 and before.stdin is not None:
                before.stdin.close()
            return not_stopped(seconds)

        with succeed(tmp_path, "worker-1", patience=PATIENT, stopped=stopped):
            assert looks >= 3
            assert int((tmp_path / "worker-1.lock").read_text()) == os.getpid()


def test_one_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    with (
        holding(tmp_path) as before,
        succeed(tmp_path, "worker-1", patience=0.05, stopped=not_stopped),
    ):
        assert before.wait(10) == -signal.SIGKILL


def test_another_role_is_not_waited_for(tmp_path: Path) -> None:
    with holding(tmp_path), succeed(tmp_path, "api", patience=PATIENT, stopped=not_stopped):
        pass


def test_the_order_to_stop_is_heard_while_waiting(tmp_path: Path) -> None:
    with holding(tmp_path) as before:
        with (
            pytest.raises(StoppedWhileWaiting),
            succeed(tmp_path, "worker-1", patience=PATIENT, stopped=lambda _: True),
        ):
            raise AssertionError("the other one still has it")
        assert before.poll() is None


def test_a_folder_that_cannot_be_written_to_is_the_operators_to_mend(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError, match="cannot write"),
        succeed(tmp_path / "nowhere", "api", patience=PATIENT, stopped=not_stopped),
    ):
        raise AssertionError("there is no such folder")
