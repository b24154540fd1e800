"""livekit's plugins as providers, by a plugin made of livekit's own base classes.

livekit-agents is not among the development dependencies: its model licence binds who installs it.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from importlib.util import find_spec

import pytest

from strowger.agent import ModelSettings, TranscriberSettings, VoiceSettings
from strowger.conversation.dialogue import Message, OfferedTool, Role, ToolCall
from strowger.errors import ProviderError
from strowger.ports import Recognised, ReplyEnd, ReplyText, SpeechToText, Word
from strowger.providers.livekit_bridge import LivekitPlugins
from strowger.providers.livekit_plugins import plugin_class


def installed() -> bool:
    try:
        return find_spec("livekit.agents") is not None
    except ModuleNotFoundError:
        return False


needs_livekit = pytest.mark.skipif(
    not installed(), reason="livekit-agents is not installed: pip install livekit-agents"
)


def run(test: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test

    asyncio.run(bounded())


@asynccontextmanager
async def bridge(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LivekitPlugins]:
    fake = import_module("tests.providers.livekit_fake")
    monkeypatch.setitem(sys.modules, "livekit.plugins.fake", fake)
    async with asyncio.TaskGroup() as tasks:
        plugins = LivekitPlugins(tasks)
        try:
            yield plugins
        finally:
            await plugins.close()


@needs_livekit
def test_a_plugin_hears_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with bridge(monkeypatch) as plugins:
            ears = plugins.ears("livekit/fake")
            settings = TranscriberSettings()
            async with ears.recognise(settings, language="en-US", phrases=()) as turn:
                await turn.send(bytes(16000))
                await turn.flush()
                results = [await anext(turn.results())]
                async for result in turn.results():
                    results.append(result)
                    if result.final:
                        break
                assert results[0].text == "hea" and not results[0].final
                assert results[-1].text.startswith("heard ")
                assert results[-1].words == (Word("hello", 0.1, 0.4),)

    run(test())


async def heard(ears: SpeechToText, settings: TranscriberSettings) -> list[Recognised]:
    """The results of a turn of a second."""
    results = []
    async with ears.recognise(settings, language="en-US", phrases=()) as turn:
        await turn.send(bytes(16000))
        await turn.flush()
        async for result in turn.results():
            results.append(result)
            if result.final:
                break
    return results


@needs_livekit
@pytest.mark.parametrize("model", ["good", "repeats"])
def test_turns_go_over_one_stream_and_hear_nothing_of_the_ones_before(
    monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    async def test() -> None:
        async with bridge(monkeypatch) as plugins:
            ears, settings = plugins.ears("livekit/fake"), TranscriberSettings(model=model)
            turns = []
            for _ in range(3):
                turns.append((await heard(ears, settings))[-1])
                await asyncio.sleep(0.02)
            assert turns[0].text == turns[1].text == turns[2].text
            for turn in turns:
                (word,) = turn.words
                assert (word.start, word.end) == pytest.approx((0.1, 0.4)), "by the turn's time"
            plugin = plugins.plugin("livekit/fake", "STT", model=model, language="en")
            assert plugin.streams == plugins.streams.open == 1

    run(test())


@needs_livekit
def test_a_stream_made_ready_is_the_one_that_the_turn_goes_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        async with bridge(monkeypatch) as plugins:
            ears, settings = plugins.ears("livekit/fake"), TranscriberSettings()
            for _ in range(2):
                await ears.warm(settings, language="en-US")
            assert plugins.streams.open == 1
            await heard(ears, settings)
            assert plugins.streams.open == 1

    run(test())


@needs_livekit
def test_a_stream_that_ended_between_two_turns_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        async with bridge(monkeypatch) as plugins:
            ears, settings = plugins.ears("livekit/fake"), TranscriberSettings(model="leaves")
            for _ in range(2):
                assert (await heard(ears, settings))[-1].text.startswith("heard ")
                await asyncio.sleep(0.02)

    run(test())


@needs_livekit
def test_a_turn_that_is_left_early_takes_its_stream_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        async with bridge(monkeypatch) as plugins:
            ears = plugins.ears("livekit/fake")
            async with ears.recognise(TranscriberSettings(), language="en-US", phrases=()) as turn:
                await turn.send(bytes(16000))
            while plugins.streams.open:
                await asyncio.sleep(0)

    run(test())


@needs_livekit
@pytest.mark.parametrize("model", ["good", "close", "hang"])
def test_nothing_is_left_of_a_call_once_the_plugins_are_closed(
    monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    async def test() -> None:
        before = asyncio.all_tasks()
        async with bridge(monkeypatch) as plugins:
            ears = plugins.ears("livekit/fake")
            with suppress(ProviderError):
                await heard(ears, TranscriberSettings(model=model))
            speech = plugins.voice("livekit/fake").speak("Hello", VoiceSettings(), language="en")
            assert isinstance(speech, AsyncGenerator)
            await anext(speech)
            await speech.aclose()
            session = plugins.plugin("livekit/fake", "STT", model=model, language="en").session
        assert asyncio.all_tasks() == before
        assert session.closed

    run(test())


@needs_livekit
def test_a_plugin_that_does_not_stream_hears_the_turn_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        async with bridge(monkeypatch) as plugins:
            ears = plugins.ears("livekit/fake")
            settings = TranscriberSettings(model="whole")
            async with ears.recognise(settings, language="en-US", phrases=()) as turn:
                await turn.send(bytes(16000))
                await turn.flush()
                assert (await anext(turn.results())).text == "whole 16000"

    run(test())


@needs_livekit
@pytest.mark.parametrize(("model", "problem"), [("close", "it broke off"), ("hang", "not answer")])
def test_a_plugin_that_fails_is_the_providers_error(
    monkeypatch: pytest.MonkeyPatch, model: str, problem: str
) -> None:
    async def test() -> None:
        async with bridge(monkeypatch) as plugins:
            ears = plugins.ears("livekit/fake")
            settings = TranscriberSettings(model=model)
            async with ears.recognise(settings, language="en-US", phrases=()) as turn:
                await turn.send(bytes(2 * 8000 * 2))
                with pytest.raises(ProviderError, match=problem) as failure:
                    await turn.flush()
                    async for _ in turn.results():
                        pass
                assert failure.value.retryable

    run(test())


@needs_livekit
def test_a_plugin_speaks_at_the_lines_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with bridge(monkeypatch) as plugins:
            voice = plugins.voice("livekit/fake")
            pieces = voice.speak("Hello", VoiceSettings(voice_id="nora"), language="en-US")
            spoken = [piece async for piece in pieces]
            pcm = b"".join(piece for piece in spoken if isinstance(piece, bytes))
            assert len(pcm) == pytest.approx(16000, abs=100)
            assert [piece for piece in spoken if isinstance(piece, Word)] == [
                Word("Hello", 0.0, 0.9)
            ]

    run(test())


@needs_livekit
@pytest.mark.parametrize("voice_id", ["nobody", "mute"])
def test_a_voice_that_says_nothing_is_an_error(
    monkeypatch: pytest.MonkeyPatch, voice_id: str
) -> None:
    async def test() -> None:
        async with bridge(monkeypatch) as plugins:
            voice = plugins.voice("livekit/fake")
            pieces = voice.speak("Hello", VoiceSettings(voice_id=voice_id), language="en-US")
            with pytest.raises(ProviderError, match=r"^livekit/fake") as failure:
                async for _ in pieces:
                    pass
            assert failure.value.retryable is (voice_id == "mute")

    run(test())


@needs_livekit
def test_a_plugin_thinks_and_asks_for_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with bridge(monkeypatch) as plugins:
            model = plugins.model("livekit/fake")
            dialogue = [
                Message(Role.SYSTEM, "Be brief."),
                Message(Role.USER, "Hello?"),
                Message(Role.ASSISTANT, "", (ToolCall("c", "weather", "{}"),)),
                Message(Role.TOOL, "rain", tool_call_id="c"),
            ]
            tool = OfferedTool(name="weather", description="", parameters={"type": "object"})
            reply = model.reply(dialogue, ModelSettings(), tools=[tool])
            assert [part async for part in reply] == [
                ReplyText("Good "),
                ReplyText("morning."),
                ToolCall("call_1", "weather", "{}"),
                ReplyEnd(20, 4, 0),
            ]

    run(test())


@needs_livekit
def test_what_a_plugin_does_not_take_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with bridge(monkeypatch) as plugins:
            model = plugins.model("livekit/fake")
            with pytest.raises(ProviderError, match="takes no temperature"):
                await anext(model.reply([], ModelSettings(temperature=0.5)))

    run(test())


def test_a_plugin_that_is_not_installed_says_what_to_install() -> None:
    install = r"pip install strowger\[livekit-plugins\] livekit-plugins-some-body"
    with pytest.raises(ProviderError, match=install):
        plugin_class("livekit/some_body", "TTS")
    with pytest.raises(ProviderError, match="no name of a plugin"):
        plugin_class("livekit/../x", "TTS")
