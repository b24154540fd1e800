"""Which of an agent's services has the call, and what the others failed with: as customers read it.

A service is told by its provider's name, and another model, voice or agent of the same provider by
that as well.
"""

from collections.abc import Iterator

from strowger.agent import SpeechToSpeechSettings
from strowger.calls.switching import Switches
from strowger.conversation.events import ProviderKind

KIND = ProviderKind.SPEECH_TO_SPEECH


class Holder:
    def __init__(self, switches: Switches | None) -> None:
        """`switches` hears which service has the call."""
        self._switches = switches
        self._first: dict[str, SpeechToSpeechSettings] = {}
        """Of each provider that this agent has asked."""
        self._name = ""
        """Of the service that is connected, or to be; empty before the first."""
        self._failed = False
        self._problems: dict[str, str] = {}
        """What each of the services failed with last."""

    @property
    def problem(self) -> str | None:
        """What the services failed with, each thing once."""
        return "; ".join(dict.fromkeys(self._problems.values())) or None

    def asked(self, settings: SpeechToSpeechSettings) -> None:
        """Another connection is to be made, in place of one that does no longer."""
        self.given_up()
        self._name, self._failed = self._name_of(settings), False

    def handed_over(self, settings: SpeechToSpeechSettings) -> None:
        """Another agent's service is to have the call, and nothing is wrong with this one's."""
        self._first.clear()
        self._name, self._failed = self._name_of(settings), False
        if self._switches is not None:
            self._switches.begin(KIND, self._name)

    def connected(self) -> None:
        if self._switches is not None:
            self._switches.provider_used(KIND, self._name, self._problems)

    def failed(self, problem: str) -> None:
        self._problems[self._name], self._failed = problem, True

    def given_up(self) -> None:
        """One that has not said what is wrong has kept the callee waiting."""
        if self._name and not self._failed:
            self.failed(f"{self._name} did not answer in time")

    def _name_of(self, settings: SpeechToSpeechSettings) -> str:
        name = settings.provider
        if self._first.setdefault(name, settings) == settings:
            return name
        return f"{name} ({', '.join(_variant(settings)) or 'its default'})"


def _variant(settings: SpeechToSpeechSettings) -> Iterator[str]:
    return filter(None, (settings.model, settings.voice, settings.agent_id))
