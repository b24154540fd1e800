"""How a call is left: for what reason, and what is to be heard first.

That is what was being said when the end was decided, and one goodbye after it at most. A service
that has spoken before it asks for the end has said goodbye: no other is waited for, but one that
begins in the meantime is heard, too. What it says after that is for nobody.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

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
    items: set[str] = field(default_factory=set)
    """What is to be heard to its end, the goodbye included once it has begun."""
    _goodbye: str | None = None
    """The item that is taken for it."""
    _until: float | None = None
    """What `due` was at first."""
    _within: bool = False
    """What the service says until it is done precedes the goodbye that it was asked for."""

    def begin(
        self,
        reason: EndReason,
        saying: Iterable[str],
        *,
        text: str | None = None,
        due: float | None = None,
        plain: bool = False,
        within: bool = False,
    ) -> None:
        """`saying` are the items that are being said; `within` is whether a service that says
        what it is asked to was still at something else."""
        self.closing, self.text, self.due, self.plain = reason, text, due, plain
        self.items, self._goodbye = set(saying), None
        self._until, self._within = due, within

    def sounds(self, item: str, *, plainly: bool) -> None:
        """The first sound of something came, or the first after a gap."""
        if self.closing is None or self.plain is not plainly:
            return
        if self._goodbye is None and item not in self.items:
            self._goodbye, self.due = item, None
            self.items.add(item)

    @property
    def goodbye(self) -> str | None:
        """The item that is taken for the one that the service was asked for."""
        return None if self.plain else self._goodbye

    def said(self) -> None:
        """It has the words that were asked for, so that it is the goodbye beyond doubt."""
        self._within = False

    def service_done(self) -> None:
        """The service has said all that it wanted to."""
        if self.text is None:
            self.due = None
        elif self._within and not self.plain:  # that was something else: the goodbye comes now
            self._within, self._goodbye, self.due = False, None, self._until

    def service_left(self) -> None:
        """Of its own will, so that what it said last was the goodbye."""
        if self._goodbye is not None:
            self.said()

    def plainly_done(self) -> None:
        """The fallback voice says no more."""
        if self.plain:
            self.due = None

    def lose(self, *, until: float) -> str | None:
        """The service will not say goodbye: what the fallback voice is to say in its place."""
        if self.plain or (self.due is None and not self._within):
            return None
        if self.text is None:
            self.due = None
            return None
        self.plain, self.due, self._goodbye = True, until, None
        return self.text
