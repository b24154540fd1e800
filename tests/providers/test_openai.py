import asyncio
import json
import wave
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from email.parser import BytesParser
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest

from strowger.agent import ModelSettings, TranscriberSettings, VoiceSettings
from strowger.conversation.dialogue import Message, OfferedTool, Role, ToolCall
from strowger.errors import ConfigurationError, ProviderError
from strowger.ports import Recognised, ReplyEnd, ReplyPart, ReplyText
from strowger.providers.http import HttpConnection
from strowger.providers.http_service import HttpPolicy, HttpService
from strowger.providers.openai_chat import OpenAIChat
from strowger.providers.openai_speech import OpenAISpeech
from strowger.providers.openai_transcription import OpenAITranscription, wav
from tests.providers.openai_server import Asked, Client, OpenAIServer, Script, openai_server

KEY = "sk-very-secret-0123456789"
QUICK = HttpPolicy(connect=2.0, first_byte=10.0, between=10.0, pause=0.0, retry_after=0.5)
IMPATIENT = HttpPolicy(connect=2.0, first_byte=0.3, between=0.3, pause=0.0)
HELLO = [Message(Role.SYSTEM, "Be brief."), Message(Role.USER, "Hello?")]


def run(test: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test

    asyncio.run(bounded())


@asynccontextmanager
async def connected(
    *scripts: Script, policy: HttpPolicy = QUICK
) -> AsyncIterator[tuple[OpenAIServer, HttpConnection]]:
    async with openai_server(*scripts) as server:
        service = HttpService(name="openai", base_url=server.url, api_key=KEY)
        async with HttpConnection(service, policy) as connection:
            yield server, connection


async def reply(connection: HttpConnection, settings: ModelSettings | None = None) -> list[str]:
    parts = OpenAIChat(connection, default_model="m").reply(HELLO, settings or ModelSettings())
    return [part.text async for part in parts if isinstance(part, ReplyText)]


async def speech(connection: HttpConnection) -> bytes:
    voice = OpenAISpeech(connection, model="tts", default_voice="alloy")
    pieces = voice.speak("Hello.", VoiceSettings(speed=1.5), language="en-US")
    return b"".join([piece async for piece in pieces])


async def transcript(connection: HttpConnection, pcm: bytes, model: str = "whisper") -> Recognised:
    ears = OpenAITranscription(connection, default_model=model)
    settings = TranscriberSettings(keywords=("Strowger",))
    async with ears.recognise(settings, language="en-US", phrases=("yes", "no")) as turn:
        await turn.send(pcm)
        await turn.flush()
        return await anext(turn.results())


async def say_hello(client: Client, _: Asked) -> None:
    await client.head(200, "text/event-stream; charset=utf-8")
    await client.event({"choices": [{"delta": {"role": "assistant"}, "finish_reason": None}]})
    await client.delta("Hel")
    await client.delta("lo.")
    await client.delta("", "stop")
    await client.event({"choices": [], "usage": {"total_tokens": 3}})
    await client.event("[DONE]")
    await client.end()


def refuse(status: int, message: str, code: str = "x", **headers: str) -> Script:
    async def script(client: Client, _: Asked) -> None:
        await client.error(status, message, code, **headers)

    return script


def answer(content_type: str, *pieces: bytes, status: int = 200) -> Script:
    async def script(client: Client, _: Asked) -> None:
        await client.head(status, content_type)
        for piece in pieces:
            await client.piece(piece)
        await client.end()

    return script


async def hang_up(client: Client, _: Asked) -> None:
    client.cut()


async def stall(client: Client, _: Asked) -> None:
    await client.gone()


# ── chat ─────────────────────────────────────────────────────────────────────────────────────


def test_a_reply_comes_in_pieces_and_the_request_says_what_was_set() -> None:
    async def test() -> None:
        async with connected(say_hello) as (server, connection):
            settings = ModelSettings(model="big", temperature=0.0, max_tokens=50)
            assert await reply(connection, settings) == ["Hel", "lo."]
            asked = server.asked[0]
            assert asked.path == "/v1/chat/completions"
            assert asked.headers["authorization"] == f"Bearer {KEY}"
            assert asked.json() == {
                "model": "big",
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "Hello?"},
                ],
                "stream": True,
                "stream_options": {"include_usage": True},
                "temperature": 0.0,
                "max_tokens": 50,
            }

    run(test())


