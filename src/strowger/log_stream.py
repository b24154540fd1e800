"""Where log lines go: a line that cannot be written is lost, and never the work that wrote it."""

import io
import sys
from contextlib import suppress
from typing import TextIO, cast


def load_structlog() -> None:
    """As where rich is not installed, or loaded anyway. To be called before anything else loads it.

    structlog would load rich for tracebacks that show local variables, which hold what people say
    and are never written: 7 MB in each process.
    """
    if not {"structlog", "rich"} & sys.modules.keys():
        sys.modules["rich"] = None  # type: ignore[assignment]  # the import system's way to say so
        try:
            import structlog  # noqa: F401
        finally:
            del sys.modules["rich"]


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
