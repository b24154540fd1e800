"""How far a call has got that a service holds: its connection, its limits, its end.

Does what `machine.py` tells it, and what is due.
"""

from collections.abc import Mapping, Sequence
from typing import assert_never

from strowger.agent import AgentDefinition, Scalar
from strowger.conversation import phrases
from strowger.conversation.answers import words_of
from strowger.conversation.dialogue import OfferedTool
from strowger.conversation.events import (
    FoundTool,
    HangUp,
    StopSpeaking,
    ToolFinished,
    ToolRequested,
    Transfer,
)
from strowger.conversation.speech_to_speech.acting import Acting
from strowger.conversation.speech_to_speech.briefing import brief_of, greeting_of, settings_of
from strowger.conversation.speech_to_speech.events import (
    AnswerTool,
    Connect,
    Connected,
    Hush,
    Inform,
    OfferTools,
    PassOn,
    Respond,
    Say,
    SayPlainly,
    SpokenEffect,
)
from strowger.conversation.speech_to_speech.leaving import Leaving
from strowger.conversation.speech_to_speech.linking import Linking
from strowger.conversation.speech_to_speech.patience import Patience
from strowger.conversation.speech_to_speech.record import PLAIN, Record
from strowger.conversation.template import render_speech
from strowger.conversation.tool_desk import (
    Goodbye,
    HandOver,
    Keys,
    PutThrough,
    Refusal,
    Request,
    TakeWay,
)
from strowger.lifecycle import EndReason

STALL = 2.0
"""Seconds without sound after which what a service has begun to say counts as said."""
LAST_WORDS = 10.0
"""Seconds a goodbye may take once the longest duration of the call is reached."""


