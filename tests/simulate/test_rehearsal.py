"""Whole calls in virtual time: real media, real turn-taking, real speech."""

import asyncio
import json
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from strowger.conversation.journal import parse_journal
from strowger.conversation.phrases import APOLOGY
from strowger.conversation.replaying import replay_and_compare
from strowger.lifecycle import EndReason
from strowger.providers.elevenlabs import ElevenLabsSettings
from strowger.providers.registry import ConfiguredProviders, OpenAISettings, ProviderSettings
from strowger.simulate.company import Booking, House, bookings_of, perform, perform_all, quieten
from strowger.simulate.over_sip import perform_over_sip
from strowger.simulate.performance import Performance, as_record
from strowger.simulate.persona import Impairments, Step
from strowger.simulate.rehearsal import Studio
from strowger.simulate.scenario import Scenario, TransferPlan
from strowger.simulate.scenario_files import parse_scenarios
from strowger.simulate.workshop import Workshop
from strowger.telephony.silero import SileroModel
from tests.providers.vendors.behaviour import Behaviour, Fault
from tests.providers.vendors.elevenlabs_agents import ElevenLabsConversations
from tests.providers.vendors.openai_conversation import OpenAIConversation
from tests.providers.vendors.sockets import KEY, Vendor, serving
from tests.real_speech import speech
from tests.simulate.telephones import persona

HOUSE = House(ProviderSettings())


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A rehearsal turns the log down, for its whole process."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    with Workshop(lambda: ConfiguredProviders(ProviderSettings())) as workshop:
        yield Studio(workshop, SileroModel())


def scenario(text: str) -> Scenario:
    (made,) = parse_scenarios(text, Path("call.yaml"))
    return made


def hold(wanted: Scenario, studio: Studio, repetition: int = 0) -> Performance:
    return perform(Booking(wanted, repetition), studio, HOUSE)


def written(performance: Performance) -> bytes:
    return json.dumps(as_record(performance)).encode() + performance.journal


def said(performance: Performance) -> list[str]:
    return [f"{turn.role}: {turn.text}" for turn in performance.transcript]


AGREES = scenario("agent: appointment\ncallee: agrees")
INTERRUPTS = scenario("agent: appointment\ncallee: interrupter")
LOSSY = replace(INTERRUPTS, network=Impairments(loss=0.1, jitter_ms=40, delay_ms=30))


def test_a_call_is_held_as_it_would_be_over_a_telephone(studio: Studio) -> None:
    came = hold(AGREES, studio)
    assert (came.status, came.end_reason) == ("completed", "agent_hangup")
    assert came.outcome == "appointment: confirmed tuesday"
    assert said(came) == [
        "agent: Hello, this is Bright Dental. You have an appointment on Tuesday at 3 pm."
        " Can you come?",
        "callee: Yes, I can.",
        "agent: Thank you. We look forward to seeing you on Tuesday. Goodbye.",
    ]
    assert 0.45 < came.latencies[0] < 0.6
    assert 10 < came.duration < 13
    assert came.figures is not None
    assert came.figures.packets_received == pytest.approx(came.duration * 50, abs=60)
    assert came.figures.packets_lost == 0
    assert came.callee[0] == (0.0, "answered")
    assert came.callee[-1][1].startswith("is hung up on")
    assert "can you come" in " ".join(came.heard).lower()


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(studio: Studio) -> None:
    once, again = hold(LOSSY, studio), hold(LOSSY, studio)
    assert written(once) == written(again)
    assert written(hold(LOSSY, studio, repetition=1)) != written(once)


def test_what_comes_of_a_call_does_not_depend_on_those_beside_it(studio: Studio) -> None:
    bookings = bookings_of([replace(LOSSY, repeat=2), AGREES])
    alone = [written(perform(each, studio, HOUSE)) for each in bookings]
    together = dict(perform_all(bookings, HOUSE, processes=2))
    assert [written(together[place]) for place in range(3)] == alone


