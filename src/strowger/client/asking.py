"""Plans that others are made of: ask until there is an answer, walk pages, listen to a stream."""

from collections.abc import Mapping
from typing import Any

import httpx2

from strowger.client.plans import (
    Item,
    Manner,
    NextLine,
    Open,
    Pause,
    Plan,
    Resource,
    S,
    Send,
    Series,
)
from strowger.client.requests import (
    MOST_AT_ONCE,
    Asked,
    asked,
    checked,
    listening,
    pause_after_answer,
    unreachable,
)
from strowger.client.sse import EventReader


def ask(
    manner: Manner, request: Asked, *, by: type[Send] | type[Open] = Send
) -> Plan[httpx2.Response]:
    """The answer, asked for again where that may help. Raises ClientError."""
    tries = 0
    while True:
        tries += 1
        answer = yield by(request)
        if isinstance(answer, httpx2.TransportError):
            pause = manner.retry.pause(tries, jitter=manner.jitter())
            if pause is None:
                raise unreachable(manner.url, answer) from answer
        else:
            assert isinstance(answer, httpx2.Response)
            pause = pause_after_answer(manner.retry, tries, answer, jitter=manner.jitter())
            if pause is None:
                return checked(request, tries, answer)
        yield Pause(pause)


class Asking(Resource[S]):
    """A resource whose plans ask the API."""

    def _answer(self, request: Asked) -> Plan[httpx2.Response]:
        return ask(self._shell.manner, request)

    def _read(self, path: str, **query: Any) -> Plan[Any]:
        """The JSON at a path."""
        return (yield from self._answer(asked("GET", path, query=query))).json()

    def _post(self, path: str, body: Any = None, *, key: str | None = None) -> Plan[Any]:
        """What a POST is answered with; its Idempotency-Key is made here where none is given."""
        request = asked("POST", path, body=body, idempotency_key=key)
        return (yield from self._answer(request)).json()

    def _change(self, path: str, changes: Mapping[str, Any], if_version: int | None) -> Plan[Any]:
        request = asked("PATCH", path, body=changes, if_version=if_version)
        return (yield from self._answer(request)).json()

    def _remove(self, path: str) -> Plan[None]:
        yield from self._answer(asked("DELETE", path))

    def _walk(self, path: str, **query: Any) -> Series[Any]:
        """Everything that a list holds, fetched page by page."""
        cursor: str | None = None
        while True:
            page = yield from self._read(path, limit=MOST_AT_ONCE, cursor=cursor, **query)
            for item in page["data"]:
                yield Item(item)
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def _hear(self, path: str, reader: EventReader) -> Series[Any]:
        """What one connection to a stream tells, until it ends or breaks.

        `reader` knows where to begin, and afterwards where to go on.
        """
        request = listening(path, after=reader.last_id)
        yield from ask(self._shell.manner, request, by=Open)
        while isinstance(line := (yield NextLine()), str):
            event = reader.feed(line)
            if event is not None:
                yield Item(event)
