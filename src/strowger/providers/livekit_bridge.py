"""livekit's plugins as providers: `livekit/NAME` is the package `livekit-plugins-NAME`.

For what has no provider of its own here. Nothing of livekit is imported before somebody asks for
such a provider, and nothing of it is in the default installation: its model licence binds whoever
installs it (`pip install strowger[livekit-plugins] livekit-plugins-NAME`). A plugin finds its API
key where its own documents say, mostly in the environment.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

from strowger.agent import ModelSettings, TranscriberSettings, VoiceSettings
from strowger.conversation.dialogue import Message, OfferedTool, Role, ToolCall
from strowger.errors import ProviderError
from strowger.media.resample import Resampler
from strowger.ports import (
    LINE_RATE,
    LanguageModel,
    Recognised,
    Recognition,
    ReplyEnd,
    ReplyPart,
    ReplyText,
    SpeechToText,
    TextToSpeech,
    TurnSign,
    Word,
)
from strowger.providers.livekit_plugins import (
    EAR_RATE,
    Plugin,
    Plugins,
    audio_frame,
    blaming,
    bound_session,
    language_of,
    mono,
    one_attempt,
    plugin_class,
    prewarm,
    takes_session,
    timed,
    wide,
)
from strowger.providers.livekit_streams import PluginStream, PluginStreams
from strowger.providers.streamed_ears import UNSURE
from strowger.providers.turn import WholeTurn

PREFIX = "livekit/"
PAUSE = bytes(2 * EAR_RATE * 8 // 10)
"""Silence sent at a pause, so that a recogniser that waits for one answers."""
SETTLE = 1.5
"""Seconds from a pause to when no more words are waited for."""
TIMED = "lk.timed_transcripts"
"""Where livekit's frames keep the words spoken in them."""
LONGEST_TURN = 60


class LivekitPlugins(Plugins):
    """Makes providers of plugins."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        """`tasks` is where recognisers' streams are read in."""
        super().__init__()
        self.streams = PluginStreams(tasks)

    async def close(self) -> None:
        await self.streams.close()
        await super().close()

    def ears(self, name: str) -> SpeechToText:
        """Raises ProviderError where the plugin is not installed or hears nothing."""
        plugin_class(name, "STT")
        return LivekitEars(name, self)

    def voice(self, name: str) -> TextToSpeech:
        """Raises ProviderError where the plugin is not installed or says nothing."""
        plugin_class(name, "TTS")
        return LivekitVoice(name, self)

    def model(self, name: str) -> LanguageModel:
        """Raises ProviderError where the plugin is not installed or does not think."""
        plugin_class(name, "LLM")
        return LivekitModel(name, self)


# ── recognition ──────────────────────────────────────────────────────────────────────────────


class LivekitEars:
    """SpeechToText by a plugin's `STT`."""

    metered = True
    """Services charge for the time a stream is open, as far as is known here."""

    def __init__(self, name: str, plugins: LivekitPlugins) -> None:
        self._name = name
        self._plugins = plugins

    async def warm(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str] = ()
    ) -> None:
        with suppress(ProviderError):  # the first turn will say it
            plugin = self._plugin(settings, language)
            if plugin.capabilities.streaming:
                self._plugins.streams.warm(self._name, plugin)

    @asynccontextmanager
    async def recognise(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str]
    ) -> AsyncIterator[Recognition]:
        plugin = self._plugin(settings, language)
        if plugin.capabilities.streaming:
            async with self._plugins.streams.lease(self._name, plugin) as stream:
                yield LivekitTurn(self._name, stream)
            return
        turn = WholeTurn(partial(self._transcribe, plugin), longest=LONGEST_TURN)
        try:
            yield turn
        finally:
            turn.close()

    def _plugin(self, settings: TranscriberSettings, language: str) -> Plugin:
        return self._plugins.plugin(
            self._name, "STT", model=settings.model, language=language_of(language)
        )

    async def _transcribe(self, plugin: Plugin, pcm: bytes) -> Recognised:
        async with bound_session(plugin), blaming(self._name):
            event = await plugin.recognize(
                audio_frame(wide(pcm), EAR_RATE), conn_options=one_attempt()
            )
        best = event.alternatives[0] if event.alternatives else None
        return Recognised(best.text.strip() if best else "", final=True)


