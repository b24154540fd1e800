"""The README's commands, run as printed: three terminals, curl, and Python."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv"
pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None or not (ENVIRONMENT / "bin" / "strowger").exists(),
    reason="needs curl, and the environment that `make setup` makes",
)


def blocks(language: str = "") -> list[str]:
    """The README's fenced blocks in that language; those of commands name none."""
    text = (ROOT / "README.md").read_text()
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.S | re.M)
    return [block for kind, block in found if kind == language]


def block_with(words: str) -> str:
    (found,) = [block for block in blocks() if words in block]
    return "\n".join(line for line in found.splitlines() if not line.startswith("make "))


@contextmanager
def terminal(folder: Path, commands: str, ready: str) -> Iterator[None]:
    """Commands that run until they are interrupted."""
    log = folder / f"terminal-{ready.replace(' ', '-')}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["bash", "-ec", commands], cwd=folder, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 60
            while ready not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(40)


def answers(output: str) -> Iterator[dict[str, object]]:
    """The JSON objects that curl has printed, one right behind the other."""
    at = output.find('{"')
    while at >= 0:
        answer, end = json.JSONDecoder().raw_decode(output, at)
        yield answer
        at = output.find('{"', end)


def test_the_commands_of_the_readme_work_as_printed(tmp_path: Path) -> None:
    for name in (".venv", "examples", "src"):
        (tmp_path / name).symlink_to(ROOT / name)
    ours, vocode = blocks("python")
    (tmp_path / "block.py").write_text(ours)
    (tmp_path / "vendor.py").write_text(vocode)
    call = block_with("keys create")
    curl = [block for block in blocks() if "curl" in block]
    with (
        terminal(tmp_path, block_with("simulate callee"), "answers at"),
        terminal(tmp_path, block_with("strowger serve"), "ready; Ctrl-C stops"),
    ):
        script = "\n".join(
            [
                call,
                *curl[:2],
                'while ! curl -sf -o /dev/null "http://127.0.0.1:8080/v1/calls/$CALL/recording"'
                ' -H "Authorization: Bearer $STROWGER_API_KEY"; do sleep 0.5; done',
                *curl[2:],
                'echo "the Python block: $(.venv/bin/python block.py)"',
                'echo "the vendor\'s client: $(.venv/bin/python vendor.py)"',
            ]
        )
        done = subprocess.run(
            ["bash", "-euc", script],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=150,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "outcome: appointment: confirmed tuesday" in done.stdout
    assert "the Python block: completed" in done.stdout
    assert "the vendor's client: [NormalizedCall(" in done.stdout
    kept = next(answer for answer in answers(done.stdout) if "metadata" in answer)
    assert kept["metadata"] == {"deal": "OPP-42"}
    assert kept["status"] == "completed"
    with wave.open(str(tmp_path / "call.wav")) as file:
        assert file.getnframes() > 8000


def test_an_agent_is_rehearsed_as_printed(tmp_path: Path) -> None:
    for name in (".venv", "examples", "src"):
        (tmp_path / name).symlink_to(ROOT / name)
    commands = block_with("simulate run")
    done = subprocess.run(
        ["bash", "-euc", commands],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "50 calls, all as expected" in done.stdout
    assert "the same decisions at the same times" in done.stdout
