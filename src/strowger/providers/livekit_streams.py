"""Open streams of livekit's recognisers: each is kept over the turns of a call, and for the next.

A stream is read by a task of its own, from its beginning to its end: livekit's iterators do not
survive that a wait for their next event is cancelled. A stream that broke is not used again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from strowger.errors import ProviderError
from strowger.providers.livekit_plugins import (
    EAR_RATE,
    Plugin,
    audio_frame,
    blaming,
    bound_session,
    one_attempt,
)

IDLE_FOR = 30.0
"""Seconds that a stream nobody uses is kept: services count the time for which one is open."""
WAITING_EVENTS = 1024


class PluginStream:
    """One stream, in the hands of one turn at a time."""

    def __init__(self, name: str, plugin: Plugin) -> None:
        self.at_rest = True
        """Nothing was sent, or all that was asked for has come: the next turn can have it."""
        self.let_go: asyncio.TimerHandle | None = None
        """What ends it, if nobody takes it before."""
        self._name = name
        self._plugin = plugin
        self._stream: Plugin = None
        self._opened = asyncio.Event()
        self._events: asyncio.Queue[object] = asyncio.Queue(WAITING_EVENTS)
        self._samples = 0
        self._problem: ProviderError | None = None

    @property
    def seconds(self) -> float:
        """Of the sound that was sent so far."""
        return self._samples / EAR_RATE

    @property
    def broken(self) -> bool:
        return self._problem is not None

    async def run(self) -> None:
        """Open the stream and read it until it ends, breaks or is cancelled."""
        try:
            async with bound_session(self._plugin), blaming(self._name):
                self._stream = self._plugin.stream(conn_options=one_attempt())
                self._opened.set()
                try:
                    async for event in self._stream:
                        await self._events.put(event)
                finally:
                    await self._stream.aclose()
            self._problem = ProviderError(f"{self._name} ended its stream", retryable=True)
        except ProviderError as error:
            self._problem = error
        self._opened.set()
        await self._events.put(None)  # whoever waits shall look

    async def begin(self) -> None:
        """A new turn: what still came of the one before is nobody's. Raises ProviderError."""
        await self._opened.wait()
        while not self._events.empty():
            self._events.get_nowait()
        self._look()
        self.at_rest = True

    async def push(self, pcm: bytes) -> None:
        """Sound at EAR_RATE. Raises ProviderError."""
        self._look()
        self._samples += len(pcm) // 2
        async with blaming(self._name):
            self._stream.push_frame(audio_frame(pcm, EAR_RATE))

    async def flush(self) -> None:
        """Raises ProviderError."""
        self._look()
        async with blaming(self._name):
            self._stream.flush()

    async def next_event(self) -> Plugin:
        """Of livekit's `SpeechEvent`. Raises ProviderError."""
        if self._events.empty():
            self._look()
        event = await self._events.get()
        if event is None:
            self._look()
        return event

    def _look(self) -> None:
        if self._problem is not None:
            raise self._problem


class PluginStreams:
    """The streams of all plugins."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        """`tasks` is where they are read in."""
        self._tasks = tasks
        self._idle: dict[Plugin, list[PluginStream]] = {}
        self._readers: dict[PluginStream, asyncio.Task[None]] = {}

    @property
    def open(self) -> int:
        return len(self._readers)

    async def close(self) -> None:
        """End all streams, and return when they have ended."""
        for stream in [each for streams in self._idle.values() for each in streams]:
            if stream.let_go is not None:
                stream.let_go.cancel()
        self._idle.clear()
        readers = list(self._readers.values())
        for reader in readers:
            reader.cancel()
        if readers:
            await asyncio.wait(readers)

    def warm(self, name: str, plugin: Plugin) -> None:
        """Have a stream of the plugin's stand ready. Raises ProviderError."""
        if not any(not stream.broken for stream in self._idle.get(plugin, ())):
            self._give_back(plugin, self._open(name, plugin))

    @asynccontextmanager
    async def lease(self, name: str, plugin: Plugin) -> AsyncIterator[PluginStream]:
        """A stream for the block alone. Raises ProviderError."""
        stream = await self._begun(name, plugin)
        try:
            yield stream
        finally:
            if stream.at_rest and not stream.broken:
                self._give_back(plugin, stream)
            else:
                self._end(stream)

    async def _begun(self, name: str, plugin: Plugin) -> PluginStream:
        """One that still lives, where there is one; else a new one."""
        idle = self._idle.get(plugin, [])
        while idle:
            stream = idle.pop()
            if stream.let_go is not None:
                stream.let_go.cancel()
            with suppress(ProviderError):  # it broke while nobody used it
                return await self._begin(stream)
        return await self._begin(self._open(name, plugin))

    async def _begin(self, stream: PluginStream) -> PluginStream:
        try:
            await stream.begin()
        except BaseException:  # it is broken, or nobody waits for it any more
            self._end(stream)
            raise
        return stream

    def _open(self, name: str, plugin: Plugin) -> PluginStream:
        stream = PluginStream(name, plugin)
        reader = self._tasks.create_task(stream.run(), name=f"stream {name}")
        self._readers[stream] = reader
        reader.add_done_callback(lambda _: self._readers.pop(stream, None))
        return stream

    def _give_back(self, plugin: Plugin, stream: PluginStream) -> None:
        self._idle.setdefault(plugin, []).append(stream)
        loop = asyncio.get_running_loop()
        stream.let_go = loop.call_later(IDLE_FOR, self._let_go, plugin, stream)

    def _let_go(self, plugin: Plugin, stream: PluginStream) -> None:
        self._idle[plugin].remove(stream)
        self._end(stream)

    def _end(self, stream: PluginStream) -> None:
        if (reader := self._readers.get(stream)) is not None:
            reader.cancel()
