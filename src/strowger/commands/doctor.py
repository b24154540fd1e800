"""`strowger doctor`: what a call needs, checked one by one, with what to do about it."""

from collections.abc import Awaitable, Callable

from rich.console import Console
from rich.text import Text

from strowger import __version__
from strowger.app.running import run_loop
from strowger.commands import checks
from strowger.commands.checks import Finding
from strowger.config import Settings
from strowger.errors import StrowgerError, leaves

Check = Callable[[Settings], Awaitable[Finding]]

CHECKS: tuple[Check, ...] = (
    checks.data_folder,
    checks.wall_clock,
    checks.database,
    checks.api_address,
    checks.sip_address,
    checks.audio_ports,
    checks.trunk,
    checks.local_speech,
    checks.openai,
    checks.services,
    checks.voice_detection,
    checks.precedence,
    checks.timers,
)


def doctor(settings: Settings) -> int:
    """0 where calls can be placed, 1 where something has to be done first."""
    console = Console(highlight=False)
    console.print(f"strowger {__version__}")
    good = True
    for check in CHECKS:
        finding = run_loop(guarded(check, settings))
        good = good and finding.problem is None
        mark, style = ("✓", "green") if finding.problem is None else ("✗", "red")
        said = f" {finding.what}" if finding.problem is None else f" {finding.problem}"
        console.print(Text.assemble((mark, style), said))
        if finding.problem is not None and finding.advice:
            console.print(Text(f"  {finding.advice}", style="yellow"))
    return 0 if good else 1


async def guarded(check: Check, settings: Settings) -> Finding:
    """What a check found; what it could not bear is a problem too."""
    try:
        return await check(settings)
    except* StrowgerError as errors:
        problem = str(next(leaves(errors)))
    return Finding("", problem)
