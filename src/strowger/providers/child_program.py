"""The child's side of the pipe: takes requests one after another until its parent is gone.

Runs in a process of its own with the standard library alone, so that it starts in milliseconds.
"""

import ctypes
import os
import select
import signal
import sys
from collections import deque
from collections.abc import Callable

from strowger.providers.frames import Frame, FrameReader, Kind

READ_SIZE = 1 << 16
PR_SET_PDEATHSIG = 1


class RequestFailed(Exception):
    """The request cannot be served; the child goes on with the next."""


class ParentGone(Exception):
    """The parent closed the pipe."""


class Answer:
    """What a handler answers one request with."""

    def __init__(self, pipe: "Pipe", request: int) -> None:
        self._pipe = pipe
        self._request = request

    def chunk(self, payload: bytes) -> bool:
        """Send a part; False when nobody wants the rest."""
        try:
            if self._pipe.canceled(self._request):
                return False
            self._pipe.send(Frame(Kind.CHUNK, self._request, payload))
        except ParentGone:
            return False  # said again at the end of the request, outside any library's callback
        return True


Handler = Callable[[bytes, Answer], bytes]
"""Serves a request's payload; returns the payload of DONE, raises RequestFailed."""


class Pipe:
    """Frames in and out of two file descriptors."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._reader = FrameReader()
        self._waiting: deque[Frame] = deque()
        self._canceled: int | None = None

    def next_request(self) -> Frame:
        """Wait for the next request that is still wanted. Raises ParentGone."""
        while not self._waiting:
            self._read()
        return self._waiting.popleft()

    def canceled(self, request: int) -> bool:
        """Whether `request`, the one being served, is not wanted any more. Does not wait."""
        while select.select([self._incoming], [], [], 0)[0]:
            self._read()
        return request == self._canceled

    def send(self, frame: Frame) -> None:
        rest = memoryview(bytes(frame))
        try:
            while rest:
                rest = rest[os.write(self._outgoing, rest) :]
        except BrokenPipeError:
            raise ParentGone from None

    def _read(self) -> None:
        received = os.read(self._incoming, READ_SIZE)
        if not received:
            raise ParentGone
        for frame in self._reader.feed(received):
            if frame.kind is Kind.REQUEST:
                self._waiting.append(frame)
            elif any(frame.request == waiting.request for waiting in self._waiting):
                self._waiting = deque(w for w in self._waiting if w.request != frame.request)
                self.send(Frame(Kind.FAILED, frame.request, b"canceled"))
            else:
                self._canceled = frame.request  # being served, or answered just now


def serve(handle: Handler) -> None:
    """Answer requests from standard input on standard output until the parent is gone."""
    come_after_packets()
    pipe = Pipe(os.dup(0), os.dup(1))
    os.dup2(2, 1)  # what a library prints must not get between the frames
    try:
        while True:
            request = pipe.next_request()
            try:
                done = handle(request.payload, Answer(pipe, request.request))
            except RequestFailed as error:
                pipe.send(Frame(Kind.FAILED, request.request, str(error).encode()))
            else:
                pipe.send(Frame(Kind.DONE, request.request, done))
    except ParentGone:
        return


def come_after_packets(process: int = 0) -> None:
    """Have this process, or one that it has started, without a worker's precedence: that is for its
    packets. Raises ProcessLookupError where the process has ended."""
    if os.getpriority(os.PRIO_PROCESS, 0) < 0:
        os.setpriority(os.PRIO_PROCESS, process, 0)


def end_with_parent() -> None:
    """Ask Linux to end this process with its parent, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