def test_a_connection_made_ready_is_the_one_that_the_reply_comes_over() -> None:
    async def test() -> None:
        async def nothing(client: Client, _: Asked) -> None:
            await client.bare(404)

        async with connected(nothing, nothing, say_hello) as (server, connection):
            model = OpenAIChat(connection, default_model="m")
            for _ in range(3):
                await model.warm(ModelSettings())
            assert await reply(connection) == ["Hel", "lo."]
            await model.warm(ModelSettings())
            methods = [(asked.method, asked.path) for asked in server.asked]
            assert methods == [("HEAD", "/v1/models")] * 2 + [("POST", "/v1/chat/completions")]
            assert server.connections == 2

    run(test())


def test_after_a_reply_that_was_called_off_the_next_one_still_finds_a_connection() -> None:
    async def test() -> None:
        async def answer(client: Client, asked: Asked) -> None:
            if asked.method == "HEAD":
                await client.bare(404)
                return
            await client.head(200, "text/event-stream")
            await client.delta("Hel")
            await client.gone()

        async with connected(answer) as (server, connection):
            model = OpenAIChat(connection, default_model="m")
            await model.warm(ModelSettings())
            for round in range(3):
                spares = server.connections
                parts = model.reply(HELLO, ModelSettings())
                assert isinstance(parts, AsyncGenerator)
                assert await anext(parts) == ReplyText("Hel")
                assert server.connections == spares == 2 + round, "nothing was opened for it"
                await parts.aclose()
                await model.warm(ModelSettings())

    run(test())


def test_a_reply_whose_end_comes_late_leaves_its_connection_to_the_next() -> None:
    async def test() -> None:
        async def say_it_and_dawdle(client: Client, _: Asked) -> None:
            await client.head(200, "text/event-stream")
            await client.delta("Hello.", "stop")
            await client.event("[DONE]")
            await asyncio.sleep(0.02)
            await client.end()

        async with connected(say_it_and_dawdle) as (server, connection):
            for _ in range(2):
                assert await reply(connection) == ["Hello."]
                await asyncio.sleep(0.1)
            assert server.connections == 1

    run(test())


def test_a_reply_whose_end_never_comes_is_waited_for_by_nobody() -> None:
    async def test() -> None:
        async def never_end(client: Client, _: Asked) -> None:
            await client.head(200, "text/event-stream")
            await client.delta("Hello.", "stop")
            await client.event("[DONE]")
            await client.gone()

        async with connected(never_end) as (server, connection):
            assert await reply(connection) == ["Hello."]
            await server.closed_by_client.wait()
            server.closed_by_client.clear()
            assert await reply(connection) == ["Hello."]
        await server.closed_by_client.wait()

    run(test())


def test_what_cannot_be_made_ready_is_no_failure_and_is_tried_again() -> None:
    async def test() -> None:
        async def silent(client: Client, _: Asked) -> None:
            await client.gone()

        brief = HttpPolicy(connect=0.05)
        async with connected(silent, policy=brief) as (server, connection):
            for _ in range(2):
                await connection.warm()
            assert len(server.asked) == 4
        service = HttpService(name="openai", base_url="http://127.0.0.1:1/v1")
        async with HttpConnection(service, brief) as nobody:
            await nobody.warm()

    run(test())


