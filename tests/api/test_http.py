"""What holds for every request: keys, scopes, bodies, errors, ids, health."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from strowger.api.answers import answer_of
from strowger.calls.resources import SCOPES, KeyService
from strowger.model import DEFAULT_WORKSPACE
from tests.api.conftest import Api, conforming, counting_ids, fields_of, refusal

AGENT = {"name": "Reminder", "prompt": "Remind them."}
JSON = {"Content-Type": "application/json"}


def routes(api: Api) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation of the document that needs a key."""
    for path, operations in api.client.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/v1/"):
                yield method.upper(), path, operation


# ── keys and scopes ──


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer  "},
        {"Authorization": "Basic c3Ryb3dnZXI6"},
        {"Authorization": "Bearer strowger_live_short"},
        {"Authorization": "Bearer strowger_live_" + "x" * 43},
        {"Authorization": "Bearer strowger_live_" + "x" * 43 + "\u00e9"},
        {"X-API-Key": "strowger_live_" + "x" * 43},
        {"X-API-Key": ""},
    ],
)
def test_without_a_good_key_nothing_is_served(api: Api, headers: dict[str, str]) -> None:
    for method, path, _ in routes(api):
        sent = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
        response = api.client.request(method, path.replace("{", "").replace("}", ""), headers=sent)
        assert response.headers["www-authenticate"] == 'Bearer realm="strowger"'
        if method != "HEAD":
            refusal(response, 401, "unauthenticated")


def test_a_key_goes_in_either_header(api: Api) -> None:
    key = api.key(DEFAULT_WORKSPACE)
    for headers in ({"Authorization": f"Bearer {key}"}, {"authorization": f"bearer {key}"},
                    {"X-API-Key": key}):  # fmt: skip
        assert api.client.get("/v1/calls", headers=headers).status_code == 200
    wrong = {"Authorization": "Bearer nonsense", "X-API-Key": key}
    refusal(api.client.get("/v1/calls", headers=wrong), 401, "unauthenticated")


def test_a_key_expires(api: Api) -> None:
    headers = {"X-API-Key": api.key(DEFAULT_WORKSPACE, expires_at=api.now[0] + 2)}
    assert api.client.get("/v1/calls", headers=headers).status_code == 200
    api.now[0] += 2
    refusal(api.client.get("/v1/calls", headers=headers), 401, "key_expired")


def test_a_key_is_remembered_for_a_moment_only(api: Api) -> None:
    api.get("/v1/calls", "CallList")
    api.records.keys.clear()
    api.now[0] += 4.9
    api.get("/v1/calls", "CallList")
    api.now[0] += 0.2
    api.refused("GET", "/v1/calls", 401, "unauthenticated")


def test_every_route_needs_exactly_the_scope_it_documents(api: Api) -> None:
    scopes = set()
    for method, path, operation in routes(api):
        (scope,) = operation["security"][0]["bearer"]
        assert operation["security"] == [{"bearer": [scope]}, {"api_key": [scope]}]
        scopes.add(scope)
        assert scope.endswith(":read") == (method in {"GET", "HEAD"})
        others = [other for other in SCOPES if other != scope]
        response = api.client.request(method, path, headers=api.as_("w", *others).headers)
        assert response.status_code == 403, (method, path)
        response = api.client.request(method, path, headers=api.as_("w", scope).headers)
        assert response.status_code in {200, 404, 415}, (method, path)
    assert scopes | {"metrics:read"} == set(SCOPES)  # /metrics has tests of its own
    reader = api.as_("w", "calls:read")
    problem = reader.refused("POST", "/v1/calls", 403, "missing_scope", json={})
    assert "calls:write" in problem["detail"]


def test_a_key_that_was_made_opens_the_door(api: Api) -> None:
    keys = KeyService(api.records, ids=counting_ids(), clock=lambda: api.now[0])
    making = keys.create(DEFAULT_WORKSPACE, "laptop", scopes=["calls:read"])
    key, text = asyncio.run(making)
    assert key.scopes == ("calls:read",)
    assert text not in repr(api.records.__dict__)
    headers = {"Authorization": f"Bearer {text}"}
    assert api.client.get("/v1/calls", headers=headers).status_code == 200


