"""Recognition by pocketsphinx in a child process, made for a question's expected answers.

Keeps the audio of a turn; each flush has all of it recognised anew, which takes a few hundredths
of its length. Where no answers are expected but the settings name keywords, those are spotted in
what is said. Free dictation exists, but is nearly useless on telephone audio: its confidence says
so.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

import structlog

from strowger.agent import TranscriberSettings
from strowger.errors import ProviderError
from strowger.ports import Recognised
from strowger.providers.child import ChildPolicy, ChildPool, python_child
from strowger.providers.hearing import RECOGNISER_RATE, prepare
from strowger.providers.turn import WholeTurn

LONGEST_TURN = 30
"""Seconds."""
SILENCE = bytes(2 * RECOGNISER_RATE // 5)
"""A fifth of a second."""


class PocketsphinxRecogniser:
    """SpeechToText by pocketsphinx; US English alone."""

    def __init__(
        self, folder: str, policy: ChildPolicy, *, size: int = 1, python: str = sys.executable
    ) -> None:
        command = python_child(python, "strowger.providers.pocketsphinx_child", folders=[folder])
        self.metered = False
        self._children = ChildPool("pocketsphinx", command, policy, size=size)
        self._warned: set[str] = set()
        self._log = structlog.get_logger()

    async def warm(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str] = ()
    ) -> None:
        """Start the child, which takes some 0.3 s, while nobody speaks yet."""
        if self._children.running:
            return
        with suppress(ProviderError):  # the first turn will say it, and it is the one that counts
            async for _ in self._children.ask({"phrases": ["yes"], "spotting": False}, SILENCE):
                continue

    @asynccontextmanager
    async def recognise(
        self, settings: TranscriberSettings, *, language: str, phrases: Sequence[str]
    ) -> AsyncIterator[WholeTurn]:
        if language.lower().split("-")[0] != "en":
            raise ProviderError(f"pocketsphinx knows English, not {language}", retryable=False)
        expected = tuple(dict.fromkeys([*phrases, *settings.keywords]))
        transcribe = partial(self.transcribe, phrases=expected, spotting=not phrases)
        turn = WholeTurn(transcribe, longest=LONGEST_TURN)
        try:
            yield turn
        finally:
            turn.close()

    async def transcribe(
        self, pcm: bytes, *, phrases: tuple[str, ...], spotting: bool = False
    ) -> Recognised:
        """All words of a whole turn, heard at LINE_RATE.

        The turn is one of the phrases, or with `spotting` running speech that may hold them.
        """
        heard = await asyncio.to_thread(prepare, pcm)  # 2 ms for each second of the turn
        if not heard:
            return Recognised("", final=True, confidence=0.0)
        wanted = {"phrases": phrases, "spotting": spotting}
        parts = [part async for part in self._children.ask(wanted, heard)]
        found = json.loads(b"".join(parts))
        self._warn_of(found["skipped"])
        return Recognised(found["text"], final=True, confidence=found["confidence"])

    async def close(self) -> None:
        await self._children.close()

    def _warn_of(self, skipped: Sequence[str]) -> None:
        new = set(skipped) - self._warned
        if new:
            self._warned |= new
            self._log.warning(
                "words_not_in_dictionary", words=sorted(new), recogniser="pocketsphinx"
            )
