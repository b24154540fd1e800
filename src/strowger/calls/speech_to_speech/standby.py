"""The service, connected while the telephone still rings, so that the answer finds it ready.

Over the connection goes what the service is told at the answer, and before that nothing: no sound,
and nothing that has it speak. A service that speaks as soon as it is connected is none to be kept
ready: it would greet nobody. What fails is tried again as long as it rings. Where another service
could take over, one that has failed until the answer is not waited for: it fails at once.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import structlog

from strowger.conversation.speech_to_speech.events import Brief
from strowger.errors import ProviderError
from strowger.ports import Dialogue, SpeechToSpeech

log = structlog.get_logger()

KEPT_FOR = 45.0
"""Seconds for which a silent connection is trusted; many a proxy drops one after a minute."""
RETRY_AFTER = 5.0
"""Seconds after a connection that failed until the next is tried."""


class Standby:
    """SpeechToSpeech of a service to which one connection stands ready."""

    greets = False

    def __init__(
        self,
        service: SpeechToSpeech,
        brief: Brief,
        *,
        replaceable: bool = False,
        kept_for: float = KEPT_FOR,
    ) -> None:
        """`replaceable` is whether another service takes the call where this one fails."""
        self._service = service
        self._brief = brief
        self._replaceable = replaceable
        self._kept_for = kept_for
        self._ringing = asyncio.Event()
        self._tried = asyncio.Event()
        """The connection that was begun last is ready, or is not to be had."""
        self._over = asyncio.Event()
        """Somebody answered: no connection is kept any more."""
        self._ready: tuple[Dialogue, AsyncExitStack] | None = None
        self._failure: ProviderError | None = None
        """Why the connection that was tried last is not to be had."""

    def ring(self) -> None:
        """The callee's telephone rings: from here on the service may be wanted at any moment."""
        self._ringing.set()

    async def prepare(self) -> None:
        """Connect once it rings, and anew before the connection is stale, until it is wanted."""
        await self._ringing.wait()
        try:
            while not self._over.is_set():
                try:
                    await self._keep_one()
                except ProviderError as problem:
                    log.info("call.service_not_ready", problem=str(problem))
                    self._failure = problem
                    self._tried.set()
                    if not problem.retryable:
                        return
                    await self._wait_for_answer(RETRY_AFTER)
        finally:
            self._ready = None
            self._tried.set()

    async def _keep_one(self) -> None:
        """Connect, and stay connected until it is wanted or stale. Raises ProviderError."""
        if self._failure is None:  # else there is no telling how long this takes: none waits for it
            self._tried.clear()
        async with AsyncExitStack() as opened:
            converse = self._service.converse(self._brief)
            self._ready = await opened.enter_async_context(converse), opened
            self._failure = None
            self._tried.set()
            await self._wait_for_answer(self._kept_for)
            self._ready = None

    async def _wait_for_answer(self, within: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._over.wait()

    @asynccontextmanager
    async def converse(self, brief: Brief) -> AsyncIterator[Dialogue]:
        """Over the connection that stands ready, if it does, for what it was told; else anew.

        Raises ProviderError, also where it is known that there is no connection.
        """
        async with AsyncExitStack() as opened:
            try:
                dialogue = await self._taken(brief, opened)
            finally:
                self._over.set()
            if dialogue is None:
                dialogue = await opened.enter_async_context(self._service.converse(brief))
            yield dialogue

    async def _taken(self, brief: Brief, opened: AsyncExitStack) -> Dialogue | None:
        """What stands ready, and is closed with `opened` from now on."""
        if brief != self._brief or not self._ringing.is_set() or self._over.is_set():
            return None
        await self._tried.wait()
        if self._ready is None:
            if self._failure is not None and self._replaceable:
                raise ProviderError(str(self._failure), retryable=self._failure.retryable)
            return None
        dialogue, kept = self._ready
        if not dialogue.is_open:
            return None
        opened.push_async_exit(kept.pop_all())
        return dialogue
