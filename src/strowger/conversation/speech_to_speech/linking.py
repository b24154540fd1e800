"""The connection to the service: how often it may be replaced, by whom, and what the next owes."""

from collections.abc import Sequence
from dataclasses import dataclass

from strowger.agent import SpeechToSpeechSettings
from strowger.conversation.speech_to_speech.events import Connected

MOST_CONNECTIONS = 8
"""Of one call."""


@dataclass(slots=True)
class Linking:
    """One connection at a time, to one of the agent's services after the other.

    A service has a second connection once in a row, where it can be told the dialogue or where
    nothing was said yet. One that could not be connected has none while another is left.
    """

    chain: Sequence[SpeechToSpeechSettings]
    """The agent's services, in the order in which they are asked."""
    number: int = 0
    asked_at: float = 0.0
    ready: Connected | None = None
    resumes: bool = True
    """Whether another connection to this service could go on with the conversation; nothing is
    lost before the first."""
    owed: bool = False
    """The callee waits for an answer that the connection before did not give."""
    unheard: bool = False
    """The turn that the callee waits for an answer to, the next cannot be told of: its words did
    not come."""
    apology_due: float | None = None
    """When the callee has waited for his first words for so long that he is told why."""
    nudged: bool = False
    """One that cannot be replaced was asked again."""
    takes_over: bool = False
    """It is to hold the call for another agent than before, who speaks first."""
    _place: int = 0
    """In the chain."""
    _failures: int = 0
    """Of this service, in a row, without a sound between them."""

    @property
    def settings(self) -> SpeechToSpeechSettings:
        return self.chain[self._place]

    def ask(self, *, now: float) -> int:
        """Another connection is to be made; its number."""
        self.number += 1
        self.ready, self.asked_at = None, now
        return self.number

    def connected(self, event: Connected) -> bool:
        """False where that was known."""
        if self.ready is not None:
            return False
        self.ready, self.resumes, self.apology_due = event, event.resumes, None
        return True

    def sounds(self) -> None:
        """What the service says is heard: all is well."""
        self._failures, self.nudged = 0, False

    def fail(self, *, retryable: bool, begun: bool) -> bool:
        """Whether another connection may be made, to this service or to the next.

        `begun` is whether anything was said that another connection has to know.
        """
        connected, self.ready = self.ready is not None, None
        self._failures += 1
        if self.number >= MOST_CONNECTIONS:
            return False
        last = self._place + 1 == len(self.chain)
        again = retryable and self._failures == 1 and (self.resumes or not begun)
        if again and (connected or last):
            return True
        if last:
            return False
        self._ask_first(self._place + 1)
        return True

    def hand_over(self, chain: Sequence[SpeechToSpeechSettings]) -> None:
        """The next is another agent's, and begins anew."""
        self.chain, self.takes_over = chain, True
        self.owed = self.unheard = False
        self._ask_first(0)

    def _ask_first(self, place: int) -> None:
        """From here on another service is asked."""
        self._place = place
        self._failures, self.nudged, self.resumes = 0, False, True