def test_the_first_piece_is_handed_over_before_the_second_is_there() -> None:
    async def test() -> None:
        go_on = asyncio.Event()

        async def script(client: Client, _: Asked) -> None:
            await client.head(200, "text/event-stream")
            await client.delta("one")
            await go_on.wait()
            await client.delta("two", "stop")
            await client.end()

        async with connected(script) as (_, connection):
            pieces = OpenAIChat(connection, default_model="m").reply(HELLO, ModelSettings())
            assert await anext(pieces) == ReplyText("one")
            go_on.set()
            assert [piece async for piece in pieces] == [ReplyText("two"), ReplyEnd()]

    run(test())


def test_a_reply_left_early_closes_the_stream() -> None:
    async def test() -> None:
        async def script(client: Client, _: Asked) -> None:
            await client.head(200, "text/event-stream")
            await client.delta("one")
            await client.gone()

        async with connected(script) as (server, connection):
            pieces = OpenAIChat(connection, default_model="m").reply(HELLO, ModelSettings())
            async with aclosing(pieces):  # type: ignore[type-var]
                assert await anext(pieces) == ReplyText("one")
            await server.closed_by_client.wait()

    run(test())


def test_a_canceled_reply_closes_the_stream() -> None:
    async def test() -> None:
        begun = asyncio.Event()

        async def script(client: Client, _: Asked) -> None:
            await client.head(200, "text/event-stream")
            await client.delta("one")
            begun.set()
            await client.gone()

        async with connected(script) as (server, connection), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(reply(connection))
            await begun.wait()
            task.cancel()
            await server.closed_by_client.wait()

    run(test())


@pytest.mark.parametrize(
    "chunk",
    [
        "this is not JSON",
        "[" * 100_000,
        "[]",
        '"text"',
        '{"choices": 3}',
        '{"choices": [{"delta": {"content": 3}, "finish_reason": null}]}',
        '{"choices": ["x"]}',
        '{"error": {"message": "overloaded"}}',
    ],
)
def test_a_chunk_that_makes_no_sense_is_a_provider_error(chunk: str) -> None:
    async def test() -> None:
        async def script(client: Client, _: Asked) -> None:
            await client.head(200, "text/event-stream")
            await client.delta("one")
            await client.event(chunk)
            await client.end()

        async with connected(script) as (_, connection):
            with pytest.raises(ProviderError, match=r"^openai "):
                await reply(connection)

    run(test())


def test_a_reply_that_breaks_off_is_an_error_whether_the_end_is_clean_or_not() -> None:
    async def test() -> None:
        async def end_early(client: Client, _: Asked) -> None:
            await client.head(200, "text/event-stream")
            await client.delta("one")
            await client.end()

        async def cut(client: Client, _: Asked) -> None:
            await client.head(200, "text/event-stream")
            await client.delta("one")
            client.cut()

        for script in (end_early, cut):
            async with connected(script) as (server, connection):
                with pytest.raises(ProviderError, match="broke off") as failure:
                    await reply(connection)
                assert failure.value.retryable
                assert len(server.asked) == 1  # words were said: asking again would repeat them

    run(test())


def test_a_reply_without_text_is_an_error() -> None:
    async def test() -> None:
        async with connected(answer("text/event-stream", b"data: [DONE]\n\n")) as (_, connection):
            with pytest.raises(ProviderError, match="without any text"):
                await reply(connection)

    run(test())


def test_a_page_instead_of_a_stream_is_an_error() -> None:
    async def test() -> None:
        async with connected(answer("text/html", b"<html>")) as (_, connection):
            with pytest.raises(ProviderError, match="text/html instead of an event stream"):
                await reply(connection)

    run(test())