class SpokenCall:
    def __init__(self, definition: AgentDefinition, variables: Mapping[str, Scalar]) -> None:
        self.answered_at: float | None = None
        self.opened = False
        """Somebody has said the first words, or is asked to."""
        self.leaving = Leaving()
        self.outcome: str | None = None
        self.callee_has_floor = False
        """The service hears a turn of the callee's that it will answer."""
        self.transferring = False
        """The far end is putting the callee through."""
        self.record = Record()
        self.acting = Acting(definition.tools, self.record)
        self.patience = Patience(definition.turn_taking, definition.limits.provider_deadline)
        self._variables = dict(variables)
        self._longest = definition.limits.max_duration
        self._link = Linking(settings_of(definition).chain)
        self._offered: tuple[OfferedTool, ...] = ()
        """The tools that the service knows of."""
        self._to_say: list[str] = []
        """Asked for by the customer while it could not be said."""
        self._plain = 0
        self._take(definition)

    def _take(self, definition: AgentDefinition) -> None:
        self._definition = definition
        self.patience.taking = definition.turn_taking
        self.interruptible = definition.turn_taking.interruptible
        self.last_phrases = tuple(filter(None, map(words_of, definition.end_call_phrases)))

    @property
    def ended(self) -> bool:
        return self.leaving.ended

    @property
    def closing(self) -> EndReason | None:
        return self.leaving.closing

    @property
    def _known(self) -> Mapping[str, Scalar]:
        """The variables, with what the agent has in place of those that are not given."""
        return {**self._definition.default_variables, **self._variables}

    @property
    def connection(self) -> int:
        return self._link.number

    def is_plain(self, item: str) -> bool:
        return item.startswith(PLAIN)

    # ── the service ──────────────────────────────────────────────────────────────────────────

    def answered(self, *, now: float) -> list[SpokenEffect]:
        if self.answered_at is not None:
            return []
        self.answered_at = now
        self.patience.quiet(now=now)
        return [*self.acting.find_tools(), self._connect(now=now)]

    def _connect(self, *, now: float) -> Connect:
        number = self._link.ask(now=now)
        self.patience.await_service(now=now)
        self._offered = self.acting.desk.offered()
        brief = brief_of(
            self._definition,
            self._link.settings,
            self._known,
            self._offered,
            self.record.dialogue(now=now),
            goes_on=self.record.begun,
        )
        return Connect(number, brief)

    def connected(self, event: Connected, *, now: float) -> list[SpokenEffect]:
        link = self._link
        if not link.connected(event) or self.closing is not None:
            return []
        self.patience.quiet(now=now)
        tools = self._offer_tools()
        owed, link.owed = link.owed, False
        if owed and self.opened:  # the wait goes on that began with the failure
            return [*tools, Respond(), *self.say_what_waits(now=now)]
        self.patience.service_heard()
        first = owed or link.takes_over or self._definition.turn_taking.who_speaks_first == "agent"
        link.takes_over = False
        effects = self._open(now=now) if first and not self.opened else []
        return [*tools, *effects, *self.say_what_waits(now=now)]

    def _open(self, *, now: float) -> list[SpokenEffect]:
        """Have the service say the agent's first words, unless it does so by itself."""
        self.opened = True
        if self._link.ready is not None and self._link.ready.greets:
            return []
        greeting = greeting_of(self._definition, self._known)
        return self.ask(Say(greeting) if greeting else Respond(), now=now)

    def ask(self, effect: Respond | Say | PassOn, *, now: float) -> list[SpokenEffect]:
        """Ask the service for something that it has to answer by speaking."""
        if self.closing is not None:
            return []
        self.awaits(now=now)
        if self._link.ready is None:
            self._link.owed = True
            return []
        return [effect]

    def awaits(self, *, now: float) -> None:
        if self.closing is None:
            self.patience.await_service(now=now)

    def sounds(self, item: str) -> None:
        """The first sound of something came."""
        if not self.is_plain(item):
            self.patience.service_speaks()
        self.leaving.sounds(item, plainly=self.is_plain(item))

    def heard(self, item: str) -> None:
        """The callee begins to hear something."""
        if not self.is_plain(item):
            self.opened = True
            self._link.sounds()

    def service_left(self, *, now: float) -> list[SpokenEffect]:
        self._link.ready = None
        self.patience.service_heard()
        self.record.finish_all(in_order=True)
        if self.closing is None:
            self.close_when_silent(EndReason.AGENT_HANGUP, wait=0.0, now=now)
        return self._goodbye_lost(now=now)

    def service_lost(self, *, retryable: bool, now: float) -> list[SpokenEffect]:
        """It failed, or kept us waiting: another connection goes on, or another service."""
        link = self._link
        waits = self.patience.awaited_since is not None or self.record.unfinished
        self.record.finish_all(in_order=False)
        begun = self.record.begun
        self.callee_has_floor = False  # whatever he says now, the next one hears
        another = link.fail(retryable=retryable, begun=begun)
        if self.closing is not None:
            return self._goodbye_lost(now=now)
        if not another:
            return self._give_up(now=now)
        link.owed = waits and self.opened
        self.opened = self.opened and begun  # first words that nobody heard are said again
        effects: list[SpokenEffect] = [self._connect(now=now)]
        if waits and not self.record.playing and not self.record.unfinished:
            effects.append(self._say_plainly(phrases.APOLOGY))
        return effects

    def _late(self, *, now: float) -> list[SpokenEffect]:
        """The service keeps the callee waiting."""
        link = self._link
        if link.ready is None or link.resumes or link.nudged:
            return self.service_lost(retryable=True, now=now)
        link.nudged = True
        return self.ask(Say(phrases.SAY_IT_AGAIN), now=now)

    def _give_up(self, *, now: float) -> list[SpokenEffect]:
        due = now + self.patience.deadline
        saying, text = self.record.being_said, phrases.LAST_APOLOGY
        self.leaving.begin(EndReason.PROVIDER_FAILED, saying, text=text, due=due, plain=True)
        return [self._say_plainly(text)]

    def _say_plainly(self, text: str) -> SayPlainly:
        self._plain += 1
        item = f"{PLAIN}{self._plain}"
        self.record.agent(item).text = text
        return SayPlainly(item, text)

    def say_unasked(self, text: str, *, now: float) -> list[SpokenEffect]:
        """The customer wants it said: now, or as soon as it can be."""
        if self.closing is not None:
            return []
        self._to_say.append(text)
        return self.say_what_waits(now=now)

    def say_what_waits(self, *, now: float) -> list[SpokenEffect]:
        if self._link.ready is None or self.closing is not None:
            return []
        if self.patience.callee_speaks or self.callee_has_floor:
            return []
        texts, self._to_say = self._to_say, []
        return [effect for text in texts for effect in self.ask(Say(text), now=now)]

    # ── tools ────────────────────────────────────────────────────────────────────────────────

    def tool_requested(self, event: ToolRequested, *, now: float) -> list[SpokenEffect]:
        self.patience.service_heard()
        self.patience.quiet(now=now)
        leaving = self.closing is not None
        use, order = self.acting.requested(event, self.connection, leaving=leaving, now=now)
        match order:
            case Refusal(message):
                refused = self.acting.answer(use.number, message, self.connection, ok=False)
                return self._answered(refused, now=now)
            case Keys():
                pressed = self.acting.carry_out(use, order, event.arguments)
                return pressed + self._finish(use.number, "pressed", ok=True, now=now)
            case Request() | HandOver():
                return self.acting.carry_out(use, order, event.arguments)
            case PutThrough(tool):
                self.acting.put_through = use.number, order
                if tool.message:
                    return self.ask(Say(tool.message), now=now)
                return self.when_silent(now=now)
            case Goodbye():
                return self._say_goodbye(use.number, order, now=now)
            case TakeWay():
                return []  # there are none: the desk is at no node
            case _:
                assert_never(order)

    def _say_goodbye(self, use: int, order: Goodbye, *, now: float) -> list[SpokenEffect]:
        effects = self.acting.finish(use, "the call ends", self.connection, ok=True, now=now)
        self.outcome = order.outcome or self.outcome
        message, reason = order.tool, EndReason.AGENT_HANGUP
        text = message.message if message.type == "end_call" else ""
        if message.type == "voicemail":
            reason, voicemail = EndReason.VOICEMAIL, self._definition.voicemail
            if voicemail.action == "leave_message":
                text = render_speech(voicemail.message, self._known)
        if text:
            effects += self.ask(Say(text), now=now)
            self.patience.service_heard()
            due, saying = now + self.patience.deadline, self.record.being_said
            self.leaving.begin(reason, saying, text=text, due=due, within=True)
            return effects
        wait = 0.0 if self.patience.answered else STALL
        self.close_when_silent(reason, wait=wait, now=now)
        return effects + self.when_silent(now=now)

    def tool_finished(self, event: ToolFinished, *, now: float) -> list[SpokenEffect]:
        desk = self.acting.desk
        if event.ok and desk.is_transfer(event.use):
            desk.finish(event.use, event.result, ok=True, now=now)
            return self.hang_up(EndReason.TRANSFERRED, now=now)
        self.transferring = self.transferring and not desk.is_transfer(event.use)
        return self._finish(event.use, event.result, ok=event.ok, now=now)

    def _finish(self, use: int, result: str, *, ok: bool, now: float) -> list[SpokenEffect]:
        effects = self.acting.finish(use, result, self.connection, ok=ok, now=now)
        return self._answered(effects, now=now)

    def _answered(self, effects: list[SpokenEffect], *, now: float) -> list[SpokenEffect]:
        """Have the service go on once it knows what came of all that it asked for."""
        told = any(isinstance(effect, AnswerTool | Inform) for effect in effects)
        self.patience.answered = self.patience.answered and not told
        if not told or self.acting.desk.running or self.acting.put_through is not None:
            return effects
        if self.callee_has_floor:  # it answers all of it once he is done
            return effects
        self.patience.quiet(now=now)
        return effects + self.ask(Respond(), now=now)

    def tools_found(self, server: str, tools: Sequence[FoundTool]) -> list[SpokenEffect]:
        self.acting.desk.found(server, tools)
        return [] if self._link.ready is None else self._offer_tools()

    def _offer_tools(self) -> list[SpokenEffect]:
        """Tell the service of tools that were found since it was told of them."""
        known, self._offered = self._offered, self.acting.desk.offered()
        return [OfferTools(self._offered)] if self._offered != known else []

    def hand_over(self, use: int, definition: AgentDefinition, *, now: float) -> list[SpokenEffect]:
        """Another agent goes on with the call, at its own service."""
        if not self.acting.desk.runs(use) or self.closing is not None:
            return []
        if definition.speech_to_speech is None:
            problem = f"{definition.name} cannot take over: no speech-to-speech service holds it"
            return self._finish(use, problem, ok=False, now=now)
        self.acting.desk.finish(use, f"{definition.name} goes on", ok=True, now=now)
        self.acting.desk.report()
        stopped = self.record.cut()
        self.record.finish_all(in_order=False)
        self.callee_has_floor = False
        self._take(definition)
        self.acting.desk.replace(definition.tools)
        self.opened = False
        self.record.begin_anew()
        self._link.hand_over(definition.speech_to_speech.chain)
        effects: list[SpokenEffect] = [StopSpeaking()] if stopped else []
        return [*effects, *self.acting.find_tools(), self._connect(now=now)]

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    def close(self, reason: EndReason, text: str, *, now: float) -> list[SpokenEffect]:
        """Drop everything, say goodbye, and hang up once it was heard."""
        effects: list[SpokenEffect] = [StopSpeaking()] if self.record.cut() else []
        self.patience.service_heard()
        plain = self._link.ready is None
        due = now + self.patience.deadline
        self.leaving.begin(reason, self.record.being_said, text=text, due=due, plain=plain)
        return effects + ([self._say_plainly(text)] if plain else [Hush(), Say(text)])

    def close_when_silent(self, reason: EndReason, *, wait: float, now: float) -> None:
        """Hang up once what is said now was heard; `wait` for that to begin."""
        self.leaving.begin(reason, self.record.being_said, due=now + wait if wait else None)

    def response_over(self, *, now: float) -> list[SpokenEffect]:
        self.leaving.service_done()
        return self.when_silent(now=now)

    def never_sounded(self, item: str, *, now: float) -> list[SpokenEffect]:
        """Something was to be said and was not."""
        if self.is_plain(item):
            self.leaving.plainly_done()
        return self.when_silent(now=now)

    def when_silent(self, *, now: float) -> list[SpokenEffect]:
        """Hang up or put through what waits for the agent to be heard, if he was."""
        due = self._silent_due()
        if due is None or now < due:
            return []
        if self.closing is not None:
            return self.hang_up(self.closing, now=now)
        if self.acting.put_through is None:
            return []
        (use, order), self.acting.put_through = self.acting.put_through, None
        restarted = self.acting.desk.restart(use, now=now)
        return [Transfer(use, order.target.to, order.briefing)] if restarted else []

    def _silent_due(self) -> float | None:
        """When what waits for the agent's silence is done; None while it is not to be."""
        items = self.record.agents(None if self.closing is None else self.leaving.items)
        if any(entry.playing for entry in items):
            return None
        if self.closing is not None:
            if self.leaving.due is not None:
                return None
        elif self.acting.put_through is None or self.patience.awaited_since is not None:
            return None
        unfinished = any(entry.unfinished for entry in items)
        return self.patience.quiet_since + (STALL if unfinished else 0.0)

    def _goodbye_lost(self, *, now: float) -> list[SpokenEffect]:
        """The service will not say goodbye any more."""
        text = self.leaving.lose(until=now + self.patience.deadline)
        return self.when_silent(now=now) if text is None else [self._say_plainly(text)]

    def hang_up(self, reason: EndReason, *, now: float) -> list[SpokenEffect]:
        self.leaving.ended = True
        self.record.break_off(now=now)
        self.acting.desk.break_off(now=now)
        return [HangUp(reason.value)]

    # ── time ─────────────────────────────────────────────────────────────────────────────────

    def next_timer(self) -> float | None:
        if self.ended or self.answered_at is None:
            return None
        deadlines = [
            self._duration_due(),
            self.acting.desk.deadline,
            self._silent_due(),
        ]
        if self.closing is not None:
            deadlines.append(self.leaving.due)
        else:
            deadlines += [self._filler_due(), self._service_due(), self._silence_due()]
            deadlines.append(self.patience.digits_due())
        return min(at for at in deadlines if at is not None)

    def _service_due(self) -> float | None:
        if self._link.ready is None:
            return self._link.asked_at + self.patience.deadline
        return None if self.record.playing else self.patience.service_due()

    def _silence_due(self) -> float | None:
        busy = self.record.playing or self.acting.desk.running or self._link.ready is None
        return None if busy else self.patience.silence_due()

    def _filler_due(self) -> float | None:
        ready, patience = self._link.ready, self.patience
        if self.record.playing or patience.callee_speaks or ready is None or ready.greets:
            return None
        if self.acting.desk.running is (patience.awaited_since is not None):
            return None  # something is to be said already, or nothing is waited for
        return self.acting.filler_due(since=patience.quiet_since, heard_at=patience.heard_at)

    def handle_timer(self, due: float, *, now: float) -> list[SpokenEffect]:
        """Do what is due then."""
        if due == self._duration_due():
            return self._duration_over(now=now)
        if due == self.acting.desk.deadline:
            return self._answered(self.acting.expire(self.connection, now=now), now=now)
        if due == self._silent_due():
            return self.when_silent(now=now)
        if self.closing is not None:
            if self.leaving.plain:  # neither voice has said goodbye
                return self.hang_up(self.closing, now=now)
            return self._goodbye_lost(now=now)
        if due == self._filler_due():
            filler = Say(self.acting.next_filler(now=now))
            if self.patience.awaited_since is not None:
                return [filler]  # its own deadline goes on
            return self.ask(filler, now=now)
        if due == self._service_due():
            return self._late(now=now)
        return self._break_silence(now=now)

    def _duration_due(self) -> float:
        over = (self.answered_at or 0.0) + self._longest
        return over if self.leaving.end_by is None else self.leaving.end_by

    def _duration_over(self, *, now: float) -> list[SpokenEffect]:
        if self.leaving.end_by is not None:
            return self.hang_up(self.closing or EndReason.MAX_DURATION, now=now)
        self.leaving.end_by = now + LAST_WORDS
        if self.closing is not None:
            return []
        return self.close(EndReason.MAX_DURATION, phrases.TIME_IS_UP, now=now)

    def _break_silence(self, *, now: float) -> list[SpokenEffect]:
        patience = self.patience
        self.callee_has_floor = False  # the service has heard nothing to be answered after all
        if said := self.say_what_waits(now=now):
            return said
        if not self.opened and (effects := self._open(now=now)):
            return effects
        if patience.reprompts >= patience.taking.max_reprompts:
            return self.close(EndReason.SILENCE, phrases.NOBODY_THERE, now=now)
        texts = patience.taking.reprompts or (phrases.ARE_YOU_THERE,)
        text = texts[min(patience.reprompts, len(texts) - 1)]
        patience.reprompts += 1
        self._link.nudged = True  # a service that does not answer this is not asked a third time
        return self.ask(Say(render_speech(text, self._known)), now=now)