# ── bodies ──


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{'name': 1}", "not JSON"),
        (b'{"name": "a"} x', "not JSON"),
        (b'{"name": "a",}', "not JSON"),
        (b'{"name": "a", "name": "b"}', "twice"),
        (b'{"name": "a", "default_variables": {"x": 1, "x": 2}}', "twice"),
        (b'{"name": NaN}', "NaN"),
        (b'{"default_variables": {"a": Infinity}}', "Infinity"),
        (b'{"default_variables": {"a": -Infinity}}', "Infinity"),
        (b'{"default_variables": {"a": 1e999}}', "too large"),
        (b'{"default_variables": {"a": ' + b"9" * 33 + b"}}", "digits"),
        (b'{"default_variables": {"a": ' + b"9" * 5000 + b"}}", "digits"),
        (b"[" * 33 + b"]" * 33, "deep"),
        (b"[" * 100_000 + b"]" * 100_000, "deep"),
        (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, "deep"),
        ('{"name": "a"}'.encode("utf-16"), "UTF-8"),
        ('{"name": "a"}'.encode("utf-8-sig"), "not JSON"),
        (b'{"name": "\xff"}', "UTF-8"),
        (b'{"name": "a\nb"}', "not JSON"),
    ],
)
def test_what_is_not_json_is_refused(api: Api, body: bytes, said: str) -> None:
    problem = api.refused("POST", "/v1/agents", 400, "malformed_json", content=body, headers=JSON)
    assert said in problem["detail"]
    assert api.records.agents == {}


@pytest.mark.parametrize("body", [b"[]", b"null", b'"name"', b"1", b"true"])
def test_a_body_that_is_no_object_is_refused(api: Api, body: bytes) -> None:
    how = {"content": body, "headers": JSON}
    problem = api.refused("POST", "/v1/agents", 422, "invalid_request", **how)
    assert fields_of(problem) == {"body": "expected an object"}


@pytest.mark.parametrize(
    ("text", "said"), [("\\u0000", "NUL"), ("\\ud800", "surrogate"), ("\\udc00x", "surrogate")]
)
def test_text_that_cannot_be_kept_is_refused(api: Api, text: str, said: str) -> None:
    body = '{"name": "%s", "prompt": "x", "default_variables": {"a": "%s", "%s": 1}}'
    content = (body % (text, text, text)).encode()
    how = {"content": content, "headers": JSON}
    problem = api.refused("POST", "/v1/agents", 422, "invalid_request", **how)
    assert set(fields_of(problem)) == {"name", "default_variables.a", "default_variables"}
    assert all(said in message for message in fields_of(problem).values())


def test_text_of_all_scripts_comes_back_as_it_was(api: Api) -> None:
    name = "Größe Ñandú \U0001f4de 電話 عمر e\u0301"
    assert api.post("/v1/agents", {**AGENT, "name": name}, "Agent")["name"] == name
    escaped = json.dumps({**AGENT, "name": name}, ensure_ascii=True).encode()
    response = api.client.post("/v1/agents", content=escaped, headers={**api.headers, **JSON})
    assert response.json()["name"] == name


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/jsonx"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_a_body_must_say_that_it_is_json(api: Api, headers: dict[str, str]) -> None:
    content = json.dumps(AGENT).encode()
    how = {"content": content, "headers": headers}
    api.refused("POST", "/v1/agents", 415, "unsupported_media_type", **how)


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"'],
)
def test_json_in_utf_8_is_taken(api: Api, media_type: str) -> None:
    headers = {**api.headers, "Content-Type": media_type}
    response = api.client.post("/v1/agents", content=json.dumps(AGENT), headers=headers)
    assert response.status_code == 201


def test_a_large_body_is_refused_before_it_is_read(api: Api) -> None:
    body = json.dumps({**AGENT, "prompt": "x" * 256 * 1024}).encode()
    how = {"content": body, "headers": JSON}
    problem = api.refused("POST", "/v1/agents", 413, "body_too_large", **how)
    assert "262144" in problem["detail"]
    room = 256 * 1024 - len(json.dumps({**AGENT, "prompt": ""}))
    api.post("/v1/agents", {**AGENT, "prompt": "x" * (room - 10)}, "Agent")


