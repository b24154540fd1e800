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
REMEMBERED_FOR = 600.0
"""Seconds after which nobody wants to know any more what one failed with. Customers name models
and voices as they like: there is no end to what can fail."""

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
    def called(self) -> str:
        return self.shown or self.name

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
    _called: dict[str, Key] = field(default_factory=dict)
    """Those that the call has asked for, as they are called to its customer. What others ask for
    by the same names is theirs."""

    def watched(self, by: ProviderWatch) -> "Health":
        """The same, for a call that wants to know who answers it."""
        return replace(self, watch=by, _called={})

    def ordered(
        self, candidates: Sequence[Candidate[Settings]], *, now: float
    ) -> list[Candidate[Settings]]:
        """Those that failed lately at the end, else as they are given."""
        if self.watch is not None:
            self._called.update({each.called: each.key for each in candidates})
        return sorted(candidates, key=lambda each: self._avoids(each.key, now))

    def answered(self, candidate: Candidate[Settings], seconds: float) -> None:
        self._failures.pop(candidate.key, None)
        if self.watch is not None:
            problems = {
                called: self._failures[key].problem
                for called, key in self._called.items()
                if key in self._failures
            }
            self.watch.provider_used(self.kind, candidate.called, problems)
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
        for key, last in list(self._failures.items()):
            if last.at + REMEMBERED_FOR < now:
                del self._failures[key]
        self._failures[candidate.key] = _Failure(str(error), now)
        structlog.get_logger().warning(
            "provider.failed",
            kind=self.kind.value,
            provider=candidate.called,
            problem=str(error),
            next=None if next is None else next.called,
        )
        if self.observer is not None:
            self.observer.provider_failed(self.kind, candidate.name)

    def _avoids(self, key: Key, now: float) -> bool:
        last = self._failures.get(key)
        return last is not None and last.at + AVOIDED_FOR > now


@dataclass(frozen=True, slots=True)
class _Failure:
    problem: str
    at: float


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
