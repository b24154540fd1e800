"""A long-running child process that serves requests, as seen from the event loop.

Decides when the child is started, given up and let go. Requests go into the pipe at once and the
child serves them in order; an answer belongs to its request by number, so that one that nobody
waits for any more is dropped and never mistaken for the next. No task of its own: everything
happens in callbacks of the pipe and in the tasks of those who ask.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import structlog

import strowger
from strowger.errors import ProviderError
from strowger.providers.frames import Frame, FrameReader, Kind, OutOfStep

PACKAGE_FOLDER = str(Path(strowger.__file__).parents[1])
COMPLAINT_BYTES = 2000
"""How much of a child's standard error is kept, to say why it died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildPolicy:
    deadline: float = 5.0
    """Seconds a request waits for the next piece of its answer, the child's start included."""
    waiting: int = 32
    """Requests that a child may owe an answer to."""
    largest_answer: int = 32 << 20
    """Bytes."""
    idle: float | None = None
    """Seconds without a request after which the child is let go; None to keep it."""
    closing: float = 1.0
    """Seconds a child has to leave by itself once its standard input is closed."""


def python_child(
    python: str, module: str, *arguments: str, folders: Sequence[str] = ()
) -> list[str]:
    """The command that runs `main()` of a module, isolated from the environment and from `site`.

    `folders` are where it finds packages beside the standard library and Strowger.
    """
    paths = [PACKAGE_FOLDER, *folders]
    program = f"import sys; sys.path += {paths!r}; from {module} import main; main()"
    return [python, "-I", "-S", "-c", program, *arguments]


class _Request:
    """What has come of one answer and was not taken yet."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.size = 0
        self.heard_of = False
        self.pieces: asyncio.Queue[bytes | ProviderError | None] = asyncio.Queue()
        """None ends the answer. Bounded by the policy's largest answer, not by the queue."""


class _Process(asyncio.SubprocessProtocol):
    """One run of the child."""

    def __init__(self, name: str, policy: ChildPolicy) -> None:
        self._name = name
        self._policy = policy
        self._transport: asyncio.SubprocessTransport | None = None
        self._reader = FrameReader()
        self._complaint = b""
        self._open: dict[int, _Request] = {}
        self._numbers = 0
        self.usable = True
        self.answered = 0
        """Frames that came, to tell a busy child from a stuck one."""
        self.gone = asyncio.Event()

    @property
    def owed(self) -> int:
        return len(self._open)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._complaint = (self._complaint + data)[-COMPLAINT_BYTES:]
            return
        try:
            frames = self._reader.feed(data)
        except OutOfStep as error:
            self._complaint += f" {error}".encode()
            self.kill()
            return
        for frame in frames:
            self._receive(frame)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd != 2:
            self.usable = False

    def connection_lost(self, exc: Exception | None) -> None:
        """The process has ended and all it wrote was read."""
        self.usable = False
        open_requests, self._open = self._open, {}
        for request in open_requests.values():
            request.pieces.put_nowait(ProviderError(self._obituary(), retryable=True))
        if self._transport is not None:
            self._transport.close()
        self.gone.set()

    def ask(self, payload: bytes) -> _Request:
        assert self._transport is not None
        if self.owed >= self._policy.waiting:
            raise ProviderError(
                f"{self._name} is busy: {self.owed} requests are waiting", retryable=True
            )
        self._numbers += 1
        request = self._open[self._numbers] = _Request(self._numbers)
        self._send(Frame(Kind.REQUEST, request.number, payload))
        return request

    def release(self, request: _Request) -> None:
        """Nobody waits for this answer any more."""
        if self._open.pop(request.number, None) is not None and self.usable:
            self._send(Frame(Kind.CANCEL, request.number))

    def leave(self) -> None:
        """Let the child end by itself: its standard input closes."""
        self.usable = False
        if self._transport is not None:
            stdin = self._transport.get_pipe_transport(0)
            if stdin is not None:
                stdin.close()

    def kill(self) -> None:
        self.usable = False
        if self._transport is not None:
            with contextlib.suppress(ProcessLookupError):
                self._transport.kill()

    async def end(self) -> None:
        """Wait until the child has left, by itself or not."""
        self.leave()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._policy.closing):
                await self.gone.wait()
        if not self.gone.is_set():
            self.kill()
            await self.gone.wait()  # a killed process ends

    def _send(self, frame: Frame) -> None:
        assert self._transport is not None
        stdin = self._transport.get_pipe_transport(0)
        assert stdin is not None
        cast(asyncio.WriteTransport, stdin).write(bytes(frame))

    def _receive(self, frame: Frame) -> None:
        self.answered += 1
        request = self._open.get(frame.request)
        if request is None:
            return
        if frame.kind is Kind.FAILED:
            del self._open[frame.request]
            message = f"{self._name}: {frame.payload.decode(errors='replace')}"
            request.pieces.put_nowait(ProviderError(message, retryable=False))
            return
        request.size += len(frame.payload)
        if request.size > self._policy.largest_answer:
            self.release(request)
            message = f"{self._name} answered more than {self._policy.largest_answer} bytes"
            request.pieces.put_nowait(ProviderError(message, retryable=False))
            return
        if frame.payload:
            request.pieces.put_nowait(frame.payload)
        if frame.kind is Kind.DONE:
            del self._open[frame.request]
            request.pieces.put_nowait(None)

    def _obituary(self) -> str:
        assert self._transport is not None
        status = self._transport.get_returncode()
        lines = self._complaint.decode(errors="replace").strip().splitlines()
        return f"{self._name} ended with status {status}" + (f": {lines[-1]}" if lines else "")


