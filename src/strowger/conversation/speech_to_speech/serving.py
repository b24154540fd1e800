"""The service that holds the call: when it is connected, what it owes, who goes on for it."""

from collections.abc import Sequence

from strowger.conversation import phrases
from strowger.conversation.dialogue import OfferedTool
from strowger.conversation.events import FoundTool
from strowger.conversation.speech_to_speech.asking import Asking
from strowger.conversation.speech_to_speech.briefing import brief_of
from strowger.conversation.speech_to_speech.ending import Ending
from strowger.conversation.speech_to_speech.events import (
    Connect,
    Connected,
    Hush,
    OfferTools,
    Respond,
    Say,
    SpokenEffect,
)
from strowger.conversation.speech_to_speech.situation import Situation
from strowger.lifecycle import EndReason

UNNOTICED = 1.5
"""Seconds after the answer in which nobody wonders why nothing is said: one service may take over
from another without a word."""


class Serving:
    def __init__(self, call: Situation, asking: Asking, ending: Ending) -> None:
        self._call = call
        self._asking = asking
        self._ending = ending
        self._offered: tuple[OfferedTool, ...] = ()
        """The tools that the service knows of."""

    def connect(self, *, now: float) -> Connect:
        call = self._call
        number = call.link.ask(now=now)
        call.patience.await_service(now=now)
        self._asking.brief()
        self._offered = call.acting.desk.offered()
        brief = brief_of(
            call.definition,
            call.link.settings,
            call.variables,
            self._offered,
            call.record.dialogue(now=now),
            goes_on=call.record.begun,
        )
        return Connect(number, brief)

    def connected(self, event: Connected, *, now: float) -> list[SpokenEffect]:
        call, link = self._call, self._call.link
        if not link.connected(event) or call.closing is not None:
            return []
        call.patience.quiet(now=now)
        tools = self._offer_tools()
        owed, link.owed = link.owed, False
        unheard, link.unheard = link.unheard, False
        if owed and call.opened:  # the wait goes on that began with the failure
            again = Say(phrases.SAY_IT_AGAIN) if unheard else Respond()
            answers = self._asking.answer_what_waits(now=now) or [again]
            return [*tools, *answers, *self._asking.say_what_waits(now=now)]
        call.patience.service_heard()
        first = owed or link.takes_over or call.definition.turn_taking.who_speaks_first == "agent"
        link.takes_over = False
        effects = self._asking.open(now=now) if first and not call.opened else []
        effects += self._asking.answer_what_waits(now=now)
        return [*tools, *effects, *self._asking.say_what_waits(now=now)]

    def tools_found(self, server: str, tools: Sequence[FoundTool]) -> list[SpokenEffect]:
        self._call.acting.desk.found(server, tools)
        return [] if self._call.link.ready is None else self._offer_tools()

    def _offer_tools(self) -> list[SpokenEffect]:
        """Tell the service of tools that were found since it was told of them."""
        known, self._offered = self._offered, self._call.acting.desk.offered()
        return [OfferTools(self._offered)] if self._offered != known else []

    # ── what is heard of it ──────────────────────────────────────────────────────────────────

    def sounds(self, item: str, *, plain: bool) -> None:
        """The first sound of something came."""
        if not plain:
            self._call.patience.service_speaks()
        self._call.leaving.sounds(item, plainly=plain)

    def heard(self, *, plain: bool) -> None:
        """The callee begins to hear something."""
        if not plain:
            self._call.opened = True
            self._call.link.sounds()

    # ── where it is gone ─────────────────────────────────────────────────────────────────────

    def left(self, *, now: float) -> list[SpokenEffect]:
        call = self._call
        call.link.ready = None
        call.patience.service_heard()
        call.record.finish_all(in_order=True)
        if call.closing is None:
            self._ending.close_when_silent(EndReason.AGENT_HANGUP, wait=0.0, now=now)
        call.leaving.service_left()
        return self._ending.goodbye_lost(now=now)

    def lost(self, *, retryable: bool, now: float) -> list[SpokenEffect]:
        """It failed, or kept us waiting: another connection goes on, or another service."""
        call, link = self._call, self._call.link
        waits = call.patience.awaited_since is not None or call.record.unfinished
        unheard = call.record.unheard
        call.record.finish_all(in_order=False)
        begun = call.record.begun
        call.callee_has_floor = False  # whatever he says now, the next one hears
        another = link.fail(retryable=retryable, begun=begun)
        if call.closing is not None:
            return self._ending.goodbye_lost(now=now)
        if not another:
            return self._ending.give_up(now=now)
        link.owed = waits and call.opened
        link.unheard = link.owed and (unheard or link.unheard)
        call.opened = call.opened and begun  # first words that nobody heard are said again
        effects: list[SpokenEffect] = [self.connect(now=now)]
        if waits and not call.record.playing and not call.record.unfinished:
            noticed = (call.answered_at or 0.0) + UNNOTICED
            if now >= noticed or begun:
                return effects + self.apologise()
            link.apology_due = noticed
        return effects

    def apologise(self) -> list[SpokenEffect]:
        """Tell the callee why he waits."""
        self._call.link.apology_due = None
        return [self._asking.say_plainly(phrases.APOLOGY)]

    def late(self, *, now: float) -> list[SpokenEffect]:
        """The service keeps the callee waiting."""
        link, there = self._call.link, self._call.link.ready is not None
        if not there or link.resumes or link.nudged:
            effects = self.lost(retryable=True, now=now)
            # One that nobody replaces is not left: what it says now would be for nobody.
            return [Hush(), *effects] if there and self._call.closing is not None else effects
        link.nudged = True
        return self._asking.ask(Say(phrases.SAY_IT_AGAIN), now=now)