class LivekitTurn:
    """One turn on a plugin's stream, which may have carried others."""

    def __init__(self, name: str, stream: PluginStream) -> None:
        self._name = name
        self._stream = stream
        self._began = stream.seconds
        self._resampler = Resampler(LINE_RATE, EAR_RATE)
        self._finals: list[str] = []
        self._words: list[Word] = []
        self._sent = 0
        self._heard = False
        self._due: float | None = None
        self._waiting: asyncio.Timeout | None = None

    async def send(self, pcm: bytes) -> None:
        self._sent += len(pcm) // 2
        self._due, self._stream.at_rest = None, False
        if loud := self._resampler.process(pcm):
            await self._stream.push(loud)

    async def flush(self) -> None:
        await self._stream.push(PAUSE)
        await self._stream.flush()
        self._due = asyncio.get_running_loop().time() + SETTLE
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(self._due)

    async def results(self) -> AsyncIterator[Recognised]:
        while True:
            try:
                async with asyncio.timeout_at(self._due) as self._waiting:
                    event = await self._stream.next_event()
            except TimeoutError:
                self._due = None
                if not self._heard and self._sent > UNSURE:
                    problem = f"{self._name} did not answer within {SETTLE:g} s"
                    raise ProviderError(problem, retryable=True) from None
                yield self._settled()
                continue
            finally:
                self._waiting = None
            if (result := self._take(event)) is not None:
                yield result

    def _take(self, event: Any) -> Recognised | None:
        best = event.alternatives[0] if event.alternatives else None
        if best is not None and 0.0 < best.end_time <= self._began:
            return None  # of a turn before
        match str(event.type.value):
            case "final_transcript" if best is not None:
                self._heard = True
                if best.text.strip():
                    self._finals.append(best.text.strip())
                self._words += [word for word in timed(best.words or ()) if word.end > self._began]
                return self._result("") if self._due is None else self._settled()
            case "interim_transcript" | "preflight_transcript" if best is not None:
                self._heard = True
                return self._result(best.text.strip())
            case "start_of_speech":
                self._heard = True
            case "end_of_speech" if self._heard:
                return self._result("", sign=TurnSign.OVER)
        return None

    def _settled(self) -> Recognised:
        """All that was sent has been heard."""
        self._due, self._sent, self._stream.at_rest = None, 0, True
        return replace(self._result(""), final=True)

    def _result(self, open: str, *, sign: TurnSign | None = None) -> Recognised:
        text = " ".join([*self._finals, *([open] if open else [])])
        return Recognised(text, final=False, words=self._placed(), sign=sign)

    def _placed(self) -> tuple[Word, ...]:
        """The words by the turn's own time; none where the plugin counts by another clock."""
        if self._words and self._words[-1].end > self._stream.seconds + 1.0:
            return ()
        return tuple(
            replace(word, start=max(0.0, word.start - self._began), end=word.end - self._began)
            for word in self._words
        )


# ── speech ───────────────────────────────────────────────────────────────────────────────────


class LivekitVoice:
    """TextToSpeech by a plugin's `TTS`."""

    def __init__(self, name: str, plugins: LivekitPlugins) -> None:
        self._name = name
        self._plugins = plugins

    async def warm(self, settings: VoiceSettings, *, language: str) -> None:
        with suppress(ProviderError):  # the next text will say it
            await prewarm(self._name, self._plugin(settings, language))

    async def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes | Word]:
        plugin = self._plugin(settings, language)
        resampler: Resampler | None = None
        spoke = False
        async with bound_session(plugin), aclosing(self._frames(plugin, text)) as frames:
            async for frame in frames:
                if resampler is None:
                    resampler = Resampler(frame.sample_rate, LINE_RATE)
                for word in timed(frame.userdata.get(TIMED) or ()):
                    yield word
                if pcm := resampler.process(mono(frame)):
                    spoke = True
                    yield pcm
            if resampler is not None and (pcm := resampler.flush()):
                spoke = True
                yield pcm
        if not spoke:
            raise ProviderError(f"{self._name} sent no sound", retryable=True)

    def _plugin(self, settings: VoiceSettings, language: str) -> Plugin:
        return self._plugins.plugin(
            self._name,
            "TTS",
            model=settings.model,
            voice=settings.voice_id,
            language=language_of(language),
            speed=settings.speed if settings.speed != 1.0 else None,
        )

    async def _frames(self, plugin: Plugin, text: str) -> AsyncGenerator[Any, None]:
        async with blaming(self._name):
            if plugin.capabilities.streaming and takes_session(plugin):
                stream = plugin.stream(conn_options=one_attempt())
                stream.push_text(text)
                stream.end_input()
            else:
                stream = plugin.synthesize(text, conn_options=one_attempt())
            whole = False
            try:
                async for audio in stream:
                    yield audio.frame
                whole = True
            finally:
                await stream.aclose()
                if not whole:  # some give a connection up with the text: the next shall have one
                    await prewarm(self._name, plugin)


