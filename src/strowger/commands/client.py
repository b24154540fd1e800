"""What the command line needs of a running server: a few calls over HTTP, and plain words."""

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import httpx2

from strowger.errors import ConfigurationError

WAIT = 20
"""Seconds the server may hold a question for new events open."""
OVER = frozenset({"call.completed", "call.failed"})


class ServerClient:
    """Speaks to one server with one key. Every failure is a ConfigurationError with advice."""

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx2.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx2.Timeout(10.0, read=WAIT + 10.0),
            trust_env=False,
        )
        self._url = url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        return self._json("GET", path, params=query)

    def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        return self._json("POST", path, json=body)

    def download(self, path: str) -> bytes:
        return self._request("GET", path).content

    def events(self, call_id: str) -> Iterator[dict[str, Any]]:
        """The events of a call as they happen, to the one that ends it."""
        after = 0
        while True:
            page = self.get(f"/v1/calls/{call_id}/events", after=after, wait=WAIT, limit=100)
            for event in page["data"]:
                after = event["sequence"]
                yield event
                if event["type"] in OVER:
                    return

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer = self._request(method, path, **options).json()
        assert isinstance(answer, dict)
        return answer

    def _request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        try:
            answer = self._http.request(method, path, **options)
        except httpx2.TransportError as error:
            raise ConfigurationError(
                f"no Strowger answers at {self._url} ({error}); start one with: strowger serve"
            ) from error
        if answer.is_success:
            return answer
        raise ConfigurationError(_problem(answer))


def _problem(answer: httpx2.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        return f"the server answered {answer.status_code}"
    fields = "; ".join(f"{e['field']}: {e['message']}" for e in problem.get("errors", ()))
    detail = problem.get("detail") or problem.get("title") or answer.status_code
    return f"{detail} ({fields})" if fields else str(detail)
