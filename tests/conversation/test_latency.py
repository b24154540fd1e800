"""Where the time of a reply goes: the stages, together, are what the callee waits."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strowger.agent import AgentDefinition, TurnTaking
from strowger.calls.render import STAGES, render_turn
from strowger.conversation.events import (
    Answered,
    Effect,
    Event,
    Generate,
    ReplyFinished,
    ReplySentence,
    UtteranceEnded,
    UtteranceStarted,
)
from strowger.model import Turn, TurnLatency
from tests.conversation.stage import Stage, modelled, says, scripted, sounds, words
from tests.conversation.stage import play as play_script


@dataclass(frozen=True)
class Pace:
    """Seconds that each part of the house takes."""

    recogniser: float
    model: float
    voice: float
    """To its first sound."""
    wire: float


class Paced(Stage):
    """A call on which a model and a voice take their time."""

    def __init__(self, definition: AgentDefinition, pace: Pace) -> None:
        super().__init__(definition)
        self._pace = pace

    def _apply(self, effects: list[Effect]) -> None:
        super()._apply(effects)
        for effect in effects:
            if isinstance(effect, Generate):
                at = self._now + self._pace.model
                self._plan(at, ReplySentence(effect.reply, "From nine to five."))
                self._plan(at, ReplyFinished(effect.reply))

    def _speak(self, utterance: int, text: str) -> None:
        sound = max(self._now + self._pace.voice, self._voice_free)
        starts, ends = sound + self._pace.wire, sound + self._pace.wire + 0.5
        self._voice_free = ends
        self._saying[utterance] = starts, ends
        self._plan(starts, UtteranceStarted(utterance, starts, self._pace.wire))
        self._plan(ends, UtteranceEnded(utterance, 0.5, 0.5, True))


def question(at: float, pace: Pace) -> list[tuple[float, Event]]:
    heard = words("when are you open")
    return [*sounds(at, seconds=1.0), (at + 1.0 + pace.recogniser, heard)]


def replies(definition: AgentDefinition, pace: Pace) -> list[tuple[Turn, TurnLatency]]:
    script: list[tuple[float, Event]] = [(0.0, Answered())]
    script += [*question(3.0, pace), *question(20.0, pace)]
    turns = Paced(definition, pace).run(script, until=40.0).conversation.transcript
    return [(turn, turn.latency) for turn in turns if turn.latency is not None]


SECONDS = st.floats(0.001, 1.9, allow_nan=False)
PACES = st.builds(Pace, recogniser=SECONDS, model=SECONDS, voice=SECONDS, wire=st.floats(0.0, 0.1))
FILLERS = TurnTaking(fillers=("One moment.",), filler_delay=0.8)
AGENTS = st.sampled_from([modelled(), modelled(turn_taking=FILLERS), scripted()])


@settings(max_examples=150, deadline=None)
@given(AGENTS, PACES)
def test_the_stages_add_up_to_what_is_measured_at_the_wire(
    definition: AgentDefinition, pace: Pace
) -> None:
    found = replies(definition, pace)
    assert found, "something was measured"
    for turn, latency in found:
        stages = {stage: getattr(latency, stage) for stage in STAGES}
        spent = [seconds for seconds in stages.values() if seconds is not None]
        assert latency.total is not None
        assert sum(spent) == pytest.approx(latency.total, abs=1e-9)
        assert min(spent) >= -1e-9
        assert latency.wire == pytest.approx(pace.wire, abs=1e-9)
        shown = render_turn(turn)["latency"]
        assert isinstance(shown, dict)
        rounded = [shown[stage] for stage in STAGES if shown[stage] is not None]
        assert sum(rounded) == pytest.approx(shown["total"], abs=0.0003)


def test_each_stage_is_the_time_of_who_was_waited_for() -> None:
    pace = Pace(recogniser=1.0, model=0.25, voice=0.125, wire=0.03125)
    (_, first), *_ = replies(modelled(), pace)
    assert first == TurnLatency(
        endpointing=0.5, transcription=0.5, model=0.25, speech=0.125, wire=0.03125, total=1.40625
    )


def test_what_is_said_until_the_model_is_ready_ends_the_waiting() -> None:
    pace = Pace(recogniser=0.25, model=1.5, voice=0.125, wire=0.0)
    (turn, first), *_ = replies(modelled(turn_taking=replace(FILLERS, filler_delay=0.5)), pace)
    assert turn.text.startswith("One moment.")
    assert (first.model, first.speech, first.total) == (0.5, 0.125, 1.125)


def test_a_flow_has_no_model_to_wait_for() -> None:
    scene = play_script(scripted(), says(4.0, "yes"))
    latency = scene.conversation.transcript[2].latency
    assert latency is not None
    assert (latency.model, latency.wire) == (None, 0.0)
