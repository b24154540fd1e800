"""A stage for conversations: a fake clock, a callee who speaks, an agent whose voice takes time.

The stage is the shell's stand-in. It lets `Speak` take as long as people take, answers
`StopSpeaking` with what was heard, and writes down everything with its time.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from strowger.agent import (
    AgentDefinition,
    AskNode,
    EndNode,
    Expectation,
    Flow,
    Limits,
    Node,
    Phrases,
    Scalar,
    TurnTaking,
)
from strowger.conversation.conversation import Conversation
from strowger.conversation.events import (
    Answered,
    Effect,
    Event,
    Generate,
    HangUp,
    Listen,
    Speak,
    SpeechStarted,
    SpeechStopped,
    StopSpeaking,
    Transcribed,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.conversation.journal import Journal

START = 1000.0
"""The clock's time of the answer; the times of scripts count from it."""
VOICE_DELAY = 0.125
"""Seconds until the agent's voice is heard."""
SECONDS_PER_WORD = 0.25
WORDS_DELAY = 0.125
"""Seconds after the callee's last sound until its words are recognised."""

FLOW = Flow(
    start="greet",
    nodes={
        "greet": AskNode(
            type="ask",
            text="Hello from Bright Dental. Can you come on Tuesday?",
            expect=Expectation(type="yes_no"),
            branches={"yes": "confirmed", "no": "which"},
            retry_text="Sorry, yes or no?",
            attempts=2,
            otherwise="lost",
        ),
        "which": AskNode(
            type="ask",
            text="Which day suits you?",
            expect=Expectation(
                type="keywords",
                keywords=(
                    Phrases(value="thursday", phrases=("thursday", "on thursday")),
                    Phrases(value="friday", phrases=("friday", "on friday")),
                ),
            ),
            next="moved",
            save_as="day",
        ),
        "confirmed": EndNode(type="end", text="See you then. Goodbye.", outcome="confirmed"),
        "moved": EndNode(type="end", text="Until {{day}}. Goodbye.", outcome="moved to {{day}}"),
        "lost": EndNode(type="end", text="I will call again. Goodbye.", outcome="lost"),
    },
)


def scripted(
    nodes: dict[str, Node] | None = None,
    *,
    start: str = "greet",
    turn_taking: TurnTaking | None = None,
    limits: Limits | None = None,
    end_call_phrases: tuple[str, ...] = (),
) -> AgentDefinition:
    """An agent with a flow."""
    return AgentDefinition(
        name="clinic",
        flow=FLOW if nodes is None else Flow(start=start, nodes=nodes),
        turn_taking=turn_taking or TurnTaking(),
        limits=limits or Limits(),
        end_call_phrases=end_call_phrases,
    )


def modelled(
    first_message: str = "Hello, how can I help?",
    *,
    turn_taking: TurnTaking | None = None,
    limits: Limits | None = None,
    end_call_phrases: tuple[str, ...] = (),
) -> AgentDefinition:
    """An agent with a language model."""
    return AgentDefinition(
        name="desk",
        prompt="Be brief.",
        first_message=first_message,
        turn_taking=turn_taking or TurnTaking(),
        limits=limits or Limits(),
        end_call_phrases=end_call_phrases,
    )


def says(at: float, text: str, *, seconds: float = 1.0) -> list[tuple[float, Event]]:
    """The callee says something, and the recogniser, asked for it last, hears it right."""
    return [*sounds(at, seconds=seconds), (at + seconds + WORDS_DELAY, words(text))]


def sounds(at: float, *, seconds: float) -> list[tuple[float, Event]]:
    """The callee makes a sound."""
    return [
        (at, SpeechStarted(START + at)),
        (at + seconds, SpeechStopped(START + at + seconds)),
    ]


def words(text: str, *, final: bool = True, turn: int = 0) -> Transcribed:
    """What the recogniser heard; of the turn listened to last, unless another is named."""
    return Transcribed(turn, text, final, 0.9 if text else None)


@dataclass
class Scene:
    """What became of a script."""

    conversation: Conversation
    journal: Journal
    effects: list[tuple[float, Effect]] = field(default_factory=list)

    @property
    def spoken(self) -> list[tuple[float, str]]:
        return [(at, effect.text) for at, effect in self.effects if isinstance(effect, Speak)]

    @property
    def said(self) -> list[str]:
        return [text for _, text in self.spoken]

    @property
    def hung_up(self) -> tuple[float, str] | None:
        ends = [(at, effect.reason) for at, effect in self.effects if isinstance(effect, HangUp)]
        assert len(ends) <= 1, "hung up once"
        return ends[0] if ends else None

    @property
    def dialogue(self) -> list[str]:
        """The transcript as `agent: …` and `callee: …`."""
        return [
            f"{turn.role}: {turn.text}{' —' if turn.interrupted else ''}"
            for turn in self.conversation.transcript
        ]

    def of(self, kind: type[Effect]) -> list[tuple[float, Effect]]:
        return [(at, effect) for at, effect in self.effects if isinstance(effect, kind)]