# ── what every provider over HTTP does ───────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "blame", "retryable"),
    [
        (400, "refused the request", False),
        (401, "refused the API key", False),
        (403, "refused the API key", False),
        (404, "model or address", False),
        (429, "fewer requests", True),
        (500, "failed on its side", True),
        (307, "unexpected status", False),
    ],
)
def test_an_error_says_whose_fault_it_is_and_never_the_key(
    status: int, blame: str, retryable: bool
) -> None:
    async def test() -> None:
        async with connected(refuse(status, f"bad key {KEY} here")) as (server, connection):
            with pytest.raises(ProviderError, match=blame) as failure:
                await reply(connection)
            assert failure.value.retryable is retryable
            assert str(status) in str(failure.value)
            assert "bad key *** here" in str(failure.value)
            assert KEY not in repr(failure.value)
            assert len(server.asked) == (2 if retryable else 1)

    run(test())


@pytest.mark.parametrize(
    "failing",
    [
        refuse(429, "slow down", retry_after="0"),
        refuse(503, "starting"),
        hang_up,
        answer("text/html", b"<html>Bad gateway", status=502),
    ],
)
def test_a_failure_that_may_pass_is_tried_once_more(failing: Script) -> None:
    async def test() -> None:
        async with connected(failing, say_hello) as (server, connection):
            assert await reply(connection) == ["Hel", "lo."]
            assert len(server.asked) == 2

    run(test())


def test_a_stream_that_ends_before_its_first_byte_is_tried_once_more() -> None:
    async def test() -> None:
        async def head_only(client: Client, _: Asked) -> None:
            await client.head(200, "text/event-stream")
            client.cut()

        async with connected(head_only, say_hello) as (server, connection):
            assert await reply(connection) == ["Hel", "lo."]
            assert len(server.asked) == 2

    run(test())


@pytest.mark.parametrize("retry_after", ["60", "Wed, 21 Oct 2015 07:28:00 GMT", "-1"])
def test_a_long_wait_before_the_retry_is_not_waited_for(retry_after: str) -> None:
    async def test() -> None:
        failing = refuse(429, "slow down", retry_after=retry_after)
        async with connected(failing, say_hello) as (server, connection):
            with pytest.raises(ProviderError, match="429") as failure:
                await reply(connection)
            assert failure.value.retryable
            assert len(server.asked) == 1

    run(test())


def test_no_credit_left_is_not_tried_again() -> None:
    async def test() -> None:
        failing = refuse(429, "You exceeded your current quota", "insufficient_quota")
        async with connected(failing) as (server, connection):
            with pytest.raises(ProviderError, match="quota") as failure:
                await reply(connection)
            assert not failure.value.retryable
            assert len(server.asked) == 1

    run(test())


def test_a_server_that_says_nothing_fails_at_the_deadline() -> None:
    async def test() -> None:
        async def head_only(client: Client, _: Asked) -> None:
            await client.head(200, "text/event-stream")
            await client.gone()

        async def one_piece(client: Client, _: Asked) -> None:
            await client.head(200, "text/event-stream")
            await client.delta("one")
            await client.gone()

        for script in (stall, head_only, one_piece):
            async with connected(script, policy=IMPATIENT) as (server, connection):
                with pytest.raises(
                    ProviderError, match=r"within 0\.3 s|sent nothing for"
                ) as failure:
                    await reply(connection)
                assert failure.value.retryable
                assert len(server.asked) == 1
                await server.closed_by_client.wait()

    run(test())


def test_nobody_at_the_address_is_an_error_that_a_retry_may_mend() -> None:
    async def test() -> None:
        async with openai_server(say_hello) as server:
            url = server.url
        service = HttpService(name="openai", base_url=url)
        async with HttpConnection(service, QUICK) as connection:
            with pytest.raises(ProviderError, match="cannot be reached") as failure:
                await reply(connection)
            assert failure.value.retryable

    run(test())


def test_something_that_is_not_http_is_an_error() -> None:
    async def test() -> None:
        async def nonsense(client: Client, _: Asked) -> None:
            client._writer.write(b"220 mail.example.com ESMTP\r\n\r\n")
            await client._writer.drain()
            client.cut()

        async with connected(nonsense) as (_, connection):
            with pytest.raises(ProviderError, match="openai does not speak HTTP"):
                await reply(connection)

    run(test())