def test_a_large_body_in_chunks_is_refused_as_well(api: Api) -> None:
    read = []

    def chunks() -> Iterator[bytes]:
        yield b'{"name": "'
        for index in range(100):
            read.append(index)
            yield b"x" * 16_384

    headers = {**JSON, "Transfer-Encoding": "chunked"}
    api.refused("POST", "/v1/agents", 413, "body_too_large", content=chunks(), headers=headers)
    assert api.records.agents == {}


# ── errors and ids ──


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/calls/", "/v1/nothing", "/v1/calls/a/b", "/docs"]
)
def test_an_address_that_is_not_there_is_a_problem(api: Api, path: str) -> None:
    api.refused("GET", path, 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/calls", "GET, POST"),
        ("PUT", "/v1/agents/agent_1", "DELETE, GET, PATCH"),
        ("POST", "/v1/calls/call_1/recording", "GET, HEAD"),
        ("GET", "/v1/calls/call_1/end", "POST"),
        ("POST", "/healthz", "GET"),
        ("BREW", "/v1/calls", "GET, POST"),
    ],
)
def test_a_method_that_is_not_there_says_which_are(
    api: Api, method: str, path: str, allowed: str
) -> None:
    response = api.client.request(method, path, headers=api.headers)
    refusal(response, 405, "method_not_allowed")
    assert response.headers["allow"] == allowed


def test_every_request_has_an_id_of_its_own(api: Api) -> None:
    asked = {**api.headers, "X-Request-Id": "mine"}
    ids = {api.client.get("/v1/calls", headers=asked).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert "mine" not in ids


def test_a_lost_database_is_503_and_tells_nothing_of_itself(api: Api) -> None:
    agent = api.post("/v1/agents", AGENT, "Agent")["id"]
    api.records.lost = True
    for method, path, operation in routes(api):
        if method == "HEAD":
            continue
        body: dict[str, Any] = {"json": AGENT} if "requestBody" in operation else {}
        address = path.replace("{agent_id}", agent)
        api.now[0] += 10  # the key is looked up anew
        response = api.client.request(method, address, headers=api.headers, **body)
        problem = refusal(response, 503, "unavailable")
        assert response.headers["retry-after"] == "2"
        assert "10.1.2.3" not in str(problem)


def test_a_defect_is_500_with_an_id_and_without_details(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("the password is swordfish")

    api.records.list_agents = fail  # type: ignore[assignment,method-assign]
    problem = api.refused("GET", "/v1/agents", 500, "internal_error")
    assert "swordfish" not in str(problem)
    assert "Zero" not in str(problem)
    logged = capsys.readouterr().out
    assert problem["request_id"] in logged
    assert "ZeroDivisionError" in logged


def test_keys_and_secrets_are_not_logged(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.post("/v1/trunks", {"name": "A", "host": "a.b", "username": "u", "password": "swordfish"},
             "Trunk")  # fmt: skip
    secret = api.post("/v1/webhooks", {"url": "https://example.com/"}, "CreatedWebhook")["secret"]
    api.refused("POST", "/v1/trunks", 422, "invalid_request", json={"password": "swordfish"})
    logged = capsys.readouterr().out
    assert "POST" in logged
    for hidden in ("swordfish", secret, api.headers["Authorization"].split()[1]):
        assert hidden not in logged


# ── health ──


def test_health_needs_no_key_and_readiness_asks_the_database(api: Api) -> None:
    assert conforming_health(api.client, "/healthz") == {"status": "ok"}
    assert conforming_health(api.client, "/readyz", "Readiness")["database"] == "ok"
    api.records.lost = True
    assert conforming_health(api.client, "/healthz") == {"status": "ok"}
    refusal(api.client.get("/readyz"), 503, "unavailable")


def conforming_health(client: TestClient, path: str, answer: str = "Health") -> dict[str, Any]:
    response = client.get(path)
    assert response.status_code == 200
    return conforming(response, answer_of(answer))
