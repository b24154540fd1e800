"""How long silences last: whose turn it is the service decides, that nobody waits in vain we do."""

from dataclasses import dataclass

from strowger.agent import TurnTaking

LONGEST_SPEECH = 20.0
"""Seconds that the callee's voice, or what is taken for it, excuses that nobody else speaks."""
DIGITS_PAUSE = 2.0
"""Seconds after a key in which another may follow."""


@dataclass(slots=True)
class Patience:
    """What is being waited for. Times are on the conversation's clock."""

    taking: TurnTaking
    deadline: float
    """Seconds in which the service has to be heard once it is its turn."""
    quiet_since: float = 0.0
    heard_at: float = 0.0
    """When somebody was heard last."""
    callee_speaks: bool = False
    """By our own voice detector."""
    speech_began: float = 0.0
    speech_ended: float = 0.0
    claimed_at: float = 0.0
    """Speech that began before belongs to a turn that is known."""
    awaited_since: float | None = None
    """Since when it is the service's turn; None where it is not."""
    answered: bool = False
    """The service has spoken since it was its turn last, or was told what came of a tool."""
    reprompts: int = 0
    """How often the silence that lasts now was broken."""
    digits: str = ""
    digits_at: float = 0.0

    def await_service(self, *, now: float) -> None:
        self.awaited_since, self.answered = now, False

    def service_speaks(self) -> None:
        self.awaited_since, self.answered = None, True

    def service_heard(self) -> None:
        self.awaited_since = None

    def quiet(self, *, now: float) -> None:
        """From here on something is waited for anew."""
        self.quiet_since = max(self.quiet_since, now)

    def sounded(self, *, now: float) -> None:
        """Until here somebody was heard."""
        self.heard_at = now
        self.quiet(now=now)

    def speech_started(self, at: float) -> None:
        self.callee_speaks, self.speech_began = True, at

    def speech_stopped(self, at: float, *, now: float) -> None:
        self.callee_speaks, self.speech_ended = False, at
        self.sounded(now=now)

    def spoke_from(self, *, now: float) -> float:
        """Where the callee's speech began that the service tells of now, for the first time."""
        fresh = self.callee_speaks or self.speech_began > self.claimed_at
        self.claimed_at = now
        return self.speech_began if fresh else now

    def spoke_until(self, *, since: float, now: float) -> float:
        """Where the callee's speech ended that the service takes for finished."""
        heard = not self.callee_speaks and self.speech_ended >= since
        return self.speech_ended if heard else now

    def service_due(self) -> float | None:
        """When the service has let us wait for too long."""
        since = self.awaited_since
        if since is None:
            return None
        longest = since + max(LONGEST_SPEECH, self.deadline)
        if self.callee_speaks:
            return longest
        return min(max(since, self.quiet_since) + self.deadline, longest)

    def silence_due(self) -> float | None:
        """When a silence is to be broken, while it is nobody's turn."""
        if self.awaited_since is not None or self.digits:
            return None
        since = self.quiet_since
        if self.callee_speaks:
            since = max(since, self.speech_began + LONGEST_SPEECH)
        return since + self.taking.silence_timeout

    def digits_due(self) -> float | None:
        return self.digits_at + DIGITS_PAUSE if self.digits else None

    def take_digits(self) -> str:
        digits, self.digits = self.digits, ""
        return digits.partition("#")[0]