def test_a_bad_network_is_heard(studio: Studio) -> None:
    clean = hold(INTERRUPTS, studio)
    lossy = hold(LOSSY, studio)
    assert lossy.figures is not None
    assert 0.05 < lossy.figures.packets_lost / lossy.figures.packets_received < 0.2
    assert lossy.figures.jitter > 0.002
    assert written(lossy) != written(clean)
    dead = hold(replace(AGREES, network=Impairments(loss=0.9)), studio)
    assert dead.outcome != "appointment: confirmed tuesday"


def test_an_interruption_cuts_the_agent_where_it_was_heard(studio: Studio) -> None:
    came = hold(INTERRUPTS, studio)
    assert came.interruptions == 1
    first = came.transcript[0]
    assert first.interrupted
    assert "Tuesday" not in first.text


@pytest.mark.parametrize(
    "text",
    [
        "callee: reschedules",
        "callee: mumbler",
        "callee: keypad",
        "callee: silent",
        "callee: hangs-up",
        "callee: voicemail",
        "callee: interrupter\nnetwork: {loss: 0.05, jitter_ms: 30, reorder: 0.05}",
        "callee: agrees\ntroubles: [{provider: speech, request: 2}]",
        "callee: agrees\ntroubles: [{provider: recognition, request: 1, kind: hang}]",
    ],
)
def test_the_journal_of_every_call_replays_without_a_difference(text: str, studio: Studio) -> None:
    came = hold(scenario(f"agent: appointment\n{text}"), studio)
    found = replay_and_compare(parse_journal(came.journal))
    assert found.differences == ()
    assert len(found.recorded) >= 3


@pytest.mark.parametrize(
    ("persona", "status", "reason"),
    [
        ("busy", "busy", EndReason.CALLEE_BUSY),
        ("declines", "busy", EndReason.CALLEE_DECLINED),
        ("unavailable", "failed", EndReason.CARRIER_REJECTED),
        ("no-answer", "no_answer", EndReason.RING_TIMEOUT),
    ],
)
def test_calls_that_nobody_takes_end_as_real_ones(
    persona: str, status: str, reason: EndReason, studio: Studio
) -> None:
    came = hold(scenario(f"agent: appointment\ncallee: {persona}"), studio)
    assert (came.status, came.end_reason) == (status, reason.value)
    assert came.transcript == ()
    assert came.journal == b""
    assert came.duration == 0.0


MODEL = """
agent: {name: desk, prompt: Be brief., first_message: Hello there., end_call_phrases: [goodbye]}
model:
  first_token: 0.3
  replies:
    - {when: hours, say: 'From nine to five. Anything else?'}
    - {say: All right. Goodbye.}
callee: {script: [{say: "What are your opening hours?"}, {say: "No, thank you."}]}
"""


def test_a_scripted_model_answers_what_was_said_at_its_pace(studio: Studio) -> None:
    came = hold(scenario(MODEL), studio)
    assert said(came)[1:] == [
        "callee: What are your opening hours?",
        "agent: From nine to five. Anything else?",
        "callee: No, thank you.",
        "agent: All right. Goodbye.",
    ]
    latency = came.transcript[2].latency
    assert latency is not None
    assert latency.model is not None
    # The first sentence has 18 characters: 0.3 s, and four more tokens and a bit at 50 a second.
    # The model began while the silence might have been a pause, so less of it is left to wait for.
    assert 0.2 <= latency.model < 0.3 + 4 / 50
    slow = replace(scenario(MODEL), model=replace(scenario(MODEL).model, first_token=1.3))
    later = hold(slow, studio).transcript[2].latency
    assert later is not None
    assert later.model == pytest.approx(latency.model + 1.0, abs=0.001)
    for stages in (latency, later):
        assert stages.wire is not None
        assert 0 < stages.wire <= 0.04, "a packet leaves every 20 ms, prepared one tick before"
        spent = (stages.endpointing, stages.transcription, stages.model, stages.speech)
        assert sum(filter(None, spent)) + stages.wire == pytest.approx(stages.total, abs=1e-6)


