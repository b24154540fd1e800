"""The connection to the service: how often it may be replaced, and what the next one owes."""

from dataclasses import dataclass

from strowger.conversation.speech_to_speech.events import Connected

MOST_CONNECTIONS = 8
"""Of one call."""


@dataclass(slots=True)
class Linking:
    """One connection at a time; a second failure in a row is one too many."""

    number: int = 0
    asked_at: float = 0.0
    ready: Connected | None = None
    resumes: bool = True
    """Whether another could go on with the conversation; nothing is lost before the first."""
    owed: bool = False
    """The callee waits for an answer that the connection before did not give."""
    nudged: bool = False
    """One that cannot be replaced was asked again."""
    takes_over: bool = False
    """It is to hold the call for another agent than before, who speaks first."""
    _failures: int = 0
    """In a row, without a sound between them."""

    def ask(self, *, now: float) -> int:
        """Another connection is to be made; its number."""
        self.number += 1
        self.ready, self.asked_at = None, now
        return self.number

    def connected(self, event: Connected) -> bool:
        """False where that was known."""
        if self.ready is not None:
            return False
        self.ready, self.resumes = event, event.resumes
        return True

    def sounds(self) -> None:
        """What the service says is heard: all is well."""
        self._failures, self.nudged = 0, False

    def fail(self, *, retryable: bool) -> bool:
        """Whether another may be made."""
        self._failures += 1
        spent = self._failures > 1 or self.number >= MOST_CONNECTIONS
        return retryable and self.resumes and not spent

    def hand_over(self) -> None:
        """The next is another agent's, and begins anew."""
        self.owed, self.resumes, self.takes_over = False, True, True
