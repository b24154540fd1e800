"""Who is asked first, and who next: a provider, its fallbacks, and what is known of their health.

One that has just failed is asked last for a while, by every call: the next turn need not wait for
its deadline again.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

from strowger.conversation.events import ProviderKind
from strowger.errors import ProviderError
from strowger.ports import ProviderObserver

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
    _avoided: dict[str, float] = field(default_factory=dict)

    def ordered(
        self, candidates: Sequence[Candidate[Settings]], *, now: float
    ) -> list[Candidate[Settings]]:
        """Those that failed lately at the end, else as they are given."""
        return sorted(candidates, key=lambda each: self._avoided.get(each.name, 0.0) > now)

    def answered(self, name: str, seconds: float) -> None:
        self._avoided.pop(name, None)
        if self.observer is not None:
            self.observer.provider_answered(self.kind, name, seconds)

    def failed(self, name: str, error: ProviderError, *, now: float, next: str | None) -> None:
        self._avoided[name] = now + AVOIDED_FOR
        structlog.get_logger().warning(
            "provider.failed", kind=self.kind.value, provider=name, problem=str(error), next=next
        )
        if self.observer is not None:
            self.observer.provider_failed(self.kind, name)


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
