"""Conversations with agents kept at ElevenLabs, against a fake of their protocol on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from strowger.agent import SpeechToSpeechSettings
from strowger.conversation.dialogue import Message, Role
from strowger.conversation.events import ProviderKind, ToolRequested
from strowger.conversation.speech_to_speech.events import (
    AnswerTool,
    Brief,
    CalleeBegan,
    CalleeDone,
    CalleeWords,
    Inform,
    ItemOver,
    PassOn,
    Say,
)
from strowger.errors import ProviderError
from strowger.ports import Dialogue, DialogueEvent, Sound
from strowger.providers.candidates import Health
from strowger.providers.elevenlabs_agents import (
    AgentsConversation,
    ElevenLabsAgents,
    ElevenLabsAgentsSettings,
)
from strowger.providers.streamed_dialogue import DialoguePolicy, StreamedDialogues
from strowger.providers.websocket import Connector, Garbage, SocketPolicy, VendorFailed, to_json
from tests.providers.test_openai_conversation import sound_of, until, words_of
from tests.providers.vendors.behaviour import Behaviour, Fault, speech_like
from tests.providers.vendors.elevenlabs_agents import ElevenLabsConversations
from tests.providers.vendors.sockets import KEY, serving

pytestmark = pytest.mark.anyio

SERVICE = SpeechToSpeechSettings(provider="elevenlabs", agent_id="agent_7")
BRIEF = Brief(
    settings=SERVICE,
    instructions="",
    first_message="",
    waits_for_callee=False,
    language="en-US",
    variables={"name": "Ann"},
)
QUICK = Behaviour(final_after=0.0, first_token=0.0)
SPEECH = speech_like("yes please") + bytes(16000)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def conversing(
    fake: ElevenLabsConversations, brief: Brief = BRIEF, *, key: str | None = KEY
) -> AsyncIterator[Dialogue]:
    async with serving(fake) as url:
        settings = ElevenLabsAgentsSettings(base_url=url, api_key=key)
        connector = Connector(SocketPolicy(pause=0.0))
        health = Health(ProviderKind.SPEECH_TO_SPEECH)
        policy = DialoguePolicy(ready_within=0.5)
        services = StreamedDialogues(ElevenLabsAgents(settings), connector, health, policy)
        async with asyncio.timeout(10), services.converse(brief) as dialogue:
            yield dialogue


async def heard_for(dialogue: Dialogue, seconds: float) -> list[DialogueEvent]:
    """What comes until so much sound has."""
    found: list[DialogueEvent] = []
    async for event in dialogue.events():
        found.append(event)
        if sound_of(found) >= seconds - 0.02:
            break
    return found


def lasts(text: str) -> float:
    return len(speech_like(text)) / 16000


async def test_it_is_told_the_variables_and_greets_by_itself() -> None:
    fake = ElevenLabsConversations(replace(QUICK))
    async with conversing(fake) as dialogue:
        said = await heard_for(dialogue, lasts("Hi, this is Eleven."))
        assert (dialogue.greets, dialogue.resumes) == (True, False)
    (initiated,) = fake.initiated
    assert initiated["dynamic_variables"] == {"name": "Ann"}
    assert initiated["conversation_config_override"] == {}
    assert words_of(said) == ["Hi, this is Eleven."]
    assert fake.visits[0].query["conversation_signature"] == "cvtkn_planted"
    assert "xi-api-key" not in fake.visits[0].headers
    assert fake.pongs == [77]


async def test_it_is_not_connected_to_go_on_with_what_another_has_begun() -> None:
    fake = ElevenLabsConversations(replace(QUICK))
    with pytest.raises(ProviderError, match="elevenlabs cannot be told") as refused:
        async with conversing(fake, replace(BRIEF, goes_on=True)):
            pass
    assert (refused.value.retryable, fake.visits) == (False, [])


async def test_what_the_agent_has_of_its_own_is_overridden() -> None:
    fake = ElevenLabsConversations(replace(QUICK))
    settings = replace(SERVICE, voice="v1")
    brief = replace(BRIEF, settings=settings, instructions="Be brief.", first_message="Hello Ann.")
    async with conversing(fake, brief) as dialogue:
        assert words_of(await heard_for(dialogue, lasts("Hello Ann."))) == ["Hello Ann."]
    assert fake.initiated[0]["conversation_config_override"] == {
        "agent": {"prompt": {"prompt": "Be brief."}, "first_message": "Hello Ann."},
        "tts": {"voice_id": "v1"},
    }


async def test_an_agent_that_waits_for_the_callee_has_no_first_message() -> None:
    fake = ElevenLabsConversations(replace(QUICK, replies=["Hello there."]))
    async with conversing(fake, replace(BRIEF, waits_for_callee=True)) as dialogue:
        await dialogue.send(SPEECH)
        heard = await heard_for(dialogue, lasts("Hello there."))
    assert words_of(heard) == ["Hello there."]
    override = {"agent": {"first_message": ""}}
    assert fake.initiated[0]["conversation_config_override"] == override


async def test_a_public_agent_needs_no_key() -> None:
    fake = ElevenLabsConversations(replace(QUICK))
    public = replace(BRIEF, settings=replace(SERVICE, agent_id="agent_public"))
    async with conversing(fake, public, key=None) as dialogue:
        await until(dialogue, Sound)
    assert fake.visits[0].query == {"agent_id": "agent_public"}


@pytest.mark.parametrize("audio", ["ulaw_8000", "pcm_16000", "pcm_8000", "pcm_44100"])
async def test_it_hears_and_is_heard_in_any_format(audio: str) -> None:
    fake = ElevenLabsConversations(replace(QUICK, replies=["Very well."]), audio=audio)
    async with conversing(fake) as dialogue:
        greeting = await heard_for(dialogue, lasts("Hi, this is Eleven."))
        await asyncio.sleep(0)
        fake_time = lasts("Hi, this is Eleven.")
        assert sound_of(greeting) == pytest.approx(fake_time, abs=0.05)
        await dialogue.send(bytes(16000) + SPEECH)
        heard = await until(dialogue, CalleeWords)
        heard += await heard_for(dialogue, lasts("Very well."))
    assert [event.text for event in heard if isinstance(event, CalleeWords)] == ["yes please"]
    assert words_of(heard) == ["Very well."]


async def test_words_are_told_with_their_times() -> None:
    fake = ElevenLabsConversations(replace(QUICK), greeting="one two three")
    async with conversing(fake) as dialogue:
        said = await heard_for(dialogue, lasts("one two three"))
    ends, before = [], 0.0
    for event in said:
        if isinstance(event, Sound):
            ends += [(word.text, before + word.end) for word in event.words]
            before += len(event.pcm) / 16000
    assert [word for word, _ in ends] == ["one", "two"]  # a space has to follow
    assert 0.1 < ends[0][1] < ends[1][1] < lasts("one two three")


async def test_an_interruption_cuts_what_it_was_saying() -> None:
    fake = ElevenLabsConversations(replace(QUICK, real_time=1.0), greeting="a rather long greeting")
    async with conversing(fake) as dialogue:
        first = await until(dialogue, Sound)
        await dialogue.send(SPEECH)
        began = await until(dialogue, CalleeBegan)
        (over,) = await until(dialogue, ItemOver)
        done = await until(dialogue, CalleeWords)
        answer = await until(dialogue, Sound)
    items = {event.item for event in [*first, *began] if isinstance(event, Sound)}
    assert isinstance(over, ItemOver)
    assert items == {over.item}
    begun, ended = began[-1], next(each for each in done if isinstance(each, CalleeDone))
    assert isinstance(begun, CalleeBegan)
    assert begun.item == ended.item
    assert isinstance(answer[-1], Sound)
    assert answer[-1].item not in items


async def test_a_tool_is_asked_for_and_answered() -> None:
    replies = ['call book {"day": 2}', "Booked."]
    fake = ElevenLabsConversations(replace(QUICK, replies=replies), greeting="Hi")
    async with conversing(fake) as dialogue:
        await dialogue.tell(PassOn("book it"))
        request = (await until(dialogue, ToolRequested))[-1]
        assert isinstance(request, ToolRequested)
        assert (request.name, request.arguments) == ("book", '{"day": 2}')
        await dialogue.tell(AnswerTool(request.id, False, "no tables"))
        assert "Booked." in words_of(await heard_for(dialogue, lasts("Booked.")))
    (result,) = fake.results
    assert (result["result"], result["is_error"]) == ("no tables", True)


async def test_it_is_asked_to_say_something_and_told_something_in_the_background() -> None:
    fake = ElevenLabsConversations(replace(QUICK), greeting="Hi")
    async with conversing(fake) as dialogue:
        await dialogue.tell(Inform("He is late."))
        await dialogue.tell(Say("We close at nine."))
        said = await heard_for(dialogue, lasts("Hi") + lasts("We close at nine."))
    assert "We close at nine." in words_of(said)
    assert fake.messages[0] == ("contextual_update", "He is late.")


async def test_an_agent_that_takes_over_is_told_the_call_until_now() -> None:
    fake = ElevenLabsConversations(replace(QUICK), greeting="Hi")
    dialogue = (Message(Role.USER, "My bill"), Message(Role.ASSISTANT, "One moment."))
    async with conversing(fake, replace(BRIEF, dialogue=dialogue)) as service:
        await service.tell(PassOn("?"))
        await heard_for(service, lasts("Hi") + 0.1)
    kind, text = fake.messages[0]
    assert kind == "contextual_update"
    assert "user: My bill\nassistant: One moment." in text


async def test_an_agent_that_ends_the_conversation_leaves_in_order() -> None:
    fake = ElevenLabsConversations(replace(QUICK, replies=["Bye.\nleave"]), greeting="Hi")
    async with conversing(fake) as dialogue:
        await dialogue.tell(PassOn("bye"))
        said = [event async for event in dialogue.events()]
        await dialogue.send(SPEECH)  # the callee's sound goes on: that is no failure
        await dialogue.tell(PassOn("bye"))
    assert "Bye." in words_of(said)


@pytest.mark.parametrize(
    ("fault", "problem"),
    [(Fault.CLOSE, "closed"), (Fault.CUT, "broke off"), (Fault.GARBAGE, "not JSON")],
)
async def test_a_service_that_fails_says_so(fault: Fault, problem: str) -> None:
    fake = ElevenLabsConversations(replace(QUICK, faults=[fault]), greeting="Hi")
    with pytest.raises(ProviderError, match=f"elevenlabs.*{problem}"):
        async with conversing(fake) as dialogue:
            await dialogue.tell(PassOn("so"))
            async for _ in dialogue.events():
                pass


async def test_one_that_is_never_ready_is_not_waited_for() -> None:
    fake = ElevenLabsConversations(replace(QUICK, faults=[Fault.WRONG_RATE]))
    with pytest.raises(ProviderError, match="is not ready within"):
        async with conversing(fake):
            pass


async def test_a_wrong_key_is_not_tried_again_and_never_told() -> None:
    with pytest.raises(ProviderError, match="401") as failure:
        async with conversing(ElevenLabsConversations(), key="xi-wrong-planted"):
            pass
    assert not failure.value.retryable
    assert "xi-wrong-planted" not in str(failure.value)


async def test_an_override_that_the_agent_does_not_allow_is_told() -> None:
    fake = ElevenLabsConversations(overridable=False)
    with pytest.raises(ProviderError, match="not allowed by config") as failure:
        async with conversing(fake, replace(BRIEF, first_message="Hello.")):
            pass
    assert not failure.value.retryable


# ── without a connection ─────────────────────────────────────────────────────────────────────


def session(audio: str = "ulaw_8000") -> AgentsConversation:
    begun = AgentsConversation(BRIEF)
    told = {"agent_output_audio_format": audio, "user_input_audio_format": audio}
    kind = "conversation_initiation_metadata"
    begun.receive(to_json(type=kind, conversation_initiation_metadata_event=told))
    return begun


def test_a_sound_that_was_on_its_way_when_it_was_interrupted_is_dropped() -> None:
    one = session()
    sound = {"audio_base_64": "fn5+fg==", "event_id": 4}
    assert one.receive(to_json(type="audio", audio_event=sound)).events
    one.receive(to_json(type="interruption", interruption_event={"event_id": 5}))
    late = {**sound, "event_id": 5}
    assert not one.receive(to_json(type="audio", audio_event=late)).events


def test_what_is_said_to_a_second_response_is_another_item() -> None:
    one = session()
    told = [
        one.receive(to_json(type="agent_response", agent_response_event={"agent_response": text}))
        for text in ("One.", "Two.")
    ]
    first, second = told[0].events, told[1].events
    assert len(first) == 1
    assert isinstance(second[0], ItemOver)


def test_a_format_that_cannot_be_heard_is_told() -> None:
    with pytest.raises(VendorFailed, match="opus_48000") as failure:
        session("opus_48000")
    assert not failure.value.retryable


@pytest.mark.parametrize(
    "frame",
    [
        "<html>",
        "[]",
        b"\x00",
        "{}",
        '{"type":"audio"}',
        '{"type":"audio","audio_event":{"audio_base_64":7}}',
        '{"type":"agent_response","agent_response_event":{}}',
        '{"type":"user_transcript","user_transcription_event":7}',
        '{"type":"client_tool_call","client_tool_call":{"tool_name":"book"}}',
        '{"type":"ping"}',
    ],
)
def test_what_no_service_of_this_kind_sends_is_garbage(frame: str | bytes) -> None:
    with pytest.raises(Garbage):
        session().receive(frame)


@pytest.mark.parametrize("kind", ["vad_score", "mcp_tool_call", "something_new"])
def test_messages_that_do_not_concern_us_are_passed_over(kind: str) -> None:
    received = session().receive(to_json(type=kind, whatever={"a": 1}))
    assert (received.events, received.replies) == ((), ())