def test_an_answer_over_the_limit_is_an_error() -> None:
    async def test() -> None:
        pieces = [b"\0\1" * 500] * 10
        policy = HttpPolicy(largest=3000)
        async with connected(answer("audio/pcm", *pieces), policy=policy) as (_, connection):
            with pytest.raises(ProviderError, match="more than 3000 bytes"):
                await speech(connection)

    run(test())


def test_a_compressed_answer_is_refused() -> None:
    async def test() -> None:
        async def script(client: Client, _: Asked) -> None:
            await client.whole(200, "audio/pcm", b"\x1f\x8b", content_encoding="gzip")

        async with connected(script) as (_, connection):
            with pytest.raises(ProviderError, match="compressed"):
                await speech(connection)

    run(test())


@pytest.mark.parametrize("key", ["with space", "line\nbreak", "ключ"])
def test_a_key_that_cannot_be_one_is_a_matter_of_configuration(key: str) -> None:
    service = HttpService(name="openai", base_url="https://example.com/v1", api_key=key)
    with pytest.raises(ConfigurationError) as failure:
        HttpConnection(service, QUICK)
    assert key not in str(failure.value)
    assert key not in repr(service)


@pytest.mark.parametrize(
    "url", ["", "example.com/v1", "ftp://example.com", "http://[::1", "http://example..com/v1"]
)
def test_an_address_that_cannot_be_one_is_a_matter_of_configuration(url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url of openai"):
        HttpConnection(HttpService(name="openai", base_url=url), QUICK)


def test_a_password_in_the_address_and_a_key_are_one_too_many() -> None:
    service = HttpService(name="openai", base_url="http://ann:secret@example.com/v1", api_key=KEY)
    with pytest.raises(ConfigurationError, match="only one of them") as failure:
        HttpConnection(service, QUICK)
    assert "secret" not in str(failure.value) and KEY not in str(failure.value)
    HttpConnection(replace(service, api_key=None), QUICK)
    HttpConnection(replace(service, key_header="x-api-key"), QUICK)


def test_redirects_are_not_followed_and_cookies_not_kept() -> None:
    async def elsewhere(client: Client, asked: Asked) -> None:
        await client.whole(307, "text/plain", b"", location="/v1/other", set_cookie="a=b; Path=/")

    async def test() -> None:
        async with connected(elsewhere) as (server, connection):
            for _ in range(2):
                with pytest.raises(ProviderError, match="unexpected status"):
                    await reply(connection)
            assert [asked.path for asked in server.asked] == ["/v1/chat/completions"] * 2
            assert not any("cookie" in asked.headers for asked in server.asked)

    run(test())


# ── tools ────────────────────────────────────────────────────────────────────────────────────


WEATHER = OfferedTool(
    name="weather",
    description="The weather of a town.",
    parameters={"type": "object", "properties": {"town": {"type": "string"}}},
)


def part_of_call(index: int, arguments: str, **first: str) -> dict[str, object]:
    """A chunk with a piece of a tool call; the first one of each has `id` and `name`."""
    function: dict[str, str] = {"arguments": arguments}
    if "name" in first:
        function["name"] = first["name"]
    call: dict[str, object] = {"index": index, "function": function}
    if "id" in first:
        call["id"] = first["id"]
    return {"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": None}]}


async def everything(
    connection: HttpConnection, dialogue: list[Message] | None = None
) -> list[ReplyPart]:
    chat = OpenAIChat(connection, default_model="m")
    parts = chat.reply(dialogue or HELLO, ModelSettings(), tools=[WEATHER])
    return [part async for part in parts]


