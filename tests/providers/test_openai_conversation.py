"""Whole conversations with OpenAI's Realtime API, against a fake of its protocol on loopback."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from strowger.agent import SpeechToSpeechSettings
from strowger.conversation.dialogue import Message, OfferedTool, Role, ToolCall
from strowger.conversation.events import ProviderKind, ToolRequested
from strowger.conversation.speech_to_speech.events import (
    AgentWords,
    AnswerTool,
    Brief,
    CalleeBegan,
    CalleeDone,
    CalleeWords,
    Hush,
    Inform,
    ItemOver,
    OfferTools,
    PassOn,
    ReportHeard,
    Respond,
    ResponseOver,
    Say,
)
from strowger.errors import ProviderError
from strowger.ports import Dialogue, DialogueEvent, Sound
from strowger.providers.candidates import Health
from strowger.providers.openai_realtime import (
    OpenAIConversations,
    RealtimeConversation,
)
from strowger.providers.openai_realtime_items import RealtimeConversationSettings
from strowger.providers.streamed_dialogue import DialoguePolicy, StreamedDialogues
from strowger.providers.websocket import Connector, Garbage, SocketPolicy, VendorFailed, to_json
from tests.providers.vendors.behaviour import Behaviour, Fault, speech_like
from tests.providers.vendors.openai_conversation import OpenAIConversation, Session
from tests.providers.vendors.sockets import KEY, serving

pytestmark = pytest.mark.anyio

BOOK = OfferedTool(name="book", description="Book it.", parameters={"type": "object"})
BRIEF = Brief(
    settings=SpeechToSpeechSettings(provider="openai"),
    instructions="Be brief.",
    first_message="Hello.",
    waits_for_callee=False,
    language="en-US",
    tools=(BOOK,),
)
QUICK = Behaviour(final_after=0.0, first_token=0.0, turns=["yes please"])
SPEECH = speech_like("yes please") + bytes(16000)
SOCKETS = SocketPolicy(pause=0.0)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def conversing(
    fake: OpenAIConversation, brief: Brief = BRIEF, *, key: str | None = KEY
) -> AsyncIterator[Dialogue]:
    async with serving(fake) as url:
        settings = RealtimeConversationSettings(base_url=f"{url}/v1", api_key=key)
        health = Health(ProviderKind.SPEECH_TO_SPEECH)
        policy = DialoguePolicy(ready_within=0.5)
        services = StreamedDialogues(
            OpenAIConversations(settings), Connector(SOCKETS), health, policy
        )
        async with asyncio.timeout(10), services.converse(brief) as dialogue:
            yield dialogue


async def until(dialogue: Dialogue, last: type[DialogueEvent]) -> list[DialogueEvent]:
    """What comes up to the first event of that kind."""
    found: list[DialogueEvent] = []
    async for event in dialogue.events():
        found.append(event)
        if isinstance(event, last):
            break
    return found


def sound_of(events: Sequence[DialogueEvent]) -> float:
    """Seconds."""
    return sum(len(event.pcm) for event in events if isinstance(event, Sound)) / 16000


def words_of(events: Sequence[DialogueEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, AgentWords) and event.whole]


async def test_it_is_told_who_the_agent_is_and_says_what_it_is_asked_to() -> None:
    fake = OpenAIConversation(replace(QUICK))
    async with conversing(fake) as dialogue:
        await dialogue.tell(Say('Hello, "Anna".'))
        said = await until(dialogue, ResponseOver)
    (settings,) = fake.sessions
    assert settings["instructions"] == "Be brief."
    assert settings["tools"] == [
        {
            "type": "function",
            "name": "book",
            "description": "Book it.",
            "parameters": {"type": "object"},
        }
    ]
    assert words_of(said) == ['Hello, "Anna".']
    assert sound_of(said) == pytest.approx(len(speech_like('Hello, "Anna".')) / 16000)
    assert isinstance(said[-2], ItemOver)
    assert fake.visits[0].query == {"model": "gpt-realtime-2.1"}
    hearing = settings["audio"]["input"]["transcription"]  # type: ignore[index]
    assert hearing == {"model": "gpt-transcribe", "languages": ["en"]}


async def test_one_that_is_closed_while_nobody_listens_is_known_to_be_gone() -> None:
    class Impatient(OpenAIConversation):
        async def _update(self, session: Session, wanted: dict[str, object]) -> None:
            await super()._update(session, wanted)
            await session.client.close(1001, "idle")

    async with conversing(Impatient(replace(QUICK))) as dialogue:
        while dialogue.is_open:
            await asyncio.sleep(0.01)


async def test_it_hears_the_callee_and_answers() -> None:
    fake = OpenAIConversation(replace(QUICK, replies=["Very well."]))
    async with conversing(fake) as dialogue:
        await dialogue.send(SPEECH)
        heard = await until(dialogue, ResponseOver)
    kinds = [type(event) for event in heard]
    began, done = kinds.index(CalleeBegan), kinds.index(CalleeDone)
    assert began < done < kinds.index(Sound)
    assert "yes please" in [event.text for event in heard if isinstance(event, CalleeWords)]
    assert words_of(heard) == ["Very well."]


async def test_a_callee_who_interrupts_is_told_and_the_service_told_what_was_heard() -> None:
    fake = OpenAIConversation(replace(QUICK, real_time=1.0))
    async with conversing(fake) as dialogue:
        await dialogue.tell(Say("This is a rather long sentence to be said."))
        (*_, sound) = await until(dialogue, Sound)
        assert isinstance(sound, Sound)
        await dialogue.send(SPEECH)
        await until(dialogue, CalleeBegan)
        await dialogue.tell(ReportHeard(sound.item, 0.1))
        await until(dialogue, CalleeDone)
    assert fake.truncated == [(sound.item, 0.1)]
    assert not fake.refused


async def test_a_tool_is_asked_for_answered_and_spoken_of() -> None:
    fake = OpenAIConversation(replace(QUICK, replies=['call book {"day": 2}', "Booked."]))
    async with conversing(fake) as dialogue:
        await dialogue.tell(Respond())
        asked = await until(dialogue, ResponseOver)
        (request,) = (event for event in asked if isinstance(event, ToolRequested))
        assert (request.name, request.arguments) == ("book", '{"day": 2}')
        await dialogue.tell(AnswerTool(request.id, True, "done"))
        await dialogue.tell(Respond())
        assert words_of(await until(dialogue, ResponseOver)) == ["Booked."]
    assert fake.outputs == [(request.id, "done")]


async def test_what_is_to_be_said_while_it_speaks_follows() -> None:
    fake = OpenAIConversation(replace(QUICK, replies=["One."]))
    async with conversing(fake) as dialogue:
        for what in (Respond(), Say("Two."), Respond(), Respond()):
            await dialogue.tell(what)
        said = [words_of(await until(dialogue, ResponseOver)) for _ in range(3)]
    assert said == [["One."], ["Two."], ["One."]]
    assert not fake.refused


async def test_what_it_was_saying_is_hushed_and_what_follows_is_said() -> None:
    fake = OpenAIConversation(replace(QUICK, real_time=1.0))
    async with conversing(fake) as dialogue:
        await dialogue.tell(Say("This is a rather long sentence to be said."))
        await until(dialogue, Sound)
        await dialogue.tell(Hush())
        await dialogue.tell(Say("No."))
        said = await until(dialogue, ItemOver)
    assert words_of(said) == ["No."]


async def test_one_that_goes_on_with_a_conversation_is_told_what_was_said() -> None:
    dialogue = (
        Message(Role.ASSISTANT, "Hello."),
        Message(Role.USER, "A table, please."),
        Message(Role.ASSISTANT, "", (ToolCall("t1", "book", "{}"),)),
        Message(Role.TOOL, "booked", tool_call_id="t1"),
    )
    fake = OpenAIConversation(replace(QUICK))
    async with conversing(fake, replace(BRIEF, dialogue=dialogue)) as service:
        await service.tell(Inform("The kitchen closes."))
        await service.tell(PassOn("(pressed 1)"))
        await until(service, ResponseOver)
    assert fake.messages == [
        ("assistant", "Hello."),
        ("user", "A table, please."),
        ("system", "The kitchen closes."),
        ("user", "(pressed 1)"),
    ]
    assert fake.outputs == [("t1", "booked")]
    assert not fake.refused


async def test_tools_found_later_are_offered_then() -> None:
    fake = OpenAIConversation(replace(QUICK))
    async with conversing(fake) as dialogue:
        await dialogue.tell(OfferTools((BOOK, replace(BOOK, name="shop_buy"))))
        await dialogue.tell(Say("So."))
        await until(dialogue, ResponseOver)
    tools = fake.sessions[-1]["tools"]
    assert isinstance(tools, list)
    assert [tool["name"] for tool in tools] == ["book", "shop_buy"]


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (Fault.CLOSE, "closed the connection"),
        (Fault.CUT, "broke off"),
        (Fault.GARBAGE, "not JSON"),
        (Fault.ERROR, "server_error"),
    ],
)
async def test_a_service_that_fails_says_so_and_may_be_tried_again(
    fault: Fault, problem: str
) -> None:
    fake = OpenAIConversation(replace(QUICK, faults=[fault]))
    with pytest.raises(ProviderError, match=f"openai.*{problem}") as failure:
        async with conversing(fake) as dialogue:
            await dialogue.tell(Respond())
            await until(dialogue, ResponseOver)
    assert failure.value.retryable


async def test_one_that_is_never_ready_is_not_waited_for() -> None:
    fake = OpenAIConversation(replace(QUICK, faults=[Fault.WRONG_RATE]))
    with pytest.raises(ProviderError, match="is not ready within") as failure:
        async with conversing(fake):
            pass
    assert failure.value.retryable


async def test_a_wrong_key_is_not_tried_again_and_never_told() -> None:
    with pytest.raises(ProviderError, match="401") as failure:
        async with conversing(OpenAIConversation(), key="sk-wrong-planted"):
            pass
    assert not failure.value.retryable
    assert "sk-wrong-planted" not in str(failure.value)


async def test_a_voice_that_it_does_not_have_is_the_agents_fault() -> None:
    settings = SpeechToSpeechSettings(provider="openai", voice="no-such-voice")
    with pytest.raises(ProviderError, match="invalid_value") as failure:
        async with conversing(OpenAIConversation(), replace(BRIEF, settings=settings)):
            pass
    assert not failure.value.retryable


# ── without a connection ─────────────────────────────────────────────────────────────────────


def session() -> RealtimeConversation:
    ready = RealtimeConversation(BRIEF, RealtimeConversationSettings(base_url="http://x"))
    ready.receive(to_json(type="session.updated", session={}))
    return ready


def test_a_response_that_crosses_one_of_the_services_own_is_asked_for_again() -> None:
    one = session()
    (asked,) = one.tell(Say("Now."))
    one.receive(to_json(type="response.created", response={"id": "theirs"}))
    code = "conversation_already_has_active_response"
    error = {"type": "invalid_request_error", "event_id": "asked_1", "code": code}
    assert not one.receive(to_json(type="error", error=error)).replies
    done = {"id": "theirs", "status": "completed"}
    (again,) = one.receive(to_json(type="response.done", response=done)).replies
    wanted = [json.loads(each)["response"]["instructions"] for each in (asked, again)]
    assert wanted[0] == wanted[1]


def test_an_error_about_one_message_ends_nothing() -> None:
    error = {"type": "invalid_request_error", "code": "invalid_value", "message": "no such item"}
    received = session().receive(to_json(type="error", error=error))
    assert (received.events, received.replies) == ((), ())


def test_an_expired_session_may_be_begun_again_and_an_empty_account_not() -> None:
    for code, retryable in (("session_expired", True), ("insufficient_quota", False)):
        error = {"type": "invalid_request_error", "code": code, "message": code}
        with pytest.raises(VendorFailed) as failure:
            session().receive(to_json(type="error", error=error))
        assert failure.value.retryable is retryable


def test_a_function_call_that_was_cut_off_is_no_wish() -> None:
    item = {
        "type": "function_call",
        "call_id": "c",
        "name": "book",
        "arguments": '{"day',
        "status": "incomplete",
    }
    assert not session().receive(to_json(type="response.output_item.done", item=item)).events


@pytest.mark.parametrize(
    "frame",
    [
        "<html>",
        "[]",
        b"\x00",
        "{}",
        '{"type":"response.output_audio.delta","item_id":"a"}',
        '{"type":"response.output_audio.delta","item_id":"a","delta":"~"}',
        '{"type":"response.output_audio_transcript.done","item_id":"a","transcript":7}',
        '{"type":"response.output_item.done","item":{"type":"function_call","call_id":"c"}}',
    ],
)
def test_what_no_service_of_this_kind_sends_is_garbage(frame: str | bytes) -> None:
    with pytest.raises(Garbage):
        session().receive(frame)
