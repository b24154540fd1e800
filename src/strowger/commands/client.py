"""The Python client as the command line uses it: what goes wrong is said in one line."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from strowger.client import Client, ClientError, ServerUnreachable
from strowger.client.requests import asked
from strowger.errors import ConfigurationError

OVER = frozenset({"call.completed", "call.failed"})


class ServerClient:
    """Speaks to one server with one key. Every failure is a ConfigurationError with advice."""

    def __init__(self, url: str, key: str) -> None:
        self._client = Client(url, key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.close()

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        with _advice():
            return dict(self._client.get(path, **query))

    def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        with _advice():
            return dict(self._client.post(path, body))

    def download(self, path: str) -> bytes:
        with _advice():
            return self._client.send(asked("GET", path)).content

    def events(self, call_id: str) -> Iterator[dict[str, Any]]:
        """The events of a call as they happen, to the one that ends it."""
        with _advice():
            for event in self._client.calls.events(call_id):
                yield dict(event)
                if event["type"] in OVER:
                    return


@contextmanager
def _advice() -> Iterator[None]:
    try:
        yield
    except ServerUnreachable as error:
        raise ConfigurationError(f"{error}; start one with: strowger serve") from error
    except ClientError as error:
        raise ConfigurationError(str(error)) from error
