"""Who is asked first, and who next: a provider, its fallbacks, and what is known of their health.

One that has just failed is asked last for a while, by every call: the next turn need not wait for
its deadline again.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import structlog

from strowger.agent import ModelSettings, TranscriberSettings, VoiceSettings
from strowger.conversation.events import ProviderKind
from strowger.errors import ProviderError
from strowger.ports import ProviderObserver, ProviderWatch

AVOIDED_FOR = 20.0
"""Seconds after a failure in which others are asked first."""

Settings = TypeVar("Settings")
Asked = TypeVar("Asked", TranscriberSettings, ModelSettings, VoiceSettings)
Key = tuple[str, str | None, str | None]
"""A provider, its model and its voice: one of these may fail where another answers."""


@dataclass(frozen=True, slots=True)
class Candidate(Generic[Settings]):
    """A provider by name, and how it is asked."""

    name: str
    settings: Settings
    shown: str = ""
    """What it is called to the call's customer, where the name alone says too little."""

    @property
    def key(self) -> Key:
        asked = self.settings
        model = getattr(asked, "model", None)
        return self.name, model, asked.voice_id if isinstance(asked, VoiceSettings) else None


def candidates(name: str, settings: Asked, *, tries: int = 1) -> list[Candidate[Asked]]:
    """The provider of that name, and those that its settings fall back to. One that nobody could
    take over from is asked so often itself."""
    found = [Candidate(name, replace(settings, fallbacks=()))]
    for fallback in settings.fallbacks:
        asked = fallback.instead_of(settings)
        again = any(each.name == asked.provider for each in found)
        shown = f"{asked.provider} ({_variant(asked)})" if again else ""
        found.append(Candidate(asked.provider, asked, shown))
    return found * tries if len(found) == 1 else found


def _variant(asked: TranscriberSettings | ModelSettings | VoiceSettings) -> str:
    voice = asked.voice_id if isinstance(asked, VoiceSettings) else None
    return ", ".join(part for part in (asked.model, voice) if part) or "its default"


@dataclass(slots=True)
class Health:
    """Of the providers of one kind, as all calls of this process found them."""

    kind: ProviderKind
    observer: ProviderObserver | None = None
    watch: ProviderWatch | None = None
    """Of the one call that this is the view of."""
    _failures: dict[Key, "_Failure"] = field(default_factory=dict)
    """The last of those that have not answered since."""

    def watched(self, by: ProviderWatch) -> "Health":
        """The same, for a call that wants to know who answers it."""
        return replace(self, watch=by)

    def ordered(
        self, candidates: Sequence[Candidate[Settings]], *, now: float
    ) -> list[Candidate[Settings]]:
        """Those that failed lately at the end, else as they are given."""
        return sorted(candidates, key=lambda each: self._avoids(each.key, now))

    def answered(self, candidate: Candidate[Settings], seconds: float) -> None:
        self._failures.pop(candidate.key, None)
        if self.watch is not None:
            problems = {last.shown: last.problem for last in self._failures.values()}
            self.watch.provider_used(self.kind, candidate.shown or candidate.name, problems)
        if self.observer is not None:
            self.observer.provider_answered(self.kind, candidate.name, seconds)

    def failed(
        self,
        candidate: Candidate[Settings],
        error: ProviderError,
        *,
        now: float,
        next: Candidate[Settings] | None,
    ) -> None:
        name, shown = candidate.name, candidate.shown or candidate.name
        self._failures[candidate.key] = _Failure(shown, str(error), now + AVOIDED_FOR)
        structlog.get_logger().warning(
            "provider.failed",
            kind=self.kind.value,
            provider=shown,
            problem=str(error),
            next=None if next is None else next.shown or next.name,
        )
        if self.observer is not None:
            self.observer.provider_failed(self.kind, name)

    def _avoids(self, key: Key, now: float) -> bool:
        last = self._failures.get(key)
        return last is not None and last.avoided_until > now


@dataclass(frozen=True, slots=True)
class _Failure:
    shown: str
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
