import io
import subprocess
import sys

import pytest
import structlog
from rich.console import Console

from strowger.app.logs import configure_logging
from strowger.config import Settings
from strowger.log_stream import lossy


class FullDisk(io.StringIO):
    full = True

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_who_has_loaded_rich_before_keeps_it_whole() -> None:
    program = """
import rich.text
from strowger.log_stream import load_structlog

load_structlog()
import rich.text

assert rich.text.Text
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_does_not_fit_on_the_disk_is_lost_and_the_rest_is_not() -> None:
    disk = FullDisk()
    console = Console(file=lossy(disk), highlight=False)
    console.print("lost")
    disk.full = False
    console.print("kept")
    assert disk.getvalue() == "kept\n"


def test_logging_to_a_full_disk_disturbs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", FullDisk())
    try:
        configure_logging(Settings(), "api")
        structlog.get_logger().warning("lost")
    finally:
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
