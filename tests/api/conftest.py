"""A whole API over records in memory, with a clock that stands still and ids that count."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from strowger.api.answers import answer_of
from strowger.api.app import create_app
from strowger.api.services import Services, Surroundings, build_services
from strowger.calls.numbers import DialPolicy
from strowger.calls.resources import hash_key
from strowger.model import DEFAULT_WORKSPACE, ApiKey, KeyId, WorkspaceId
from tests.fakes import InMemoryRecords
from tests.fakes_around import ContentChecker, FixedCatalogue, InMemoryDeliveries

NOW = 1_790_000_000.125
PROBLEM = answer_of("Problem")


@dataclass
class Api:
    """The API as one client sees it; every answer is held against the document's model."""

    client: TestClient
    records: InMemoryRecords
    services: Services
    recordings: Path
    now: list[float]
    headers: dict[str, str] = field(default_factory=dict)

    def key(self, name: str, *scopes: str, expires_at: float | None = None) -> str:
        """A new key of the workspace `name`."""
        text = f"strowger_live_{len(self.records.keys):043d}"
        self.records.keys[hash_key(text)] = ApiKey(
            id=KeyId("key_1"),
            workspace_id=WorkspaceId(name),
            name="test",
            scopes=scopes or ("*",),
            expires_at=expires_at,
        )
        return text

    def as_(self, name: str, *scopes: str) -> "Api":
        """The same API with another key."""
        headers = {"Authorization": f"Bearer {self.key(name, *scopes)}"}
        return Api(self.client, self.records, self.services, self.recordings, self.now, headers)

    def get(self, path: str, answer: str, **query: Any) -> dict[str, Any]:
        response = self.client.get(path, params=query or None, headers=self.headers)
        assert response.status_code == 200, response.text
        return conforming(response, answer_of(answer))

    def post(self, path: str, body: Any, answer: str, status: int = 201) -> dict[str, Any]:
        response = self.client.post(path, json=body, headers=self.headers)
        assert response.status_code == status, response.text
        return conforming(response, answer_of(answer))

    def patch(self, path: str, body: Any, answer: str) -> dict[str, Any]:
        response = self.client.patch(path, json=body, headers=self.headers)
        assert response.status_code == 200, response.text
        return conforming(response, answer_of(answer))

    def delete(self, path: str) -> None:
        response = self.client.delete(path, headers=self.headers)
        assert (response.status_code, response.content) == (204, b""), response.text

    def refused(self, method: str, path: str, status: int, code: str, **how: Any) -> dict[str, Any]:
        """The problem that a request is answered with."""
        headers = {**self.headers, **how.pop("headers", {})}
        response = self.client.request(method, path, headers=headers, **how)
        return refusal(response, status, code)


def conforming(response: Any, model: TypeAdapter[Any]) -> dict[str, Any]:
    """The body, which must be exactly what the model describes; every answer names its request."""
    assert response.headers["x-request-id"].startswith("request_")
    model.validate_json(response.content, strict=True)
    body: dict[str, Any] = response.json()
    return body


def refusal(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = conforming(response, PROBLEM)
    assert (problem["status"], problem["code"]) == (status, code), problem
    assert problem["request_id"] == response.headers["x-request-id"]
    assert problem["type"] == f"urn:strowger:error:{code}"
    return problem


def fields_of(problem: dict[str, Any]) -> dict[str, str]:
    """Field to message."""
    return {error["field"]: error["message"] for error in problem["errors"]}


def counting_ids() -> Callable[[str], str]:
    numbers = count(1)
    return lambda prefix: f"{prefix}_{next(numbers):032x}"


@pytest.fixture
def make_api(tmp_path: Path) -> Iterator[Callable[[DialPolicy], Api]]:
    made: list[TestClient] = []

    def make(policy: DialPolicy) -> Api:
        records, now = InMemoryRecords(), [NOW]
        services = build_services(
            records,
            Surroundings(
                deliveries=InMemoryDeliveries(records),
                catalogue=FixedCatalogue(),
                checker=ContentChecker(),
            ),
            ids=counting_ids(),
            clock=lambda: now[0],
            policy=policy,
            recording_path=lambda workspace, call: tmp_path / workspace / f"{call}.wav",
        )
        client = TestClient(create_app(services), raise_server_exceptions=True)
        client.__enter__()
        made.append(client)
        api = Api(client, records, services, tmp_path, now)
        return api.as_(DEFAULT_WORKSPACE)

    yield make
    for client in made:
        client.__exit__(None, None, None)


@pytest.fixture
def api(make_api: Callable[[DialPolicy], Api]) -> Api:
    return make_api(DialPolicy())