def test_tools_are_offered_and_their_calls_come_whole_after_the_text_with_the_use() -> None:
    async def script(client: Client, _: Asked) -> None:
        await client.head(200, "text/event-stream")
        await client.delta("Let me look.")
        await client.event(part_of_call(0, "", id="c1", name="weather"))
        await client.event(part_of_call(0, '{"town": '))
        await client.event(part_of_call(1, "{broken", id="c2", name="weather"))
        await client.event(part_of_call(0, '"York"}'))
        await client.delta("", "tool_calls")
        usage = {
            "prompt_tokens": 20,
            "completion_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 16},
        }
        await client.event({"choices": [], "usage": usage})
        await client.event("[DONE]")
        await client.end()

    async def test() -> None:
        async with connected(script) as (server, connection):
            assert await everything(connection) == [
                ReplyText("Let me look."),
                ToolCall("c1", "weather", '{"town": "York"}'),
                ToolCall("c2", "weather", "{broken"),
                ReplyEnd(20, 7, 16),
            ]
            assert server.asked[0].json()["tools"] == [
                {
                    "type": "function",
                    "function": {
                        "name": "weather",
                        "description": "The weather of a town.",
                        "parameters": WEATHER.parameters,
                    },
                }
            ]

    run(test())


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("gpt-6-luna", True),
        ("gpt-6-sol", True),
        ("gpt-5.6-luna", True),
        ("gpt-5.4-mini-2026-03-17", True),
        ("gpt-6-astra", False),  # these three know no such effort
        ("gpt-6.1-sol", False),
        ("gpt-5.4-pro", False),
        ("gpt-4.1-mini", False),  # and these do not reason
        ("llama-4", False),
    ],
)
def test_a_model_that_would_reason_before_it_speaks_is_told_not_to(model: str, told: bool) -> None:
    async def test() -> None:
        async with connected(say_hello) as (server, connection):
            await reply(connection, ModelSettings(model=model))
            asked = json.loads(server.asked[0].body)
            assert asked.get("reasoning_effort") == ("none" if told else None)

    run(test())


def test_what_came_of_tools_goes_back_beside_what_was_asked_of_them() -> None:
    async def test() -> None:
        async with connected(say_hello) as (server, connection):
            call = ToolCall("c1", "weather", "{}")
            await everything(
                connection,
                [
                    Message(Role.USER, "Rain?"),
                    Message(Role.ASSISTANT, "", tool_calls=(call,)),
                    Message(Role.TOOL, "It rains.", tool_call_id="c1"),
                ],
            )
            function = {"name": "weather", "arguments": "{}"}
            assert server.asked[0].json()["messages"] == [
                {"role": "user", "content": "Rain?"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "c1", "type": "function", "function": function}],
                },
                {"role": "tool", "content": "It rains.", "tool_call_id": "c1"},
            ]

    run(test())


def test_a_tool_call_that_breaks_off_is_a_failure_and_never_half_a_call() -> None:
    async def script(client: Client, _: Asked) -> None:
        await client.head(200, "text/event-stream")
        await client.event(part_of_call(0, '{"town"', id="c1", name="weather"))
        await client.end()

    async def test() -> None:
        async with connected(script) as (_, connection):
            with pytest.raises(ProviderError, match="broke off") as failure:
                await everything(connection)
            assert failure.value.retryable

    run(test())


@pytest.mark.parametrize(
    "calls",
    [
        3,
        ["x"],
        [{"index": 0}],
        [{"index": 0, "function": {"arguments": "{}"}}],
        [{"index": 99, "id": "c", "function": {"name": "weather", "arguments": "{}"}}],
        [{"index": 0, "id": "c", "function": {"name": "weather", "arguments": "x" * 70_000}}],
    ],
)
def test_a_tool_call_that_makes_no_sense_is_a_provider_error(calls: object) -> None:
    async def script(client: Client, _: Asked) -> None:
        await client.head(200, "text/event-stream")
        choice = {"delta": {"tool_calls": calls}, "finish_reason": None}
        await client.event({"choices": [choice]})
        await client.end()

    async def test() -> None:
        async with connected(script) as (_, connection):
            with pytest.raises(ProviderError):
                await everything(connection)

    run(test())