def test_a_callee_that_is_an_agent_holds_its_own_side(studio: Studio) -> None:
    text = """
        agent: appointment
        callee:
          prompt: You are busy on Tuesday.
          model:
            replies:
              - {when: can you come, say: "No."}
              - {when: which weekday, say: Friday please.}
              - {when: is that right, say: "Yes."}
              - {when: we will see you, say: Goodbye.}
    """
    came = hold(scenario(text), studio)
    assert came.outcome == "appointment: moved to friday"
    assert came.heard[0].startswith("Hello, this is Bright Dental.")
    assert any(line == "says: Friday please." for _, line in came.callee)


def test_a_model_that_fails_or_hangs_is_no_silence(studio: Studio) -> None:
    for trouble in ("fail", "hang"):
        text = MODEL.replace("say: 'From nine to five. Anything else?'", f"trouble: {trouble}")
        came = hold(scenario(text.replace(', {say: "No, thank you."}', "")), studio)
        assert (came.status, came.end_reason) == ("failed", "provider_failed")
        assert "sorry" in " ".join(said(came)).lower()
        assert came.longest_silence[1] < 8


def test_wrong_words_are_wrong_the_same_way_each_time(studio: Studio) -> None:
    deaf = scenario("agent: appointment\ncallee: reschedules\nrecognition: {word_errors: 0.8}")
    once, again = hold(deaf, studio), hold(deaf, studio)
    assert written(once) == written(again)
    assert said(once) != said(hold(scenario("agent: appointment\ncallee: reschedules"), studio))


def test_customers_speak_press_keys_and_end_calls_in_the_middle(studio: Studio) -> None:
    text = """
        agent: appointment
        callee: {script: [], rules: [{digits: "42", say: Thank you.}]}
        orders:
          - {after: 15, end: true}
          - {after: 7, say: Please hold the line.}
          - {after: 10, press: "42"}
    """
    came = hold(scenario(text), studio)
    assert came.end_reason == "api_request"
    assert came.duration == pytest.approx(15.0, abs=0.1)
    assert "Please hold the line." in " ".join(said(came))
    assert any(line == "hears the key 4" for _, line in came.callee)


def test_the_agent_knows_the_date_of_the_scenario_and_not_todays(studio: Studio) -> None:
    end = {"type": "end", "text": "{{now}}", "outcome": "{{now}}"}
    agent = {"name": "clock", "flow": {"start": "end", "nodes": {"end": end}}}
    wanted: dict[str, Any] = {"agent": agent, "callee": "silent", "now": "2031-05-06T07:08:00Z"}
    came = hold(scenario(json.dumps(wanted)), studio)
    assert (came.outcome or "").startswith("2031-05-06T07:08:0")


def test_a_recording_is_kept_where_it_is_wanted(studio: Studio, tmp_path: Path) -> None:
    house = replace(HOUSE, recordings=tmp_path / "heard")
    came = perform(Booking(AGREES, 0), studio, house)
    (made,) = (tmp_path / "heard").iterdir()
    assert made.name == "call.wav"
    with wave.open(str(made)) as file:
        assert file.getnchannels() == 2
        assert file.getnframes() / 8000 == pytest.approx(came.duration, abs=2)


def test_the_local_recogniser_serves_calls_in_virtual_time(studio: Studio) -> None:
    wanted = scenario("agent: appointment\ncallee: agrees\nrecognition: {provider: local}")
    once = hold(wanted, studio)
    assert once.outcome == "appointment: confirmed tuesday"
    assert written(once) == written(hold(wanted, studio))


