"""A pipecat pipeline on the lines of the harness.

Silero from its wheel in the pipeline, a turn ends by silence (its Smart Turn would cost a third of
a core for ten calls), RTVI, turn tracking and metrics off.
"""

import asyncio
import time

from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import InputAudioRawFrame, InterruptionFrame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.elevenlabs.tts import ElevenLabsTTSService
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from bench.peers.harness import (
    ENDPOINTING,
    GREETING,
    INTERRUPTION,
    PROMPT,
    RATE,
    Line,
    Task,
    measure,
    task,
)  # fmt: skip

KEY = "bench-key-0123"
STOP = 0.2
"""Seconds of silence after which its voice detection says so; they count into ENDPOINTING."""


class Ear(BaseInputTransport):
    def __init__(self, line: Line, params: TransportParams) -> None:
        super().__init__(params)
        self._line = line

    async def start(self, frame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)
        self._line.listen = self._hear

    def _hear(self, pcm: bytes) -> None:
        self._audio_in_queue.put_nowait(InputAudioRawFrame(pcm, RATE, 1))


class Mouth(BaseOutputTransport):
    def __init__(self, line: Line, params: TransportParams) -> None:
        super().__init__(params)
        self._line = line
        self._next = 0.0

    async def start(self, frame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def process_frame(self, frame, direction) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self._line.clear()
            self._next = 0.0

    async def write_audio_frame(self, frame) -> bool:
        """At the pace at which it is played, as pipecat's own transports do."""
        self._line.play(frame.audio)
        now = time.monotonic()
        self._next = max(self._next, now) + len(frame.audio) / (2 * RATE)
        await asyncio.sleep(max(0.0, self._next - now - 0.02))
        return True


async def main(task: Task) -> None:
    async def converse(line: Line) -> None:
        params = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
        voice = SileroVADAnalyzer(params=VADParams(start_secs=INTERRUPTION, stop_secs=STOP))
        turns = UserTurnStrategies(
            start=[VADUserTurnStartStrategy()],
            stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=ENDPOINTING - STOP)],
        )
        both = LLMContextAggregatorPair(
            LLMContext(),
            user_params=LLMUserAggregatorParams(user_turn_strategies=turns, vad_analyzer=voice),
        )
        worker = PipelineWorker(
            Pipeline([
                Ear(line, params),
                DeepgramSTTService(
                    api_key=KEY, base_url=f"ws://127.0.0.1:{task.sockets}", ttfs_p99_latency=0.15
                ),
                both.user(),
                OpenAILLMService(
                    api_key=KEY, base_url=f"http://127.0.0.1:{task.chat}/v1",
                    settings=OpenAILLMService.Settings(system_instruction=PROMPT),
                ),
                ElevenLabsTTSService(
                    api_key=KEY, url=f"ws://127.0.0.1:{task.sockets}",
                    settings=ElevenLabsTTSService.Settings(voice="v", model="eleven_flash_v2_5"),
                ),
                Mouth(line, params),
                both.assistant(),
            ]),
            params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE),
            cancel_on_idle_timeout=False, enable_rtvi=False, enable_turn_tracking=False,
            check_dangling_tasks=False,
        )  # fmt: skip
        await worker.queue_frames([TTSSpeakFrame(GREETING)])
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()

    logger.remove()
    await measure(task, converse)


if __name__ == "__main__":
    asyncio.run(main(task()))