def test_a_reply_that_the_limit_of_tokens_cut_off_says_so() -> None:
    async def script(client: Client, _: Asked) -> None:
        await client.head(200, "text/event-stream")
        await client.delta("And then", "length")
        await client.end()

    async def test() -> None:
        async with connected(script) as (_, connection):
            assert (await everything(connection))[-1] == ReplyEnd(truncated=True)

    run(test())


# ── speech ───────────────────────────────────────────────────────────────────────────────────


def tone(seconds: float, rate: int) -> bytes:
    time = np.arange(round(seconds * rate)) / rate
    return (8000 * np.sin(2 * np.pi * 400 * time)).astype("<i2").tobytes()


def test_speech_arrives_at_the_rate_of_the_line_in_whatever_pieces_it_was_sent() -> None:
    async def test() -> None:
        pcm = tone(0.5, 24000)
        cuts = [0, 1, 1000, 1003, 20001, len(pcm)]
        script = answer("audio/pcm", *(pcm[a:b] for a, b in pairwise(cuts)))
        async with connected(script) as (server, connection):
            heard = np.frombuffer(await speech(connection), "<i2").astype(float)
            expected = np.frombuffer(tone(0.5, 8000), "<i2").astype(float)
            assert len(heard) == len(expected)
            assert np.abs(heard - expected)[100:-100].max() < 100
            assert server.asked[0].path == "/v1/audio/speech"
            assert server.asked[0].json() == {
                "model": "tts",
                "input": "Hello.",
                "voice": "alloy",
                "response_format": "pcm",
                "speed": 1.5,
            }

    run(test())


def test_a_rate_that_the_server_names_is_used() -> None:
    async def test() -> None:
        async with connected(answer("audio/pcm;rate=16000", tone(0.5, 16000))) as (_, connection):
            assert len(await speech(connection)) == 8000

    run(test())


@pytest.mark.parametrize(
    ("content_type", "body", "problem"),
    [
        ("audio/mpeg", b"ID3\0", "audio/mpeg"),
        ("application/json", b"{}", "application/json"),
        ("audio/pcm", b"RIFF\0\0\0\0WAVE", "sound file"),
        ("audio/pcm", b"\0\1\2", "half a sample"),
        ("audio/pcm", b"", "no audio"),
        ("audio/pcm;rate=999999", b"\0\0", "999999 Hz"),
    ],
)
def test_audio_that_cannot_be_played_is_an_error(
    content_type: str, body: bytes, problem: str
) -> None:
    async def test() -> None:
        pieces = [body] if body else []
        async with connected(answer(content_type, *pieces)) as (_, connection):
            with pytest.raises(ProviderError, match=problem):
                await speech(connection)

    run(test())


def test_a_text_that_is_too_long_is_refused_before_it_is_sent() -> None:
    async def test() -> None:
        async with connected(say_hello) as (server, connection):
            voice = OpenAISpeech(connection, model="tts", default_voice="alloy")
            with pytest.raises(ProviderError, match="5000 characters"):
                await anext(voice.speak("x" * 5000, VoiceSettings(), language="en-US"))
            assert server.asked == []

    run(test())


# ── transcription ────────────────────────────────────────────────────────────────────────────


def test_a_turn_is_uploaded_as_a_wave_file_with_what_to_expect() -> None:
    async def test() -> None:
        script = answer("application/json", json.dumps({"text": " Yes. "}).encode())
        async with connected(script) as (server, connection):
            pcm = tone(0.5, 8000)
            assert await transcript(connection, pcm) == Recognised("Yes.", final=True)
            body = server.asked[0].body
            assert server.asked[0].path == "/v1/audio/transcriptions"
            assert server.asked[0].headers["content-type"].startswith("multipart/form-data")
            assert wav(pcm) in body
            for value in (b"whisper", b"en", b"Strowger, yes, no", b'filename="turn.wav"'):
                assert b"\r\n\r\n" + value + b"\r\n" in body or value in body

    run(test())


