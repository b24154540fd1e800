"""Which providers a call is held with, and when that changes: told to the customer once for each
change, not for each failure.

In use is who answers. One that fails at every turn while its fallback answers is out of use from
the first failure on, until it answers again.
"""

import re
from collections.abc import Callable, Mapping

from strowger.conversation.events import ProviderKind
from strowger.model import ProviderSwitch

LONGEST_REASON = 300
"""Characters."""
USER_IN_ADDRESS = re.compile(r"//[^/?#\s]+@")


class Switches:
    """Of the providers that one agent has on a call; implements `ports.ProviderWatch`."""

    def __init__(self, tell: Callable[[ProviderSwitch], None]) -> None:
        self._tell = tell
        self._named: dict[ProviderKind, str] = {}
        self._in_use: dict[ProviderKind, str] = {}

    def begin(self, kind: ProviderKind, name: str) -> None:
        """The agent wants this one."""
        self._named[kind] = self._in_use[kind] = name

    def provider_used(self, kind: ProviderKind, name: str, problems: Mapping[str, str]) -> None:
        before = self._in_use.get(kind)
        if before is None or before == name:
            return
        self._in_use[kind] = name
        if name == self._named[kind]:
            reason = f"{name} answers again"
        else:
            reason = problems.get(before, f"{before} did not answer")
        self._tell(ProviderSwitch(kind=kind, before=before, after=name, reason=plain(reason)))

    def end(self) -> None:
        """Another agent has taken over: what is still said in this one's voice is of no concern."""
        self._in_use = {}


def plain(problem: str) -> str:
    """A provider's error as the customer may read it: users and passwords in addresses are the
    operator's; keys are in no ProviderError."""
    shown = USER_IN_ADDRESS.sub("//", " ".join(problem.split()))
    return shown if len(shown) <= LONGEST_REASON else f"{shown[: LONGEST_REASON - 1]}…"
