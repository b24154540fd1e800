"""Where log lines go: a line that cannot be written is lost, and never the work that wrote it."""

import io
from contextlib import suppress
from typing import TextIO, cast


def lossy(stream: TextIO) -> TextIO:
    """A stream like this one, usually standard error, whose disk may be full or whose pipe may
    have nobody at its end."""
    return cast(TextIO, _LossyStream(stream))


class _LossyStream(io.TextIOBase):
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # what rich chooses its characters by
        return self._stream.encoding