def test_a_model_that_takes_lists_is_told_each_keyword_by_itself() -> None:
    async def test() -> None:
        script = answer("application/json", json.dumps({"text": "Yes.", "languages": []}).encode())
        async with connected(script) as (server, connection):
            pcm = tone(0.5, 8000)
            assert await transcript(connection, pcm, "gpt-transcribe") == Recognised(
                "Yes.", final=True
            )
            kind = server.asked[0].headers["content-type"]
            form = BytesParser().parsebytes(
                f"content-type: {kind}\r\n\r\n".encode() + server.asked[0].body
            )
            told = [
                (part.get_param("name", header="content-disposition"), part.get_payload())
                for part in form.walk()
                if part.get_content_type() == "text/plain"
            ]
            assert told == [
                ("model", "gpt-transcribe"),
                ("response_format", "json"),
                ("languages[]", "en"),
                ("keywords[]", "Strowger"),
                ("keywords[]", "yes"),
                ("keywords[]", "no"),
            ]

    run(test())


def test_the_uploaded_file_is_one_that_others_can_read() -> None:
    with wave.open(BytesIO(wav(tone(0.5, 8000)))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        assert file.readframes(file.getnframes()) == tone(0.5, 8000)


def test_hardly_any_audio_is_not_uploaded() -> None:
    async def test() -> None:
        async with connected(say_hello) as (server, connection):
            assert await transcript(connection, bytes(200)) == Recognised("", final=True)
            assert server.asked == []

    run(test())


def test_each_flush_has_all_of_the_turn_recognised() -> None:
    async def test() -> None:
        async def by_length(client: Client, asked: Asked) -> None:
            text = "short" if len(asked.body) < 10_000 else "long"
            await client.whole(200, "application/json", json.dumps({"text": text}).encode())

        async with connected(by_length) as (_, connection):
            ears = OpenAITranscription(connection, default_model="whisper")
            async with ears.recognise(TranscriberSettings(), language="en", phrases=()) as turn:
                results = turn.results()
                for expected in ("short", "long"):
                    await turn.send(tone(0.4, 8000))
                    await turn.flush()
                    assert (await anext(results)).text == expected

    run(test())


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b"[" * 100_000),
        ("application/json", b"[1]"),
        ("application/json", b'{"text": 3}'),
        ("text/plain", b"yes"),
    ],
)
def test_an_answer_without_a_text_is_an_error(content_type: str, body: bytes) -> None:
    async def test() -> None:
        async with connected(answer(content_type, body)) as (_, connection):
            with pytest.raises(ProviderError, match=r"^openai answered"):
                await transcript(connection, tone(0.5, 8000))

    run(test())


def test_an_endless_event_is_a_provider_error() -> None:
    async def test() -> None:
        script = answer("text/event-stream", *[b"data: " + b"x" * 60_000 + b"\n"] * 20)
        async with connected(script) as (_, connection):
            with pytest.raises(ProviderError, match=r"^openai sent an event of over"):
                await reply(connection)

    run(test())


def test_half_a_character_in_what_is_said_or_heard_fails_nothing() -> None:
    async def test() -> None:
        async def script(client: Client, _: Asked) -> None:
            await client.head(200, "text/event-stream")
            await client.delta("a\ud83d", "stop")
            await client.end()

        async with connected(script) as (server, connection):
            chat = OpenAIChat(connection, default_model="m")
            dialogue = [Message(Role.USER, "half \ud83d")]
            pieces = [piece async for piece in chat.reply(dialogue, ModelSettings())]
            assert pieces == [ReplyText("a?"), ReplyEnd()]
            assert len(server.asked) == 1

    run(test())
