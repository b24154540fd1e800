"""Every refusal that the document speaks of is provoked, and every code that the program has.

What is refused in the same way everywhere is one rule below for all operations; a status that is
documented and that no rule provokes fails, and so does one that is provoked and not documented.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from strowger.api.app import HttpPolicy, bare_app, create_app
from strowger.api.problems import CODES
from strowger.calls.numbers import DialPolicy
from strowger.calls.resources import SCOPES
from strowger.errors import PreconditionFailed
from strowger.lifecycle import CallStatus
from strowger.model import DEFAULT_WORKSPACE, KeyId
from strowger.ports import DeliveryState
from tests.api.conftest import Api, refusal

DOCUMENT = bare_app().openapi()
ROOT = Path(__file__).parents[2]
AGENT = {"name": "A", "prompt": "Talk."}
EVERY_KEY = (401, 403, 429)
"""What may happen to whoever needs a key."""


@dataclass(frozen=True)
class Operation:
    method: str
    path: str

    @property
    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = DOCUMENT["paths"][self.path][self.method.lower()]
        return found

    @property
    def scope(self) -> str | None:
        security = self.described.get("security")
        return None if security is None else str(security[0]["bearer"][0])

    @property
    def example(self) -> Any:
        """A good body; None where it takes none."""
        if "requestBody" not in self.described:
            return None
        schema = self.described["requestBody"]["content"]["application/json"]["schema"]
        name = schema["$ref"].rpartition("/")[2]
        return DOCUMENT["components"]["schemas"][name]["examples"][0]

    def takes(self, parameter: str, place: str) -> bool:
        given = self.described.get("parameters", ())
        return any((p["name"].lower(), p["in"]) == (parameter, place) for p in given)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


OPERATIONS = [
    Operation(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item
]
DOCUMENTED = [
    (operation, int(status))
    for operation in OPERATIONS
    for status in operation.described["responses"]
    if 400 <= int(status) < 500
]


class House:
    """A workspace with one of everything, and requests to it that are good but for one thing."""

    def __init__(self, api: Api) -> None:
        self.api = api
        hook = api.post("/v1/webhooks", {"url": "https://example.com/"}, "CreatedWebhook")["id"]
        agent = api.post("/v1/agents", AGENT, "Agent")["id"]
        trunk = api.post("/v1/trunks", {"name": "t", "host": "127.0.0.1"}, "Trunk")["id"]
        number = {"number": "+14155550111"}
        call = {"to": "+14155550100", "agent_id": agent}
        self.ids = {
            "agent_id": agent,
            "trunk_id": trunk,
            "webhook_id": hook,
            "number_id": api.post("/v1/phone-numbers", number, "PhoneNumber")["id"],
            "secret_id": api.post("/v1/secrets", {"name": "K", "value": "v"}, "Secret")["id"],
            "call_id": api.post("/v1/calls", call, "Call")["id"],
            "delivery_id": api.post(f"/v1/webhooks/{hook}/test", None, "Delivery", 202)["id"],
            "key_id": api.post(
                "/v1/api-keys", {"name": "k", "scopes": ["calls:read"]}, "CreatedApiKey"
            )["id"],
            "version": "1",
        }

    def set_call(self, **changes: Any) -> None:
        calls = self.api.records.calls
        calls[self.ids["call_id"]] = replace(calls[self.ids["call_id"]], **changes)

    def record(self) -> None:
        """The call is over, and its recording there."""
        call = self.api.records.calls[self.ids["call_id"]]
        kept = replace(call.recording, available=True, duration=1.0)
        self.set_call(status=CallStatus.COMPLETED, recording=kept)
        file = self.api.recordings / call.workspace_id / f"{call.id}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"RIFF" + bytes(96))

    def ask(self, operation: Operation, **how: Any) -> httpx2.Response:
        """A good request, but for what is given."""
        ids = how.pop("ids", self.ids)
        headers = {**self.api.headers, **how.pop("headers", {})}
        if "content" not in how and operation.example is not None:
            how.setdefault("json", operation.example)
        path = re.sub(r"{(\w+)}", lambda found: ids[found.group(1)], operation.path)
        client = how.pop("client", self.api.client)
        response: httpx2.Response = client.request(operation.method, path, headers=headers, **how)
        return response


Provoke = Callable[[House, Operation], httpx2.Response]
JSON = {"Content-Type": "application/json"}


def malformed(house: House, operation: Operation) -> httpx2.Response:
    return house.ask(operation, content=b"{", headers=JSON)


def without_key(house: House, operation: Operation) -> httpx2.Response:
    return house.ask(operation, headers={"Authorization": ""})


def without_scope(house: House, operation: Operation) -> httpx2.Response:
    rest = [scope for scope in SCOPES if scope != operation.scope]
    return house.ask(operation, headers=house.api.as_(DEFAULT_WORKSPACE, *rest).headers)


def unknown_id(house: House, operation: Operation) -> httpx2.Response:
    nothing = {name: f"{name.partition('_')[0]}_{'0' * 32}" for name in house.ids}
    return house.ask(operation, ids=nothing)


def in_the_way(house: House, operation: Operation) -> httpx2.Response:
    """409: a POST by its Idempotency-Key, a PATCH by others who change it all the time."""
    if operation.method == "POST":
        key = {"Idempotency-Key": "another request's"}
        first = house.api.client.post(
            "/v1/agents", json=AGENT, headers={**house.api.headers, **key}
        )
        assert first.status_code == 201
        return house.ask(operation, headers=key)
    if operation.method == "DELETE":
        return house.ask(operation)  # the trunk that the call waits for

    async def changed_again(*_: Any, **__: Any) -> None:
        raise PreconditionFailed("somebody else was faster")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("agent", "trunk", "number", "webhook"):
            patch.setattr(house.api.records, f"replace_{name}", changed_again)
        return house.ask(operation)


def stale(house: House, operation: Operation) -> httpx2.Response:
    return house.ask(operation, headers={"If-Match": '"999"'})


def too_large(house: House, operation: Operation) -> httpx2.Response:
    return house.ask(operation, content=b" " * (256 * 1024 + 1), headers=JSON)


def not_json(house: House, operation: Operation) -> httpx2.Response:
    return house.ask(operation, content=b"{}", headers={"Content-Type": "text/plain"})


def beyond_the_end(house: House, operation: Operation) -> httpx2.Response:
    house.record()
    return house.ask(operation, headers={"Range": "bytes=100000-"})


def wrong_field(house: House, operation: Operation) -> httpx2.Response:
    if operation.example is not None:
        return house.ask(operation, json={**operation.example, "colour": "red"})
    if operation.method == "POST":
        return house.ask(operation, headers={"Idempotency-Key": "x" * 256})
    if operation.takes("last-event-id", "header"):
        return house.ask(operation, headers={"Last-Event-ID": "the last"})
    return house.ask(operation, params={"colour": "red"})


class UsedUp:
    """`ports.RateStore` of a minute that others have used up."""

    async def count(self, key: KeyId, requests: int, *, window: float) -> int:
        return 1_000_000


def too_often(house: House, operation: Operation) -> httpx2.Response:
    from starlette.testclient import TestClient

    policy = HttpPolicy(rate_limit=1)
    app = create_app(house.api.services, policy=policy, rates=UsedUp())
    with TestClient(app) as client:
        return house.ask(operation, client=client)


RULES: dict[int, tuple[Provoke, str | None]] = {
    400: (malformed, "malformed_json"),
    401: (without_key, "unauthenticated"),
    403: (without_scope, "missing_scope"),
    404: (unknown_id, "not_found"),
    409: (in_the_way, None),
    412: (stale, "version_mismatch"),
    413: (too_large, "body_too_large"),
    415: (not_json, "unsupported_media_type"),
    416: (beyond_the_end, "range_not_satisfiable"),
    422: (wrong_field, None),
    429: (too_often, "rate_limited"),
}
"""For each status how it is provoked, and the code that says so where it is always the same."""


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_every_documented_refusal_happens_and_changes_nothing(
    api: Api, operation: Operation
) -> None:
    house = House(api)
    refused = sorted(status for at, status in DOCUMENTED if at == operation)
    for status in sorted(refused, key=lambda status: status in SETS_THE_STAGE):
        provoke, code = RULES[status]
        before = kept(api)
        response = provoke(house, operation)
        assert response.status_code == status, response.text
        if operation.method != "HEAD":
            found = refusal(response, status, code or response.json()["code"])
            assert found["detail"]
        assert status in SETS_THE_STAGE or kept(api) == before, status


SETS_THE_STAGE = {409, 416}
"""Refusals that something has to be done for first."""


def kept(api: Api) -> list[Any]:
    """What is there now, but for the keys, of which these tests make some."""
    records = api.records
    return [
        dict(records.calls), dict(records.agents), dict(records.trunks), dict(records.numbers),
        dict(records.webhooks), list(records.events), list(records.audit),
    ]  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_what_can_happen_everywhere_is_documented_everywhere(
    api: Api, operation: Operation
) -> None:
    house, documented = House(api), set(operation.described["responses"])
    for status in EVERY_KEY if operation.scope is not None else ():
        assert RULES[status][0](house, operation).status_code == status
        assert str(status) in documented
    for provoke in (malformed, too_large, not_json) if operation.example is not None else ():
        assert str(provoke(house, operation).status_code) in documented
    if operation.method == "POST":
        assert {str(in_the_way(house, operation).status_code)} <= documented
    if "{" in operation.path:
        assert str(unknown_id(house, operation).status_code) in documented
    if operation.takes("if-match", "header"):
        assert str(stale(house, operation).status_code) in documented


# ── codes ──

NEVER_ALONE = {"bad_request", "forbidden", "conflict"}
"""Codes of whole classes: what is raised says more."""
ELSEWHERE = {
    "internal_error": "tests/api/test_http.py",
    "unavailable": "tests/api/test_http.py",
    "idempotency_in_progress": "tests/api/test_idempotency.py",
}
"""Codes that take more than a request to provoke, and where that is done."""


def answered_codes() -> Iterator[str]:
    """The codes of all errors that the parts behind the API raise, read from their source."""
    source = ROOT / "src" / "strowger"
    files = [source / "errors.py", *(source / "api").glob("*.py")]
    for part in ("calls", "store"):
        files += (source / part).rglob("*.py")
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.keyword(arg="code", value=ast.Constant(value=str(code))):
                    yield code
                case ast.ClassDef(body=body):
                    for line in body:
                        match line:
                            case ast.Assign(
                                targets=[ast.Name(id="code")], value=ast.Constant(value=str(code))
                            ):
                                yield code
                case ast.FunctionDef(name="_code"):
                    yield from (
                        inner.value
                        for inner in ast.walk(node)
                        if isinstance(inner, ast.Return) and isinstance(inner.value, ast.Constant)
                        for inner in [inner.value]
                        if isinstance(inner.value, str)
                    )
    yield from CODES.values()


def call(house: House, **fields: Any) -> tuple[str, str, dict[str, Any]]:
    body = {"to": "+14155550100", "agent_id": house.ids["agent_id"], **fields}
    return "POST", "/v1/calls", {"json": body}


def over(house: House) -> tuple[str, str, dict[str, Any]]:
    house.set_call(status=CallStatus.COMPLETED)
    return "POST", f"/v1/calls/{house.ids['call_id']}/end", {}


def no_trunk(house: House) -> tuple[str, str, dict[str, Any]]:
    house.api.records.trunks.clear()
    return call(house)


def expired(house: House) -> tuple[str, str, dict[str, Any]]:
    key = house.api.key(DEFAULT_WORKSPACE, expires_at=1.0)
    return "GET", "/v1/agents", {"headers": {"Authorization": f"Bearer {key}"}}


def outliving(house: House) -> tuple[str, str, dict[str, Any]]:
    key = house.api.key(DEFAULT_WORKSPACE, expires_at=house.api.now[0] + 60)
    body = {"name": "k", "scopes": ["*"]}
    return "POST", "/v1/api-keys", {"json": body, "headers": {"Authorization": f"Bearer {key}"}}


def stranger(house: House) -> tuple[str, str, dict[str, Any]]:
    return "GET", "/metrics", {"headers": house.api.as_("workspace_other").headers}


def waiting(house: House) -> tuple[str, str, dict[str, Any]]:
    deliveries: Any = house.api.services.deliveries
    id = house.ids["delivery_id"]
    reports = deliveries._deliveries.reports
    reports[id] = replace(reports[id], state=DeliveryState.WAITING)
    return "POST", f"/v1/deliveries/{id}/retry", {}


def disabled(house: House) -> tuple[str, str, dict[str, Any]]:
    path = f"/v1/webhooks/{house.ids['webhook_id']}"
    house.api.patch(path, {"enabled": False}, "Webhook")
    return "POST", f"{path}/test", {}


def with_test_key(house: House) -> tuple[str, str, dict[str, Any]]:
    body = {"name": "t", "scopes": ["*"], "test": True}
    key = house.api.post("/v1/api-keys", body, "CreatedApiKey")["key"]
    path = f"/v1/trunks/{house.ids['trunk_id']}"
    return "DELETE", path, {"headers": {"Authorization": f"Bearer {key}"}}


def rule(status: int, method: str, path: str) -> Callable[[House], httpx2.Response]:
    return lambda house: RULES[status][0](house, Operation(method, path))


BY_CODE: dict[str, Callable[[House], Any]] = {
    "body_too_large": rule(413, "POST", "/v1/agents"),
    "call_state": over,
    "changed_meanwhile": rule(409, "PATCH", "/v1/trunks/{trunk_id}"),
    "delivery_waiting": waiting,
    "destination_not_allowed": lambda house: call(house, to="sip:bob@example.com"),
    "expires_too_late": outliving,
    "idempotency_conflict": rule(409, "POST", "/v1/trunks"),
    "invalid_cursor": lambda house: ("GET", "/v1/agents", {"params": {"cursor": "AAAA"}}),
    "invalid_idempotency_key": rule(422, "POST", "/v1/webhooks/{webhook_id}/rotate"),
    "invalid_phone_number": lambda house: call(house, to="+1"),
    "invalid_request": lambda house: ("POST", "/v1/agents", {"json": {"name": 7}}),
    "key_expired": expired,
    "malformed_json": rule(400, "POST", "/v1/agents"),
    "method_not_allowed": lambda house: ("PUT", "/v1/agents", {}),
    "missing_scope": rule(403, "GET", "/v1/agents"),
    "no_trunk": no_trunk,
    "not_found": rule(404, "GET", "/v1/agents/{agent_id}"),
    "number_exists": lambda house: (
        "POST", "/v1/phone-numbers", {"json": {"number": "+14155550111"}}
    ),
    "operator_only": stranger,
    "range_not_satisfiable": rule(416, "GET", "/v1/calls/{call_id}/recording"),
    "rate_limited": rule(429, "GET", "/v1/agents"),
    "recording_not_available": lambda house: (
        "GET", f"/v1/calls/{house.ids['call_id']}/recording", {}
    ),
    "secret_exists": lambda house: ("POST", "/v1/secrets", {"json": {"name": "K", "value": "v"}}),
    "test_key": with_test_key,
    "trunk_in_use": lambda house: ("DELETE", f"/v1/trunks/{house.ids['trunk_id']}", {}),
    "unauthenticated": rule(401, "GET", "/v1/agents"),
    "unknown_agent": lambda house: call(house, agent_id="agent_x"),
    "unknown_caller_id": lambda house: call(house, **{"from": "+14155550198"}),
    "unknown_field": lambda house: ("POST", "/v1/agents", {"json": {**AGENT, "colour": "red"}}),
    "unsupported_media_type": rule(415, "POST", "/v1/agents"),
    "version_mismatch": rule(412, "PATCH", "/v1/trunks/{trunk_id}"),
    "webhook_disabled": disabled,
}  # fmt: skip


@pytest.mark.parametrize("code", BY_CODE)
def test_every_code_is_answered_where_it_should_be(
    make_api: Callable[[DialPolicy], Api], code: str
) -> None:
    house = House(make_api(DialPolicy()))
    provoked = BY_CODE[code](house)
    if isinstance(provoked, tuple):
        method, path, how = provoked
        headers = {**house.api.headers, **how.pop("headers", {})}
        provoked = house.api.client.request(method, path, headers=headers, **how)
    refusal(provoked, provoked.status_code, code)
    assert 400 <= provoked.status_code < 500
    assert (code, provoked.status_code) in explained()


def explained() -> set[tuple[str, int]]:
    """The codes of docs/reference/errors.md with their statuses."""
    text = (ROOT / "docs" / "reference" / "errors.md").read_text()
    return {
        (code, int(status)) for code, status in re.findall(r"^\| `(\w+)` \| (\d+) \|", text, re.M)
    }


def test_no_code_is_without_its_provocation_and_its_explanation() -> None:
    codes = set(answered_codes()) - NEVER_ALONE
    assert codes == set(BY_CODE) | set(ELSEWHERE)
    for code, file in ELSEWHERE.items():
        assert f'"{code}"' in (ROOT / file).read_text(), file
    assert {code for code, _ in explained()} == codes
