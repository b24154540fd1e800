"""How a call is left: for what reason, and which goodbye is to be heard first."""

from dataclasses import dataclass

from strowger.lifecycle import EndReason


@dataclass(slots=True)
class Leaving:
    """Nothing is to be said after a goodbye; one that does not come is not waited for long."""

    closing: EndReason | None = None
    """The agent is saying goodbye; this will have been the reason."""
    ended: bool = False
    end_by: float | None = None
    """When a goodbye is cut short, once the longest duration is over."""
    due: float | None = None
    """When the goodbye is not waited for any longer; None where none is waited for."""
    plain: bool = False
    """It is the fallback voice that says it."""
    text: str | None = None
    """None for what the service says of itself, if anything."""

    def begin(
        self,
        reason: EndReason,
        *,
        text: str | None = None,
        due: float | None = None,
        plain: bool = False,
    ) -> None:
        self.closing, self.text, self.due, self.plain = reason, text, due, plain

    def sounds(self, *, plainly: bool) -> None:
        """The first sound of something came."""
        if self.closing is not None and self.plain is plainly:
            self.due = None

    def service_done(self) -> None:
        """The service has said all that it wanted to."""
        if self.text is None:
            self.due = None

    def plainly_done(self) -> None:
        """The fallback voice says no more."""
        if self.plain:
            self.due = None

    def lose(self, *, until: float) -> str | None:
        """The service will not say goodbye: what the fallback voice is to say in its place."""
        if self.plain or self.due is None:
            return None
        if self.text is None:
            self.due = None
            return None
        self.plain, self.due = True, until
        return self.text
