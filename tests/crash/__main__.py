"""`make crash-test`: long crash tests, one after the other; `--seed` runs one of them again."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.crash.campaign import run
from tests.crash.plan import plan


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    options.add_argument("--seed", type=int, default=1, help="of the first round")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=120.0, help="of load in each round")
    options.add_argument("--kills", type=int, default=16, help="in each round")
    options.add_argument("--rate", type=float, default=2.0, help="calls per second")
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--keep", type=Path, help="folder for logs and data; kept")
    given = options.parse_args()
    failed = []
    for seed in range(given.seed, given.seed + given.rounds):
        wanted = plan(
            seed, seconds=given.seconds, kills=given.kills, calls_per_second=given.rate,
            workers=given.workers,
        )  # fmt: skip
        folder = Path(tempfile.mkdtemp(prefix="crash-", dir=given.keep))
        report = asyncio.run(run(wanted, folder, quiet_within=180.0))
        print(report, flush=True)
        if report.broken:
            failed.append(seed)
            print(f"  everything is in {folder}", flush=True)
        elif given.keep is None:
            shutil.rmtree(folder)
    if failed:
        print(f"seeds with broken promises: {failed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
