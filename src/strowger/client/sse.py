"""Reading server-sent events (WHATWG HTML, section 9.2.6), line by line."""

import json
from typing import Any


class EventReader:
    """Puts lines together to events, and keeps the id that a stream goes on after."""

    def __init__(self, last_id: str | None) -> None:
        self.last_id = last_id
        """Of what was heard last, and where the server says a stream begins."""
        self._id: str | None = None
        self._data: list[str] = []

    def feed(self, line: str) -> Any:
        """The event that an empty line ends, as JSON; None while there is none."""
        if line:
            self._note(line)
            return None
        if self._id is not None:
            self.last_id = self._id
        data, self._data, self._id = "\n".join(self._data), [], None
        return json.loads(data) if data else None

    def _note(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "id":
                self._id = value
            case "data":
                self._data.append(value)
            case _:
                pass  # comments, and the type, which is in the data too
