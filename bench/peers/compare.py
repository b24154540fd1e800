"""Strowger, livekit-agents and pipecat side by side: `make bench-peers`.

The same conversations, the same callees' voices and the same process of providers for each, one
after the other. Strowger's calls go over SIP and RTP and are recorded; the others' lines are
functions of the harness in their own process.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np

from bench.turns import (
    FEW,
    FEWER_LONGER,
    HEADING,
    STARTING,
    Providers,
    Result,
    end,
    measured,
    open_many_files,
    open_providers,
)
from strowger.app.running import run_loop
from strowger.commands.bench_report import load_average, machine
from strowger.config import Settings, child_environment
from strowger.errors import Unavailable
from strowger.precedence import take_precedence
from strowger.simulate.load_measures import Figures
from strowger.simulate.load_speech import Clip, clip, noise, speech

PEERS = {"livekit": "bench.peers.livekit_subject", "pipecat": "bench.peers.pipecat_subject"}
"""Their modules here; their environments are folders of the same names."""
ROOT = Path(__file__).parents[2]
CALLS = (1, 10, 25, 50)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--calls", type=int, nargs="+", default=CALLS)
    arguments.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    arguments.add_argument("--environments", type=Path, default=ROOT / ".peers")
    arguments.add_argument("--only", nargs="+", default=["strowger", *PEERS])
    chosen = arguments.parse_args()
    open_many_files()
    take_precedence(Settings().worker_niceness)  # all that is compared, and the load
    print(f"{machine()}; load average {load_average()}\n{HEADING}", flush=True)
    run_loop(compare(chosen.calls, chosen.seconds, chosen.environments, chosen.only))
    print(f"load average {load_average()} at the end")
    return 0


async def compare(
    calls: Sequence[int], seconds: float, environments: Path, only: Sequence[str]
) -> None:
    """Print a row for each engine and number of calls. Raises StrowgerError."""
    spoken = await speech()
    clips = [clip(each) for each in spoken]
    with tempfile.TemporaryDirectory(prefix="strowger-bench-") as name:
        folder = Path(name)
        (folder / "speech").write_bytes(spoken[0].astype("<i2").tobytes())
        keep(clips, folder)
        for number in calls:
            lasts = seconds * FEWER_LONGER if number < FEW else seconds
            for who in only:
                async with open_providers(folder) as providers:
                    if who == "strowger":
                        row = await measured(number, lasts, clips, folder, providers, None)
                    else:
                        python = environments / who / "bin" / "python"
                        row = await peer(who, number, lasts, folder, providers, python)
                print(row.line(), flush=True)


def keep(clips: Sequence[Clip], folder: Path) -> None:
    """Where the others' harness finds what callees say."""
    frames = {
        f"clip{number}": np.stack([np.frombuffer(each, np.uint8) for each in said.payloads])
        for number, said in enumerate(clips)
    }
    silence = np.stack([np.frombuffer(each, np.uint8) for each in noise()])
    ends = np.array([said.last_voiced for said in clips])
    with (folder / "clips.npz").open("wb") as file:
        np.savez(file, allow_pickle=False, noise=silence, last_voiced=ends, **frames)


async def peer(
    who: str, calls: int, seconds: float, folder: Path, providers: Providers, python: Path
) -> Result:
    """Raises Unavailable."""
    if which(python) is None:
        raise Unavailable(f"there is no {python}: make bench-peers makes it")
    process = await asyncio.create_subprocess_exec(
        str(python), "-m", PEERS[who], stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=ROOT,
        env={**child_environment(), "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    )  # fmt: skip
    task = {
        "calls": calls, "seconds": seconds, "sockets": providers.sockets, "chat": providers.chat,
        "folder": str(folder),
    }  # fmt: skip
    try:
        async with asyncio.timeout(STARTING + seconds + calls):
            told, log = await process.communicate(json.dumps(task).encode() + b"\n")
    except TimeoutError as error:
        raise Unavailable(f"{who} did not come to an end") from error
    finally:
        await end(process)
    if process.returncode:
        said = log.decode(errors="replace")[-2000:]
        raise Unavailable(f"{who} ended with status {process.returncode}:\n{said}")
    report: dict[str, Any] = json.loads(told.decode().splitlines()[-1])
    return Result(
        who=who,
        calls=calls,
        cpu=100 * report["cpu"] / calls,
        response=Figures.of(report["responses"]),
        barge_in=Figures.of(report["yields"]),
        memory=report["memory"] / 1e6 / calls,
        transcribed=None,
        missing=report["missing"],
        circumstances=f"{load_average().split()[0]}, -, {providers.busy():.0f}",
    )


if __name__ == "__main__":
    sys.exit(main())
