"""A plugin as livekit's are: classes made of its base classes, which do as their model says.

Imports livekit, so only who has looked whether it is installed may import this.
"""

import asyncio
from typing import Any

import numpy as np
from livekit.agents import APIConnectionError, APIStatusError, llm, stt, tts
from livekit.agents.types import TimedString

TONE = (8000 * np.sin(np.arange(24000) * 0.05)).astype("<i2").tobytes()


class Stream(stt.RecognizeStream):  # type: ignore[misc]
    async def _run(self) -> None:
        self._stt.streams += 1
        heard = before = 0
        said = stt.SpeechEventType
        async for piece in self._input_ch:
            if isinstance(piece, self._FlushSentinel):
                if self._stt.fails == "hang":
                    continue
                began = before / 16000
                words = [TimedString("hello", start_time=began + 0.1, end_time=began + 0.4)]
                text = f"heard {heard - before}"
                best = stt.SpeechData(
                    language="en", text=text, words=words, start_time=began, end_time=began + 0.4
                )
                before = heard
                self._event_ch.send_nowait(
                    stt.SpeechEvent(type=said.FINAL_TRANSCRIPT, alternatives=[best])
                )
                if self._stt.fails == "repeats":
                    await asyncio.sleep(0.01)
                    self._event_ch.send_nowait(
                        stt.SpeechEvent(type=said.FINAL_TRANSCRIPT, alternatives=[best])
                    )
                self._event_ch.send_nowait(stt.SpeechEvent(type=said.END_OF_SPEECH))
                if self._stt.fails == "leaves":
                    return
                continue
            if self._stt.fails == "close":
                raise APIConnectionError("it broke off")
            heard += piece.samples_per_channel
            if self._stt.fails != "hang":
                best = stt.SpeechData(language="en", text="hea")
                self._event_ch.send_nowait(
                    stt.SpeechEvent(type=said.INTERIM_TRANSCRIPT, alternatives=[best])
                )


class STT(stt.STT):  # type: ignore[misc]
    fails = ""

    def __init__(self, *, model: str = "good", http_session: Any = None) -> None:
        streaming = model != "whole"
        super().__init__(
            capabilities=stt.STTCapabilities(streaming=streaming, interim_results=True)
        )
        self.fails = model
        self.session = http_session
        self.streams = 0

    async def _recognize_impl(self, buffer: Any, **_: Any) -> Any:
        best = stt.SpeechData(language="en", text=f"whole {buffer.sample_rate}")
        return stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[best])

    def stream(self, *, conn_options: Any, **_: Any) -> Any:
        return Stream(stt=self, conn_options=conn_options)


class Chunked(tts.ChunkedStream):  # type: ignore[misc]
    async def _run(self, output_emitter: Any) -> None:
        if self._tts.voice == "nobody":
            raise APIStatusError("no such voice", status_code=404)
        output_emitter.initialize(
            request_id="r", sample_rate=24000, num_channels=1, mime_type="audio/pcm"
        )
        if self._tts.voice == "mute":
            return
        output_emitter.push_timed_transcript(
            [TimedString(self._input_text, start_time=0.0, end_time=0.9)]
        )
        output_emitter.push(TONE)


class TTS(tts.TTS):  # type: ignore[misc]
    def __init__(self, *, voice: str = "v", http_session: Any = None) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False), sample_rate=24000, num_channels=1
        )
        self.voice = voice
        assert http_session is not None

    def synthesize(self, text: str, *, conn_options: Any) -> Any:
        return Chunked(tts=self, input_text=text, conn_options=conn_options)


class Answer(llm.LLMStream):  # type: ignore[misc]
    async def _run(self) -> None:
        send = self._event_ch.send_nowait
        for text in ("Good ", "morning."):
            send(llm.ChatChunk(id="c", delta=llm.ChoiceDelta(role="assistant", content=text)))
        if self._tools:
            call = llm.FunctionToolCall(name="weather", arguments="{}", call_id="call_1")
            send(llm.ChatChunk(id="c", delta=llm.ChoiceDelta(tool_calls=[call])))
        usage = llm.CompletionUsage(completion_tokens=4, prompt_tokens=20, total_tokens=24)
        send(llm.ChatChunk(id="c", usage=usage))


class LLM(llm.LLM):  # type: ignore[misc]
    def __init__(self, *, model: str = "m") -> None:
        super().__init__()

    def chat(self, *, chat_ctx: Any, tools: Any, conn_options: Any, **_: Any) -> Any:
        return Answer(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)