class Child:
    """A child process, started by the first request and again after it died."""

    def __init__(self, name: str, command: Sequence[str], policy: ChildPolicy) -> None:
        self._name = name
        self._command = command
        self._policy = policy
        self._process: _Process | None = None
        self._leaving: set[_Process] = set()
        self._starting = asyncio.Lock()
        self._coming = 0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._log = structlog.get_logger().bind(child=name)

    @property
    def owed(self) -> int:
        """Requests that wait for this child."""
        return self._coming + (self._process.owed if self._process is not None else 0)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.usable

    async def ask(self, payload: bytes) -> AsyncGenerator[bytes, None]:
        """Send a request, hand out its answer in pieces. Ending early cancels it in the child."""
        process, request = await self._begin(payload)
        try:
            while (piece := await self._next_piece(process, request)) is not None:
                yield piece
        finally:
            process.release(request)
            self._begin_idling()

    async def close(self) -> None:
        self._closed = True
        self._stop_idling()
        async with self._starting:
            self._let_go()
        for process in list(self._leaving):
            await process.end()
        self._leaving.clear()

    async def _begin(self, payload: bytes) -> tuple[_Process, _Request]:
        self._stop_idling()
        self._coming += 1
        try:
            async with asyncio.timeout(self._policy.deadline):
                process = await self._running_process()
            return process, process.ask(payload)
        except TimeoutError:
            raise ProviderError(f"{self._name} did not start in time", retryable=True) from None
        finally:
            self._coming -= 1
            self._begin_idling()  # does nothing where the request is open now

    async def _next_piece(self, process: _Process, request: _Request) -> bytes | None:
        answered = process.answered
        try:
            async with asyncio.timeout(self._policy.deadline):
                piece = await request.pieces.get()
        except TimeoutError:
            if process.answered == answered:
                process.kill()  # it did nothing for anybody: stuck, not busy
            raise ProviderError(
                f"{self._name} did not answer within {self._policy.deadline:g} s", retryable=True
            ) from None
        if isinstance(piece, ProviderError):
            raise piece
        return piece

    async def _running_process(self) -> _Process:
        async with self._starting:
            if self._closed:
                raise ProviderError(f"{self._name} is closed", retryable=False)
            if self._process is not None and self._process.usable:
                return self._process
            if self._process is not None:
                self._log.warning("provider_child_restarted")
                self._process.kill()
                self._let_go()
            process = _Process(self._name, self._policy)
            try:
                await asyncio.get_running_loop().subprocess_exec(
                    lambda: process,
                    *self._command,
                    cwd="/",
                    start_new_session=True,  # Ctrl-C at the terminal is for the parent alone
                )
            except OSError as error:
                message = f"{self._name} cannot be started: {error}"
                raise ProviderError(message, retryable=False) from error
            self._process = process
            return process

    def _let_go(self) -> None:
        """Ask the current process to leave and forget it, but for `close` to wait for."""
        if self._process is None:
            return
        self._process.leave()
        # One that is stuck does not notice.
        asyncio.get_running_loop().call_later(self._policy.closing, self._process.kill)
        self._leaving = {process for process in self._leaving if not process.gone.is_set()}
        self._leaving.add(self._process)
        self._process = None

    def _begin_idling(self) -> None:
        if self._policy.idle is not None and self.owed == 0 and not self._closed:
            self._stop_idling()
            loop = asyncio.get_running_loop()
            self._idle_timer = loop.call_later(self._policy.idle, self._let_go)

    def _stop_idling(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None


class ChildPool:
    """Children of one kind: a request goes to one that is free, where there is one."""

    def __init__(
        self, name: str, command: Sequence[str], policy: ChildPolicy, *, size: int = 1
    ) -> None:
        self._children = [Child(name, command, policy) for _ in range(size)]

    @property
    def running(self) -> bool:
        return any(child.running for child in self._children)

    async def ask(
        self, request: Mapping[str, object], body: bytes = b""
    ) -> AsyncGenerator[bytes, None]:
        """Ask with a line of JSON and a body after it."""
        child = min(self._children, key=lambda child: (child.owed, not child.running))
        payload = json.dumps(request).encode() + b"\n" + body
        async with contextlib.aclosing(child.ask(payload)) as pieces:
            async for piece in pieces:
                yield piece

    async def close(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for child in self._children:
                tasks.create_task(child.close(), name="close child")
