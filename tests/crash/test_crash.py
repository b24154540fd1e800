"""Nothing accepted is lost, nobody is rung twice, every call ends and every event arrives, though
every process is killed. The short form of `make crash-test`."""

import asyncio
from pathlib import Path

from tests.crash.campaign import run
from tests.crash.plan import plan

SEED = 4


def test_promises_are_kept_while_every_process_is_killed(tmp_path: Path) -> None:
    wanted = plan(SEED, seconds=18, kills=5, calls_per_second=1.5, workers=1)
    report = asyncio.run(run(wanted, tmp_path, quiet_within=90))
    print(report)
    assert not report.broken, report
    assert len(report.account.accepted) >= 5, report
    assert any(one["status"] == 200 for one in report.evidence.received)
