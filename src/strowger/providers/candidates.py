"""Who is asked first, and who next: a provider, its fallbacks, and what is known of their health.

One that has just failed is asked last for a while, by every call: the next turn need not wait for
its deadline again.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import structlog

from strowger.conversation.events import ProviderKind
from strowger.errors import ProviderError
from strowger.ports import ProviderObserver, ProviderWatch

AVOIDED_FOR = 20.0
"""Seconds after a failure in which others are asked first."""

Settings = TypeVar("Settings")


@dataclass(frozen=True, slots=True)
class Candidate(Generic[Settings]):
    """A provider by name, and how it is asked."""

    name: str
    settings: Settings


@dataclass(slots=True)
class Health:
    """Of the providers of one kind, as all calls of this process found them."""

    kind: ProviderKind
    observer: ProviderObserver | None = None
    watch: ProviderWatch | None = None
    """Of the one call that this is the view of."""
    _failures: dict[str, "_Failure"] = field(default_factory=dict)
    """The last of those that have not answered since."""

    def watched(self, by: ProviderWatch) -> "Health":
        """The same, for a call that wants to know who answers it."""
        return replace(self, watch=by)

    def ordered(
        self, candidates: Sequence[Candidate[Settings]], *, now: float
    ) -> list[Candidate[Settings]]:
        """Those that failed lately at the end, else as they are given."""
        return sorted(candidates, key=lambda each: self._avoids(each.name, now))

    def answered(self, name: str, seconds: float) -> None:
        self._failures.pop(name, None)
        if self.watch is not None:
            problems = {failed: last.problem for failed, last in self._failures.items()}
            self.watch.provider_used(self.kind, name, problems)
        if self.observer is not None:
            self.observer.provider_answered(self.kind, name, seconds)

    def failed(self, name: str, error: ProviderError, *, now: float, next: str | None) -> None:
        self._failures[name] = _Failure(str(error), now + AVOIDED_FOR)
        structlog.get_logger().warning(
            "provider.failed", kind=self.kind.value, provider=name, problem=str(error), next=next
        )
        if self.observer is not None:
            self.observer.provider_failed(self.kind, name)

    def _avoids(self, name: str, now: float) -> bool:
        last = self._failures.get(name)
        return last is not None and last.avoided_until > now


@dataclass(frozen=True, slots=True)
class _Failure:
    problem: str
    avoided_until: float


class Clock:
    """Seconds since a question, by the loop's clock."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.began = self._loop.time()

    @property
    def now(self) -> float:
        return self._loop.time()

    @property
    def seconds(self) -> float:
        return self.now - self.began


def too_late(name: str, seconds: float) -> ProviderError:
    return ProviderError(f"{name} said nothing for {seconds:g} s", retryable=True)
