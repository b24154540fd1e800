"""livekit's plugins as providers, by a plugin made of livekit's own base classes.

livekit-agents is not among the development dependencies: its model licence binds who installs it.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec

import pytest

from strowger.agent import ModelSettings, TranscriberSettings, VoiceSettings
from strowger.conversation.dialogue import Message, OfferedTool, Role, ToolCall
from strowger.errors import ProviderError
from strowger.ports import ReplyEnd, ReplyText, Word
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
    plugins = LivekitPlugins()
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