def test_the_same_scenario_over_real_sip() -> None:
    wanted = scenario("agent: appointment\ncallee: hangs-up\nnetwork: {loss: 0.02}")
    over: dict[int, Performance] = {}
    quieten()

    async def main() -> None:
        await perform_over_sip(
            bookings_of([replace(wanted, repeat=2)]), HOUSE, at_once=2, on_over=over.__setitem__
        )

    asyncio.run(main())
    assert sorted(over) == [0, 1]
    for came in over.values():
        assert (came.status, came.end_reason) == ("completed", "callee_hangup")
        assert said(came)[0].startswith("agent: Hello")
        assert came.callee[-1][1] == "hangs up (script)"
        assert replay_and_compare(parse_journal(came.journal)).differences == ()


SERVICE = """
agent:
  name: desk
  prompt: Be brief.
  first_message: Hello, are you well?
  speech_to_speech: {provider: openai}
  tools: [{type: end_call, outcomes: [well]}]
callee: {answer: {after: 0.5}, script: [{hears: [are you well], delay: 0.3, say: "Yes."}]}
"""
KEPT = "{provider: elevenlabs, agent_id: agent_7, fallbacks: [{provider: openai}]}"


def held_by(wanted: str, *fakes: Vendor) -> Performance:
    """The scenario, in real time, with these in place of OpenAI and ElevenLabs."""
    over: dict[int, Performance] = {}
    quieten()

    async def main() -> None:
        async with serving(*fakes) as url:
            openai = OpenAISettings(base_url=f"{url}/v1", api_key=KEY)
            elevenlabs = ElevenLabsSettings(base_url=url, api_key=KEY)
            house = House(ProviderSettings(openai=openai, elevenlabs=elevenlabs))
            calls = bookings_of([scenario(wanted)])
            await perform_over_sip(calls, house, at_once=1, on_over=over.__setitem__)

    asyncio.run(main())
    (came,) = over.values()
    assert (came.end_reason, came.outcome) == ("agent_hangup", "well")
    assert replay_and_compare(parse_journal(came.journal)).differences == ()
    return came


def ends_politely() -> OpenAIConversation:
    replies = ['Good. Goodbye.\ncall end_call {"outcome": "well"}', ""]
    return OpenAIConversation(Behaviour(turns=["Yes."], replies=replies, speak=speech))


def test_an_agent_that_a_service_speaks_for_is_rehearsed_over_real_sip() -> None:
    fake = ends_politely()
    came = held_by(SERVICE, fake)
    assert said(came)[:3] == [
        "agent: Hello, are you well?", "callee: Yes.", "agent: Good. Goodbye.",
    ]  # fmt: skip
    assert any("hears" in line and "well" in line for _, line in came.callee), came.callee
    assert not fake.refused


def test_a_service_that_breaks_off_in_mid_call_is_replaced_by_one_that_is_told_of_it() -> None:
    fake = ends_politely()
    breaks_off = Behaviour(turns=["Yes."], faults=[Fault.CUT], speak=speech)
    first = ElevenLabsConversations(breaks_off, audio="pcm_16000")
    came = held_by(SERVICE.replace("{provider: openai}", KEPT), first, fake)
    assert said(came)[:4] == [
        "agent: Hello, are you well?", "callee: Yes.", f"agent: {APOLOGY}", "agent: Good. Goodbye.",
    ]  # fmt: skip
    assert fake.messages[:2] == [("assistant", "Hello, are you well?"), ("user", "Yes.")]
    assert (len(first.visits), len(fake.visits)) == (1, 1)


