"""SIP programs of other makers, started on loopback and stopped by their pid."""

import asyncio
import math
import shutil
import socket
import wave
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

HOST = "127.0.0.1"
COMPLIANCE = Path(__file__).parents[2] / "compliance"
BARESIP_MODULES = Path("/usr/lib/baresip/modules")

needs_sipp = pytest.mark.skipif(
    shutil.which("sipp") is None, reason="SIPp is not installed, and `make peers` may not"
)
needs_baresip = pytest.mark.skipif(
    shutil.which("baresip") is None, reason="baresip is not installed, and `make peers` may not"
)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def sipp(
    folder: Path, *arguments: str, calls: int = 1
) -> AsyncIterator[tuple[int, asyncio.subprocess.Process]]:
    """A SIPp callee; its exit status is 0 when every call went as its scenario says."""
    port = free_port()
    with (folder / "sipp.out").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            "sipp", *arguments, "-i", HOST, "-p", str(port), "-mi", HOST,
            "-mp", str(free_port() & ~1), "-m", str(calls), "-nostdin",
            "-timeout", "30s", "-timeout_error", "-trace_err", "-trace_logs", "-trace_msg",
            cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
        try:
            await _bound(port)
            yield port, process
        finally:
            await _end(process)


@asynccontextmanager
async def baresip(folder: Path) -> AsyncIterator[int]:
    """A baresip that answers by itself, plays a tone, and writes down what it hears."""
    port = free_port()
    _write_tone(folder / "tone.wav")
    (folder / "config").write_text(
        f"""poll_method epoll
sip_listen {HOST}:{port}
audio_source aufile,{folder / "tone.wav"}
audio_alert aufile,{folder / "alert.wav"}
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
rtp_ports 25000-25200
rtcp_mux no
jitter_buffer_delay 1-5
module_path {BARESIP_MODULES}
module g711.so
module aufile.so
module sndfile.so
snd_path {folder}
module_app account.so
module_app menu.so
net_interface {HOST}
"""
    )
    (folder / "accounts").write_text(
        f"<sip:+14155550100@{HOST}:{port};transport=udp>;auth_pass=none;answermode=auto;regint=0;"
        "audio_codecs=PCMU/8000/1,PCMA/8000/1\n"
    )
    for name in ("contacts", "uuid"):
        (folder / name).touch()
    with (folder / "baresip.out").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            "baresip", "-f", str(folder),
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
        try:
            await _bound(port)
            yield port
        finally:
            await _end(process)


def _write_tone(path: Path) -> None:
    """Ten seconds of 440 Hz."""
    wave_of = (int(8000 * math.sin(2 * math.pi * 440 * n / 8000)) for n in range(80000))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(array("h", wave_of).tobytes())


async def _bound(port: int) -> None:
    """Wait until somebody has taken the port."""
    async with asyncio.timeout(10):
        while True:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                try:
                    probe.bind((HOST, port))
                except OSError:
                    return
            await asyncio.sleep(0.05)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
