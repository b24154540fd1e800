"""Anthropic and Google against fakes of their protocols, on loopback."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from strowger.agent import ModelSettings
from strowger.conversation.dialogue import Message, OfferedTool, Role, ToolCall
from strowger.errors import ProviderError
from strowger.ports import ReplyEnd, ReplyPart, ReplyText
from strowger.providers.anthropic import AnthropicMessages, AnthropicSettings
from strowger.providers.google import NO_SIGNATURE, Gemini, GoogleSettings
from strowger.providers.http_service import HttpPolicy
from strowger.providers.registry import ConfiguredProviders, ProviderSettings
from strowger.providers.streamed_model import LONGEST_ARGUMENTS, ModelVendor, WrittenCalls
from strowger.providers.websocket import Garbage, VendorFailed
from tests.providers.vendors.anthropic import Anthropic
from tests.providers.vendors.behaviour import Behaviour, Fault
from tests.providers.vendors.google import Google
from tests.providers.vendors.requests import HttpVendor, answering
from tests.providers.vendors.sockets import KEY

NAMES = ("anthropic", "google")
QUICK = Behaviour(replies=["Of course, on Tuesday."], first_token=0.0, tokens_per_second=1e6)
HTTP = HttpPolicy(pause=0.0)
IMPATIENT = HttpPolicy(first_byte=0.3, between=0.3, pause=0.0)
WEATHER = OfferedTool(
    name="weather",
    description="The weather in a town.",
    parameters={"type": "object", "properties": {"town": {"type": "string"}}},
)
CALL = [
    Message(Role.SYSTEM, "Be brief."),
    Message(Role.ASSISTANT, "Good morning, how can I help?"),
    Message(Role.USER, "I need an appointment."),
]


@asynccontextmanager
async def stage(
    name: str, behaviour: Behaviour = QUICK, *, key: str = KEY, http: HttpPolicy = HTTP
) -> AsyncIterator[tuple[ConfiguredProviders, HttpVendor]]:
    own = replace(behaviour, replies=[*behaviour.replies], faults=[*behaviour.faults])
    fake = Anthropic(own) if name == "anthropic" else Google(own)
    async with answering(fake) as url:
        settings = ProviderSettings(
            anthropic=AnthropicSettings(base_url=f"{url}/v1", api_key=key),
            google=GoogleSettings(base_url=f"{url}/v1beta", api_key=key),
            http=http,
        )
        async with ConfiguredProviders(settings) as providers:
            yield providers, fake


async def reply(
    providers: ConfiguredProviders,
    name: str,
    dialogue: Sequence[Message] = CALL,
    tools: Sequence[OfferedTool] = (),
    **settings: object,
) -> list[ReplyPart]:
    wanted = ModelSettings(provider=name, **settings)  # type: ignore[arg-type]
    parts = providers.own_model(name).reply(dialogue, wanted, tools=tools)
    return [part async for part in parts]


def said(parts: Sequence[ReplyPart]) -> str:
    return "".join(part.text for part in parts if isinstance(part, ReplyText))


def run(test: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test

    asyncio.run(bounded())


@pytest.mark.parametrize("name", NAMES)
def test_a_reply_comes_in_pieces_and_ends_with_its_figures(name: str) -> None:
    async def test() -> None:
        async with stage(name) as (providers, _):
            parts = await reply(providers, name)
            assert parts[0] == ReplyText("Of")
            assert said(parts) == "Of course, on Tuesday."
            assert parts[-1] == ReplyEnd(input_tokens=120, output_tokens=9, cached_tokens=100)

    run(test())


@pytest.mark.parametrize("name", NAMES)
def test_what_was_set_is_asked_for_and_the_system_stands_apart(name: str) -> None:
    async def test() -> None:
        async with stage(name) as (providers, fake):
            await reply(providers, name, model="big", temperature=1.5, max_tokens=50)
            asked = fake.asked[0]
            request = asked.json()
            if name == "anthropic":
                assert (request["model"], request["max_tokens"]) == ("big", 50)
                assert request["temperature"] == 1.0, "as warm as the service goes"
                assert "Be brief." in json.dumps(request["system"])
            else:
                assert asked.path.startswith("/v1beta/models/big:")
                generation = {"temperature": 1.5, "maxOutputTokens": 50}
                assert request["generationConfig"] == generation
                assert request["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
            assert "Be brief." not in json.dumps(request.get("messages", request.get("contents")))

    run(test())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "dialogue",
    [
        [],
        [Message(Role.SYSTEM, "Greet.")],
        [Message(Role.ASSISTANT, "Hello?")],
        [Message(Role.USER, "Hello?"), Message(Role.ASSISTANT, "Good morning. I")],
        [Message(Role.USER, "Yes?"), Message(Role.USER, "Hello?"), Message(Role.ASSISTANT, " ")],
        [
            *CALL,
            Message(
                Role.ASSISTANT,
                "",
                (ToolCall("c1", "weather", '{"town": "Leeds"}'), ToolCall("c2", "weather", "{")),
            ),
            Message(Role.TOOL, "rain", tool_call_id="c1"),
            Message(Role.TOOL, "arguments are not JSON", tool_call_id="c2"),
            Message(Role.USER, "And?"),
        ],
    ],
)
def test_every_dialogue_is_put_in_a_form_that_the_service_takes(
    name: str, dialogue: list[Message]
) -> None:
    async def test() -> None:
        async with stage(name) as (providers, _):
            assert said(await reply(providers, name, dialogue, [WEATHER]))

    run(test())


@pytest.mark.parametrize("name", ["anthropic", "google"])
def test_words_that_are_to_be_gone_on_with_are_not_the_last(name: str) -> None:
    vendor = AnthropicMessages() if name == "anthropic" else Gemini()
    dialogue = [Message(Role.USER, "Hello?"), Message(Role.ASSISTANT, "Good morning. I")]
    request = vendor.request(dialogue, ModelSettings(), [])
    said = request["messages" if name == "anthropic" else "contents"]
    assert isinstance(said, list)
    assert [turn["role"] for turn in said][-1] == "user"


def test_a_tool_asked_for_letter_by_letter_is_bounded_and_costs_no_more_than_its_letters() -> None:
    calls = WrittenCalls()
    calls.add(0, name="look")
    for _ in range(LONGEST_ARGUMENTS):
        calls.add(0, arguments="x")
    with pytest.raises(Garbage, match="more than 65536 characters"):
        calls.add(0, arguments="x")


def test_anthropic_writes_its_tool_calls_in_pieces() -> None:
    async def test() -> None:
        async with stage("anthropic") as (providers, fake):
            assert isinstance(fake, Anthropic)
            fake.tool_calls = [
                ("toolu_1", "weather", ['{"to', 'wn": "Le', 'eds"}']),
                ("toolu_2", "weather", []),
            ]
            parts = await reply(providers, "anthropic", tools=[WEATHER])
            assert parts[-3:-1] == [
                ToolCall("toolu_1", "weather", '{"town": "Leeds"}'),
                ToolCall("toolu_2", "weather", "{}"),
            ]
            tools = fake.asked[0].json()["tools"]
            assert isinstance(tools, list)
            assert tools[0]["input_schema"] == WEATHER.parameters

    run(test())


@pytest.mark.parametrize(
    ("model", "warm", "haste"),
    [
        ("claude-haiku-4-5", True, {}),
        ("claude-haiku-4-5-20251001", True, {}),
        ("claude-sonnet-4-20250514", True, {}),
        ("claude-3-5-haiku-20241022", True, {}),
        ("claude-sonnet-4-6", True, {}),
        ("claude-opus-4-8", False, {}),
        ("claude-sonnet-5", False, {"thinking": {"type": "disabled"}}),
        ("claude-opus-5", False, {"thinking": {"type": "disabled"}}),
        ("claude-haiku-5-5", False, {"thinking": {"type": "disabled"}}),
        ("claude-sonnet-5-5", False, {"thinking": {"type": "between_tools"}}),
        ("claude-opus-5-5", False, {"output_config": {"effort": "low"}}),
        ("claude-fable-5-1", False, {"output_config": {"effort": "low"}}),
        ("claude-mythos-preview", False, {"output_config": {"effort": "low"}}),
        ("claude-haiku-6", False, {"output_config": {"effort": "low"}}),
        ("another", True, {}),
    ],
)
def test_a_model_of_anthropics_is_told_only_what_it_takes_and_not_to_think(
    model: str, warm: bool, haste: dict[str, object]
) -> None:
    asked = AnthropicMessages().request(CALL, ModelSettings(model=model, temperature=0.3), [])
    assert asked.get("temperature") == (0.3 if warm else None)
    assert {name: asked[name] for name in ("thinking", "output_config") if name in asked} == haste
    assert asked["max_tokens"] == (5120 if "output_config" in haste else 1024)


def test_a_refusal_of_anthropics_is_an_error_that_another_model_may_mend() -> None:
    reply = AnthropicMessages().new_reply()
    event = {"type": "message_delta", "delta": {"stop_reason": "refusal"}, "usage": {}}
    with pytest.raises(VendorFailed, match="refuses to go on"):
        reply.take(json.dumps(event))


def test_google_has_its_signature_back_with_the_call_it_came_with() -> None:
    async def test() -> None:
        async with stage("google") as (providers, fake):
            assert isinstance(fake, Google)
            fake.tool_calls = [("weather", {"town": "Leeds"}, "c2lnbmF0dXJl")]
            parts = await reply(providers, "google", tools=[WEATHER])
            call = parts[-2]
            assert isinstance(call, ToolCall)
            assert (call.name, json.loads(call.arguments)) == ("weather", {"town": "Leeds"})
            dialogue = [
                *CALL,
                Message(Role.ASSISTANT, said(parts), (call, ToolCall("other", "weather", "{}"))),
                Message(Role.TOOL, "rain", tool_call_id=call.id),
                Message(Role.TOOL, "sun", tool_call_id="other"),
            ]
            await reply(providers, "google", dialogue, [WEATHER])
            contents = fake.asked[1].json()["contents"]
            assert isinstance(contents, list)
            assert [part.get("thoughtSignature") for part in contents[-2]["parts"][1:]] == [
                "c2lnbmF0dXJl",
                NO_SIGNATURE,
            ]
            assert contents[-1]["parts"][0]["functionResponse"] == {
                "id": "fc_1",
                "name": "weather",
                "response": {"result": "rain"},
            }
            assert contents[-1]["parts"][1]["functionResponse"]["id"] == "other"

    run(test())


def test_a_model_of_googles_that_gives_no_ids_is_told_none() -> None:
    async def test() -> None:
        async with stage("google") as (providers, fake):
            assert isinstance(fake, Google)
            fake.tool_calls = [("weather", {"town": "Leeds"}, None), ("weather", {}, None)]
            parts = await reply(providers, "google", tools=[WEATHER], model="gemini-3.1-pro")
            calls = tuple(part for part in parts if isinstance(part, ToolCall))
            assert len({call.id for call in calls}) == 2
            dialogue = [
                *CALL,
                Message(Role.ASSISTANT, said(parts), calls),
                *(Message(Role.TOOL, "rain", tool_call_id=call.id) for call in calls),
            ]
            told = await reply(providers, "google", dialogue, [WEATHER], model="gemini-3.1-pro")
            assert said(told)

    run(test())


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("gemini-3.5-flash-lite", None),
        ("gemini-3.1-flash-lite", None),
        ("gemini-3.8-flash", {"thinkingLevel": "low"}),
        ("gemini-3-flash-preview", {"thinkingLevel": "low"}),
        ("gemini-3.1-pro-preview", {"thinkingLevel": "low"}),
        ("gemini-2.5-flash", {"thinkingBudget": 0}),
        ("gemma-4-31b-it", None),
    ],
)
def test_a_model_of_googles_thinks_no_longer_than_it_must(
    model: str, thinking: dict[str, object] | None
) -> None:
    request = Gemini().request(CALL, ModelSettings(model=model), [])
    generation = request.get("generationConfig", {})
    assert isinstance(generation, dict)
    assert generation.get("thinkingConfig") == thinking


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", [Fault.HANG, Fault.CUT, Fault.GARBAGE, Fault.ERROR])
def test_every_fault_is_the_providers_error(name: str, fault: Fault) -> None:
    async def test() -> None:
        behaviour = replace(QUICK, faults=[fault, fault])
        async with stage(name, behaviour, http=IMPATIENT) as (providers, _):
            with pytest.raises(ProviderError, match=f"^{name} ") as failure:
                await reply(providers, name)
            assert failure.value.retryable is (fault is not Fault.GARBAGE)

    run(test())


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_key_is_said_without_the_key(name: str) -> None:
    async def test() -> None:
        async with stage(name, key="wrong-key-42") as (providers, _):
            with pytest.raises(ProviderError, match="refused the API key") as failure:
                await reply(providers, name)
            assert not failure.value.retryable
            assert "wrong-key-42" not in str(failure.value)

    run(test())


@pytest.mark.parametrize("name", NAMES)
def test_a_reply_without_a_word_or_a_tool_is_an_error(name: str) -> None:
    async def test() -> None:
        async with stage(name, replace(QUICK, replies=[""])) as (providers, _):
            with pytest.raises(ProviderError, match="without any text"):
                await reply(providers, name)

    run(test())


def vendor_of(name: str) -> ModelVendor:
    from strowger.providers.anthropic import AnthropicMessages
    from strowger.providers.google import Gemini

    return AnthropicMessages() if name == "anthropic" else Gemini()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "event",
    [
        "",
        "{",
        "[1]",
        "null",
        "[" * 5000,
        '{"type": 3}',
        '{"type": "content_block_start", "index": "x", "content_block": {"type": "tool_use"}}',
        '{"type": "content_block_delta", "index": 9,'
        ' "delta": {"type": "input_json_delta", "partial_json": "{"}}',
        '{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 3}}',
        '{"type": "error", "error": {}}',
        '{"candidates": [{"content": {"parts": 3}}]}',
        '{"candidates": [{"content": {"parts": [3, {"functionCall": {"name": 3}}]}}]}',
        '{"candidates": [{"finishReason": "SAFETY"}]}',
        '{"candidates": 3}',
        '{"promptFeedback": {"blockReason": "OTHER"}}',
        '{"error": {"message": "\\ud83d", "code": "x"}}',
        '{"candidates": [{"content": {"parts": [{"text": "half \\ud83d"}]}}]}',
    ],
)
def test_no_event_whatever_brings_a_reply_down_in_another_way(name: str, event: str) -> None:
    reading = vendor_of(name).new_reply()
    with suppress(Garbage, VendorFailed):
        reading.take(event).encode()
    assert isinstance(reading.end(), ReplyEnd)
    assert not reading.tool_calls()
