"""One crash test: calls under load, processes killed at planned moments, and then the account."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.evidence import Evidence, broken_promises, gather
from tests.crash.house import House, world
from tests.crash.load import Account, furnish, place_calls
from tests.crash.plan import Plan, Victim


@dataclass(slots=True)
class Report:
    plan: Plan
    account: Account
    evidence: Evidence
    killed: list[str]
    """What was killed when, and what was not there to be killed."""
    stopped_with: int
    """Exit status of the server, stopped in order at the end."""
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        evidence, account = self.evidence, self.account
        ended = Counter(f"{call['status']}/{call['end_reason']}" for call in evidence.calls)
        quiet = "never" if evidence.quiet_after is None else f"{evidence.quiet_after:.1f} s"
        slowest = max((one.after for one in account.accepted.values()), default=0.0)
        keys = "kept" if account.idempotent else "not kept by this server"
        lines = [
            f"crash test, seed {self.plan.seed}",
            *(f"  killed {line}" for line in self.killed),
            f"  wished for     {len(account.numbers)} calls in {self.plan.seconds:g} s",
            f"  accepted       {len(account.accepted)}, the slowest after {slowest:.1f} s; "
            f"other answers {dict(account.troubles)}",
            f"  keys           {keys}; "
            f"asked twice {sum(one.answers > 1 for one in account.accepted.values())}",
            f"  wanted of calls {len(account.ended)} ends, {account.spoken} sayings "
            f"({sum(evidence.said.values())} of them said)",
            f"  test calls     {sum(call['test'] for call in evidence.calls)}",
            f"  in the database {len(evidence.calls)}: {dict(ended)}",
            f"  rung           {sum(evidence.rung.values())} telephones",
            f"  events         {len(evidence.events)}, deliveries {dict(evidence.deliveries)}, "
            f"received {len(evidence.received)}",
            f"  quiet after    {quiet}",
            f"  broken promises: {len(self.broken)}",
            *(f"    ! {line}" for line in self.broken),
        ]
        return "\n".join(lines)


async def run(plan: Plan, folder: Path, *, quiet_within: float) -> Report:
    """Afterwards everything is in `folder`: logs, database, what the world outside saw."""
    house = House(folder / "house", workers=plan.workers, lines=30)
    house.folder.mkdir(parents=True)
    with world(folder / "world", plan.seed) as outside:
        house.start()
        try:
            await asyncio.to_thread(house.wait_until_ready)
            await asyncio.to_thread(house.make_key)
            await asyncio.to_thread(furnish, house, outside)
            async with asyncio.TaskGroup() as tasks:
                placing = tasks.create_task(place_calls(house, plan), name="load")
                killing = tasks.create_task(_kill(house, plan), name="kills")
            evidence = await gather(house, outside, quiet_within)
        finally:
            stopped_with = house.stop() if house.running() else -1
    account = placing.result()
    broken = broken_promises(evidence, account)
    if stopped_with != 0:
        broken.append(f"the server ended with status {stopped_with} when it was asked to stop")
    return Report(plan, account, evidence, killing.result(), stopped_with, broken)


async def _kill(house: House, plan: Plan) -> list[str]:
    begun, killed = time.monotonic(), []
    for kill in plan.kills:
        await asyncio.sleep(max(0.0, begun + kill.at - time.monotonic()))
        pid = house.kill(kill)
        what = "not there" if pid is None else f"pid {pid}"
        killed.append(f"{kill.victim} {kill.number} at {kill.at:.2f} s ({what})")
        if kill.victim is Victim.SUPERVISOR:
            house.start()
    return killed