class Stage:
    """Runs one conversation against a script."""

    def __init__(
        self,
        definition: AgentDefinition,
        variables: dict[str, Scalar] | None = None,
        *,
        mute: bool = False,
    ) -> None:
        self.scene = Scene(
            Conversation(definition, variables or {}), Journal(definition, variables or {})
        )
        self._now = START
        self._mute = mute
        """The voice answers nothing at all."""
        self._queue: list[tuple[float, int, Event]] = []
        self._order = 0
        self._listening = 0
        self._voice_free = START
        self._saying: dict[int, tuple[float, float]] = {}
        """Utterance: when it starts, when it ends."""

    def run(self, script: Iterable[tuple[float, Event]], *, until: float) -> Scene:
        for at, event in script:
            self._plan(START + at, event)
        while (step := self._next_step(START + until)) is not None:
            self._now = max(self._now, step[0])
            self._apply(self._handle(step[1]))
        return self.scene

    def _plan(self, at: float, event: Event) -> None:
        self._order += 1
        self._queue.append((at, self._order, event))

    def _next_step(self, until: float) -> tuple[float, Event | None] | None:
        """The next event, or a timer that is due before it."""
        planned = min(self._queue, default=None, key=lambda event: event[:2])
        timer = self.scene.conversation.next_timer()
        if timer is not None and timer <= until and (planned is None or timer <= planned[0]):
            return timer, None
        if planned is None or planned[0] > until:
            return None
        self._queue.remove(planned)
        return planned[0], planned[2]

    def _handle(self, event: Event | None) -> list[Effect]:
        scene = self.scene
        due = scene.conversation.next_timer()
        if event is None:
            scene.journal.record_timer(self._now, due=due)
            return self._decided(scene.conversation.handle_timer(now=self._now))
        if isinstance(event, Transcribed) and event.turn == 0:
            event = Transcribed(self._listening, event.text, event.final, event.confidence)
        if isinstance(event, UtteranceStarted | UtteranceEnded):
            known = self._saying.get(event.utterance)
            if known is None:
                return []  # it was stopped meanwhile
            if isinstance(event, UtteranceEnded):
                del self._saying[event.utterance]
        scene.journal.record(self._now, event, due=due)
        return self._decided(scene.conversation.receive(event, now=self._now))

    def _decided(self, effects: list[Effect]) -> list[Effect]:
        self.scene.journal.record_decisions(effects)
        return effects

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            self.scene.effects.append((round(self._now - START, 6), effect))
            match effect:
                case Listen(turn):
                    self._listening = turn
                case Speak(utterance, text):
                    if not self._mute:
                        self._speak(utterance, text)
                case StopSpeaking():
                    self._stop()
                case _:
                    pass

    def _speak(self, utterance: int, text: str) -> None:
        starts = max(self._now + VOICE_DELAY, self._voice_free)
        ends = starts + SECONDS_PER_WORD * len(text.split())
        self._voice_free = ends
        self._saying[utterance] = starts, ends
        self._plan(starts, UtteranceStarted(utterance, starts))
        self._plan(ends, UtteranceEnded(utterance, ends - starts, ends - starts, True))

    def _stop(self) -> None:
        saying, self._saying = self._saying, {}
        self._voice_free = self._now
        for utterance, (starts, ends) in saying.items():
            heard = max(0.0, self._now - starts)
            ended = UtteranceEnded(utterance, heard, ends - starts, False)
            self.scene.journal.record(self._now, ended)
            self._apply(self._decided(self.scene.conversation.receive(ended, now=self._now)))


def play(
    definition: AgentDefinition,
    *script: tuple[float, Event] | list[tuple[float, Event]],
    variables: dict[str, Scalar] | None = None,
    until: float = 60.0,
    mute: bool = False,
) -> Scene:
    """Answer the call and play the script; times are seconds since the answer."""
    events: list[tuple[float, Event]] = [(0.0, Answered())]
    for part in script:
        events += part if isinstance(part, list) else [part]
    return Stage(definition, variables, mute=mute).run(events, until=until)


def generated(scene: Scene) -> list[Generate]:
    return [effect for _, effect in scene.effects if isinstance(effect, Generate)]
