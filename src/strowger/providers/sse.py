"""Server-sent events, as far as streaming answers use them (WHATWG HTML section 9.2.6)."""

LARGEST_EVENT = 1 << 20
"""Bytes."""


class MalformedEvent(ValueError):
    """What came cannot be an event."""


class EventReader:
    """Cuts a stream of bytes into the `data` of its events; all other fields are left out."""

    def __init__(self) -> None:
        self._buffer = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, received: bytes) -> list[str]:
        """The events that are complete now. Raises MalformedEvent."""
        lines = (self._buffer + received).split(b"\n")
        self._buffer = lines.pop()
        events = []
        for line in lines:
            if event := self._take(line.removesuffix(b"\r")):
                events.append(event)
        if self._size + len(self._buffer) > LARGEST_EVENT:
            raise MalformedEvent(f"an event of over {LARGEST_EVENT} bytes")
        return events

    def _take(self, line: bytes) -> str:
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
                self._size += len(value)
            return ""
        data, self._data, self._size = b"\n".join(self._data), [], 0
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise MalformedEvent("an event that is not UTF-8") from None