# ── models ───────────────────────────────────────────────────────────────────────────────────


class LivekitModel:
    """LanguageModel by a plugin's `LLM`."""

    def __init__(self, name: str, plugins: LivekitPlugins) -> None:
        self._name = name
        self._plugins = plugins

    async def warm(self, settings: ModelSettings) -> None:
        with suppress(ProviderError):  # the next reply will say it
            await prewarm(self._name, self._plugin(settings))

    async def reply(
        self,
        dialogue: Sequence[Message],
        settings: ModelSettings,
        *,
        tools: Sequence[OfferedTool] = (),
    ) -> AsyncIterator[ReplyPart]:
        plugin = self._plugin(settings)
        end, empty = ReplyEnd(), True
        async with bound_session(plugin), aclosing(self._chunks(plugin, dialogue, tools)) as chunks:
            async for chunk in chunks:
                if chunk.usage is not None:
                    end = ReplyEnd(
                        input_tokens=chunk.usage.prompt_tokens,
                        output_tokens=chunk.usage.completion_tokens,
                        cached_tokens=chunk.usage.prompt_cached_tokens,
                    )
                if chunk.delta is None:
                    continue
                if chunk.delta.content:
                    empty = False
                    yield ReplyText(chunk.delta.content)
                for call in chunk.delta.tool_calls:
                    empty = False
                    yield ToolCall(call.call_id, call.name, call.arguments or "{}")
        if empty:
            raise ProviderError(f"{self._name} replied without any text", retryable=True)
        yield end

    def _plugin(self, settings: ModelSettings) -> Plugin:
        return self._plugins.plugin(
            self._name, "LLM", model=settings.model, temperature=settings.temperature
        )

    async def _chunks(
        self, plugin: Plugin, dialogue: Sequence[Message], tools: Sequence[OfferedTool]
    ) -> AsyncGenerator[Any, None]:
        async with blaming(self._name):
            stream = plugin.chat(
                chat_ctx=chat_context(dialogue),
                tools=[raw_tool(tool) for tool in tools],
                conn_options=one_attempt(),
            )
            try:
                async for chunk in stream:
                    yield chunk
            finally:
                await stream.aclose()


def chat_context(dialogue: Sequence[Message]) -> object:
    """The dialogue in livekit's form."""
    llm = import_module("livekit.agents.llm")
    context = llm.ChatContext.empty()
    names = {call.id: call.name for said in dialogue for call in said.tool_calls}
    for said in dialogue:
        if said.role is Role.TOOL:
            id = said.tool_call_id or ""
            context.insert(
                llm.FunctionCallOutput(
                    call_id=id, name=names.get(id, ""), output=said.text, is_error=False
                )
            )
            continue
        if said.text.strip():
            context.add_message(role=said.role.value, content=said.text)
        for call in said.tool_calls:
            context.insert(
                llm.FunctionCall(call_id=call.id, name=call.name, arguments=call.arguments)
            )
    return context


def raw_tool(tool: OfferedTool) -> object:
    """A tool that livekit only tells of: who runs it is not its concern."""

    async def never(raw_arguments: dict[str, object]) -> None:
        raise AssertionError("tools are run by the conversation")

    schema = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
    made: object = import_module("livekit.agents.llm").function_tool(never, raw_schema=schema)
    return made
