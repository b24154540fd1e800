"""Speech by flite, where the system has it: free of the GPL, understood well, US English only.

Each text is a run of the program. It takes the text from a file, so that what an agent says does
not show in the list of processes.
"""

import asyncio
import contextlib
import tempfile
import wave
from collections.abc import AsyncIterator
from pathlib import Path

from strowger.agent import VoiceSettings
from strowger.errors import ProviderError
from strowger.providers.child_program import come_after_packets
from strowger.providers.loudness import TelephoneSpeech, gain_for

DEFAULT_VOICE = "slt"
NO_VOICES = {"awb_time"}
"""Listed, but it can only tell the time."""
SLOWEST, FASTEST = 0.5, 2.0
LONGEST_TEXT = 5000
DEADLINE = 10.0
"""Seconds for one text."""
PIECE = 16000
"""Bytes of PCM handed over at once."""


class FliteSpeech:
    """TextToSpeech by flite."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._voices: frozenset[str] = frozenset()

    async def warm(self, settings: VoiceSettings, *, language: str) -> None:
        """Each text has a program of its own."""

    async def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes]:
        if len(text) > LONGEST_TEXT:
            raise ProviderError(
                f"a text of {len(text)} characters; flite takes {LONGEST_TEXT}", retryable=False
            )
        if language.lower().split("-")[0] != "en":
            raise ProviderError(f"flite speaks English, not {language}", retryable=False)
        voice = settings.voice_id or DEFAULT_VOICE
        if voice not in await self.voices():
            raise ProviderError(f"flite has no voice {voice!r}", retryable=False)
        pcm, rate = await self._synthesise(text, voice, settings.speed)
        if not pcm:
            return
        speech = TelephoneSpeech(rate, gain_for(pcm, rate))
        for start in range(0, len(pcm), PIECE):
            if piece := speech.process(pcm[start : start + PIECE]):
                yield piece
        if piece := speech.flush():
            yield piece

    async def voices(self) -> frozenset[str]:
        if not self._voices:
            listed = (await self._run("-lv")).decode(errors="replace").partition(":")[2].split()
            self._voices = frozenset(listed) - NO_VOICES
        return self._voices

    async def _synthesise(self, text: str, voice: str, speed: float) -> tuple[bytes, int]:
        stretch = 1 / min(max(speed, SLOWEST), FASTEST)
        with tempfile.TemporaryDirectory(prefix="strowger-flite-") as folder:
            source = write(text, Path(folder, "text"))
            target = Path(folder, "speech.wav")
            await self._run(
                "-voice", voice, "--setf", f"duration_stretch={stretch:.3f}",
                "-f", str(source), "-o", str(target),
            )  # fmt: skip
            return samples_of(target)

    async def _run(self, *arguments: str) -> bytes:
        try:
            process = await asyncio.create_subprocess_exec(
                self._program,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise ProviderError(f"flite cannot be started: {error}", retryable=False) from error
        try:
            with contextlib.suppress(ProcessLookupError):
                come_after_packets(process.pid)
            async with asyncio.timeout(DEADLINE):
                printed, _ = await process.communicate()
        except TimeoutError:
            raise ProviderError("flite did not end in time", retryable=True) from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0:
            raise ProviderError(f"flite ended with {process.returncode}", retryable=True)
        return printed


def write(text: str, path: Path) -> Path:
    path.write_text(text, encoding="utf-8", errors="replace")
    return path


def samples_of(path: Path) -> tuple[bytes, int]:
    """PCM and its rate. Raises ProviderError."""
    try:
        with wave.open(str(path)) as file:
            if file.getnchannels() != 1 or file.getsampwidth() != 2:
                raise ProviderError("flite made no mono 16-bit sound", retryable=False)
            return file.readframes(file.getnframes()), file.getframerate()
    except (OSError, EOFError, wave.Error) as error:
        raise ProviderError(f"flite made no sound: {error}", retryable=False) from error
