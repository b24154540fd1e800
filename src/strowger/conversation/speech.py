"""The agent's turn in the making: what the model writes, what the voice says, what was heard.

Utterances are said in the order asked for. Those that were stopped are no longer waited for,
but what was heard of them is still taken down when it becomes known.
"""

from dataclasses import dataclass, field

from strowger.conversation.dialogue import Message, OfferedTool
from strowger.conversation.events import (
    CancelReply,
    Effect,
    Generate,
    ReplyFinished,
    ReplySentence,
    Speak,
    StopSpeaking,
    ToolRequested,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.conversation.sentences import split_sentences
from strowger.conversation.transcript import AgentTurn, Rest, Utterance

SLOWEST = 0.4
"""Seconds per character that no voice takes, in Chinese and Japanese neither: one that is not done
by then has stalled, and nobody has noticed."""
VOICE_SPARED = 30.0
"""Seconds in which the fallback voice speaks, once the agent's own has failed and failed again."""


@dataclass(slots=True)
class _Generation:
    """A reply that the language model is writing."""

    number: int
    deadline: float
    sentences: int = 0
    tools: int = 0


@dataclass(slots=True)
class _Draft:
    """A reply begun before it was certain that the callee is done; nothing of it is said yet."""

    number: int
    text: str
    """The words it answers."""
    sentences: list[str] = field(default_factory=list)
    tools: list[ToolRequested] = field(default_factory=list)
    finished: bool = False


@dataclass(slots=True)
class _Held:
    """What waits until it is known whether the callee has said anything."""

    sentences: list[str] = field(default_factory=list)
    tools: list[ToolRequested] = field(default_factory=list)
    finished: bool = False
    lost: bool = False
    """The model was stopped, or has failed, before it was done."""


@dataclass(frozen=True, slots=True)
class Released:
    """What becomes of what was held, once it is wanted after all."""

    effects: list[Effect]
    tools: tuple[ToolRequested, ...]
    finished: bool
    lost: bool


@dataclass(frozen=True, slots=True)
class Adopted:
    """What a draft held when it became the reply."""

    sentences: tuple[str, ...]
    tools: tuple[ToolRequested, ...]
    finished: bool


class AgentSpeech:
    """Everything the agent says in one call, one turn of it at a time."""

    def __init__(self, patience: float) -> None:
        self.turn = AgentTurn(open=False)
        """The turn that is being said, or was said last."""
        self._patience = patience
        self._utterances = self._replies = 0
        """Numbers given so far."""
        self._generation: _Generation | None = None
        self._draft: _Draft | None = None
        self._held: _Held | None = None
        """While the callee speaks over the agent: what the model goes on to write."""
        self._waiting: list[Utterance] = []
        self._stopped: list[Utterance] = []
        self._free_at = 0.0
        """When the last utterance was over."""
        self._spared_until = 0.0
        """When the agent's own voice is asked again."""

    @property
    def silent(self) -> bool:
        """Whether nothing is being said and nothing is about to be."""
        return not self._waiting and self._generation is None

    @property
    def quiet_since(self) -> float | None:
        """When the last utterance was over; None while one is being said or about to be."""
        return None if self._waiting else self._free_at

    @property
    def generating(self) -> bool:
        return self._generation is not None

    @property
    def reply(self) -> int:
        """The number of the reply that was asked for last."""
        return self._replies

    @property
    def model_deadline(self) -> float | None:
        """When the model has failed unless more of its reply comes."""
        generation = self._generation
        return None if generation is None or self._held is not None else generation.deadline

    @property
    def voice_deadline(self) -> float | None:
        """When the voice has failed unless something more is heard of it."""
        if not self._waiting:
            return None
        first = self._waiting[0]
        if first.started_at is None:
            return max(first.asked_at, self._free_at) + self._patience
        return first.started_at + self._patience + SLOWEST * len(first.text)

    def say(self, text: str, *, now: float) -> list[Effect]:
        """Speak in the agent's own voice, unless that is lost for now."""
        return self._speak(text, now=now, fallback=now < self._spared_until)

    def say_in_fallback_voice(self, text: str, *, now: float) -> list[Effect]:
        return self._speak(text, now=now, fallback=True)

    def generate(
        self, dialogue: tuple[Message, ...], tools: tuple[OfferedTool, ...] = (), *, now: float
    ) -> list[Effect]:
        """Have the model write the turn, or what is missing of it."""
        cancelled = self.drop_draft() + self._cancel()
        self._replies += 1
        self._generation = _Generation(self._replies, now + self._patience)
        return [*cancelled, Generate(self._replies, dialogue, tools)]

    def draft(
        self, text: str, dialogue: tuple[Message, ...], tools: tuple[OfferedTool, ...]
    ) -> list[Effect]:
        """Have the model begin on a reply to these words, which may not be all.

        There is one reply at a time: one that is held is not written on.
        """
        dropped = self.drop_draft() + self.lose_held()
        self._replies += 1
        self._draft = _Draft(self._replies, text)
        return [*dropped, Generate(self._replies, dialogue, tools)]

    def drop_draft(self) -> list[Effect]:
        draft, self._draft = self._draft, None
        return [] if draft is None or draft.finished else [CancelReply(draft.number)]

    def drafts(self, reply: int) -> bool:
        return self._draft is not None and self._draft.number == reply

    def note_in_draft(self, event: ReplySentence | ToolRequested | ReplyFinished) -> None:
        """Keep what the model has written in advance."""
        draft = self._draft
        match event:
            case _ if draft is None:
                pass
            case ReplySentence(_, text):
                draft.sentences.append(text)
            case ToolRequested():
                draft.tools.append(event)
            case ReplyFinished():
                draft.finished = True

    def adopt_draft(self, text: str, *, now: float) -> Adopted | None:
        """The draft becomes the reply, where it answers these very words."""
        draft = self._draft
        if draft is None or draft.text != text:
            return None
        self._draft = self._held = None
        self._generation = _Generation(draft.number, now + self._patience)
        return Adopted(tuple(draft.sentences), tuple(draft.tools), draft.finished)

    def tool_requested(self, *, now: float) -> None:
        """The model goes on to write after asking for a tool."""
        if self._generation is not None:
            self._generation.tools += 1
            self._generation.deadline = now + self._patience

    def sentence(self, reply: int, text: str, *, now: float) -> list[Effect]:
        """The model has written a sentence; one of another reply is not wanted any more."""
        if not self.writes(reply) or self._generation is None:
            return []
        if self._held is not None:
            self._generation.sentences += 1
            self._held.sentences.append(text)
            return []
        self._generation.deadline = now + self._patience
        effects = self.say(text, now=now)
        self._generation.sentences += len(effects)
        if self.turn.generated_at is None:
            self.turn.generated_at = now
        return effects

    def finish_reply(self) -> bool:
        """The model has no more to say; whether it has said or asked for anything."""
        generation, self._generation = self._generation, None
        return generation is not None and generation.sentences + generation.tools > 0

    def writes(self, reply: int) -> bool:
        return self._generation is not None and self._generation.number == reply

    def waits_for(self, utterance: int) -> bool:
        return any(said.number == utterance for said in self._waiting)

    def note_failed(self, utterance: int, *, hopeless: bool) -> None:
        """The voice does not speak it; that matters once all before it was heard."""
        for said in self._waiting:
            if said.number == utterance:
                said.failed, said.hopeless = True, hopeless

    @property
    def failed_next(self) -> Utterance | None:
        """What would be heard now, if the voice had not failed."""
        return self._waiting[0] if self._waiting and self._waiting[0].failed else None

    def spare_own_voice(self, *, now: float) -> None:
        """Speak in the fallback voice for a while."""
        self._spared_until = now + VOICE_SPARED

    def have_another_voice(self) -> None:
        """Nothing is known of it yet."""
        self._spared_until = 0.0

    def in_fallback_voice(self) -> bool:
        """Whether what is being said, or comes next, is in the fallback voice."""
        return bool(self._waiting) and self._waiting[0].fallback

    def drop_reply(self) -> list[Effect]:
        """What the model still has to say is not wanted; what it has said is."""
        return self._cancel()

    @property
    def held(self) -> bool:
        return self._held is not None

    def hold(self) -> list[Effect]:
        """Cut the voice, and keep what the model still writes: it may be wanted after all."""
        effects, _ = self.silence()
        self._held = _Held() if self._generation is not None else None
        return effects

    def hold_tool(self, event: ToolRequested) -> bool:
        """Keep a tool for later, where the model's words are kept too."""
        if self._held is None or self._generation is None:
            return False
        self._generation.tools += 1
        self._held.tools.append(event)
        return True

    def finish_held(self) -> None:
        """The model has written all of what is held."""
        if self._held is not None:
            self._held.finished = True

    def lose_held(self) -> list[Effect]:
        """Have the model write no more of what is held; what it has written is kept."""
        if self._held is None or self._held.finished:
            return []
        self._held.lost = True
        generation, self._generation = self._generation, None
        return [] if generation is None else [CancelReply(generation.number)]

    def release(self, rests: list[Rest], *, now: float) -> Released:
        """Go on where the voice was cut, with all that the model has written meanwhile."""
        held, self._held = self._held or _Held(), None
        effects: list[Effect] = []
        for rest in rests:
            spared = now < self._spared_until
            effects += self._speak(rest.text, now=now, fallback=spared, rest=rest)
        for sentence in held.sentences:
            effects += self.say(sentence, now=now)
        if self._generation is not None:
            self._generation.deadline = now + self._patience
        return Released(effects, tuple(held.tools), held.finished, held.lost)

    def stop(self) -> tuple[list[Effect], list[str]]:
        """Cut everything now; the sentences that were asked for and not heard to their end."""
        cancelled = self.drop_draft() + self._cancel()
        effects, unheard = self.silence()
        return cancelled + effects, unheard

    def silence(self) -> tuple[list[Effect], list[str]]:
        """Cut the voice now, but let the model write on."""
        stopped, self._waiting = self._waiting, []
        self._stopped += stopped
        return [StopSpeaking()] if stopped else [], [said.text for said in stopped]

    def started(self, event: UtteranceStarted) -> None:
        """Whatever was asked for before is over, though nobody may have said so."""
        for said in self._stopped:
            if said.number == event.utterance:
                said.start(event.at, waited=event.waited)
        if not self.waits_for(event.utterance):
            return
        while self._waiting[0].number != event.utterance:
            self._waiting.pop(0).end_unheard()
        self._waiting[0].start(event.at, waited=event.waited)
        for said in self._stopped:
            said.end_unheard()
        self._stopped = []

    def ended(self, event: UtteranceEnded, *, now: float) -> Utterance | None:
        """The utterance this was; None for one that is not known any more."""
        for queue in (self._waiting, self._stopped):
            for said in queue:
                if said.number == event.utterance:
                    if event.heard > 0 and said.started_at is None:
                        said.started_at = now - event.heard
                    said.end(
                        heard=event.heard,
                        duration=event.duration,
                        whole=event.complete,
                        words=event.words,
                    )
                    queue.remove(said)
                    self._free_at = now
                    return said
        return None

    def break_off(self, *, now: float) -> None:
        """The call is over: nothing more will be heard, nor reported."""
        for said in (*self._stopped, *self._waiting):
            said.break_off(now=now)
        self._waiting, self._stopped, self._generation = [], [], None
        self._draft = self._held = None

    def _speak(
        self, text: str, *, now: float, fallback: bool, rest: Rest | None = None
    ) -> list[Effect]:
        """Ask for a text sentence by sentence; without a letter or figure it is no speech."""
        effects: list[Effect] = []
        for sentence in split_sentences(text) if rest is None else [text]:
            if any(letter.isalnum() for letter in sentence):
                self._utterances += 1
                utterance = Utterance(self._utterances, sentence, fallback, now)
                self._waiting.append(utterance)
                self.turn.utterances.append(utterance)
                after, skip = (0, 0.0) if rest is None else (rest.after, rest.skip)
                effects.append(Speak(utterance.number, sentence, fallback, after, skip))
        return effects

    def _cancel(self) -> list[Effect]:
        generation, self._generation, self._held = self._generation, None, None
        return [] if generation is None else [CancelReply(generation.number)]