TOOLS = """
agent:
  name: desk
  prompt: Be brief.
  first_message: Hello there.
  tools:
    - {type: http, name: look, description: Looks., url: "https://x.example/", deadline: 3}
    - {type: mcp, name: crm, url: "https://crm.example/"}
    - {type: transfer, targets: [{name: boss, to: "+14155550123"}]}
    - {type: handoff, agents: [{name: other, agent_id: agent_other}]}
tools: {look: {answer: {found: 3}}, crm_note: [{trouble: fail, answer: locked}, {answer: written}]}
agents:
  agent_other:
    name: other
    flow: {start: a, nodes: {a: {type: end, text: I am the other., outcome: handed over}}}
model:
  replies:
    - {when: look, tools: [{name: look}]}
    - {when: found, say: Found three.}
    - {when: hang, say: I could not find it.}
    - {when: note, tools: [{name: crm_note}]}
    - {when: "locked|written", say: Done with it.}
    - {when: boss, tools: [{name: transfer_call, arguments: {target: boss}}]}
    - {when: other, tools: [{name: hand_off, arguments: {agent: other}}]}
    - {say: Sorry.}
callee: {script: [{say: "%s", repeat: 3}]}
"""


def test_tools_come_to_what_the_scenario_says(studio: Studio) -> None:
    came = hold(scenario(TOOLS % "Please look it up."), studio)
    assert came.tools == ["look", "look", "look"]
    assert "agent: Found three." in said(came)
    came = hold(scenario(TOOLS % "Make a note."), studio)
    used = [turn.tool.ok for turn in came.transcript if turn.tool is not None]
    assert used == [False, True, True]


def test_a_callee_who_is_put_through_leaves_the_call(studio: Studio) -> None:
    wanted = scenario(TOOLS % "Give me your boss.")
    came = hold(wanted, studio)
    assert (came.status, came.end_reason) == ("completed", "transferred")
    assert came.tools == ["transfer_call"]
    assert came.callee[-2][1] == "is put through to +14155550123"
    refused = hold(replace(wanted, transfer=replace(wanted.transfer, status=486)), studio)
    assert refused.end_reason != "transferred"
    assert any("486" in line for line in said(refused))


def test_an_attended_transfer_calls_first_and_comes_to_what_the_scenario_says(
    studio: Studio,
) -> None:
    text = TOOLS.replace('to: "+14155550123"', 'to: "+14155550123", attended: true')
    wanted = scenario(text % "Give me your boss.")
    came = hold(wanted, studio)
    assert came.end_reason == "transferred"
    assert [line for _, line in came.callee if "+1415" in line] == [
        "waits while the agent talks to +14155550123", "is put through to +14155550123",
    ]  # fmt: skip
    assert replay_and_compare(parse_journal(came.journal)).differences == ()
    refused = hold(replace(wanted, transfer=replace(wanted.transfer, status=486)), studio)
    assert refused.end_reason != "transferred"


def test_callees_over_real_sip_are_put_through_as_the_scenario_says() -> None:
    callee = persona(Step(say="Give me your boss."), Step(hang_up=True, delay=0.1))
    wanted = scenario(TOOLS % "Give me your boss.")
    wanted = replace(wanted, callee=callee, transfer=TransferPlan(after=0.3))
    busy = replace(wanted, name="busy", transfer=TransferPlan(status=486, after=0.3))
    over: dict[int, Performance] = {}
    quieten()

    async def main() -> None:
        await perform_over_sip(
            bookings_of([wanted, busy]), HOUSE, at_once=2, on_over=over.__setitem__
        )

    asyncio.run(main())
    through, refused = over[0], over[1]
    assert (through.status, through.end_reason) == ("completed", "transferred")
    assert any("is put through to sip:+14155550123@" in line for _, line in through.callee)
    assert refused.end_reason != "transferred"
    assert any("not put through: 486 Busy Here" in line for line in said(refused))
    for came in over.values():
        assert replay_and_compare(parse_journal(came.journal)).differences == ()


def test_another_agent_takes_over(studio: Studio) -> None:
    came = hold(scenario(TOOLS % "Give me the other one."), studio)
    assert came.outcome == "handed over"
    assert said(came)[-1] == "agent: I am the other."
    assert replay_and_compare(parse_journal(came.journal)).differences == ()
