"""The document against a live server: requests drawn from it, answers held against it.

The server is a process of its own with a real database behind a real socket. Drawn the same each
time and few of each kind, so that this stays a test and no campaign. Ids are those of things that
are there, where one is; and in walks from link to link, of things that the walk itself has made.
"""

import json
import os
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import httpx2
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.core.errors import UnsupportedSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance

from strowger.api.app import bare_app
from strowger.api.requests import CALL_EXAMPLE
from tests.api.live_server import Live, live_server
from tests.postgres import fresh_database

EXAMPLES = int(os.environ.get("STROWGER_FUZZ_EXAMPLES", "6"))
"""Requests for each operation as it should be, and as many as it should not be; more of both with
`make fuzz`."""
WALKS, STEPS = 24, 20
"""How many walks from link to link, and how long."""

MADE = {
    "agent_id": ("/v1/agents", CALL_EXAMPLE["agent"]),
    "trunk_id": ("/v1/trunks", {"name": "carrier", "host": "sip.example.com", "is_default": True}),
    "number_id": ("/v1/phone-numbers", {"number": "+14155550199"}),
    "webhook_id": ("/v1/webhooks", {"url": "https://example.com/hook"}),
    "key_id": ("/v1/api-keys", {"name": "CRM", "scopes": ["calls:read"]}),
    "secret_id": ("/v1/secrets", {"name": "CRM_KEY", "value": "k-123"}),
    "call_id": ("/v1/calls", CALL_EXAMPLE),
}
ABOUT_WHAT_IS_OVER = frozenset({"/v1/calls/{call_id}/live", "/v1/calls/{call_id}/recording"})
"""Of these a call that is over has something to tell; the stream of one that waits has no end."""
UNKNOWABLE = [positive_data_acceptance]
"""What a schema cannot say (numbers that are possible, agents that exist) is refused with 422."""


class Home:
    """The live server, with one of each thing where one is asked for."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.client = httpx2.Client(base_url=live.url, headers=live.headers, trust_env=False)
        self._ids: dict[str, str] = {}

    def id_for(self, parameter: str, path: str) -> str:
        """The id of a thing that is there: made again where a request has deleted it."""
        if path in ABOUT_WHAT_IS_OVER:
            return self.live.finished_call
        if parameter == "delivery_id":
            return self._make(f"/v1/webhooks/{self.id_for('webhook_id', path)}/test", None)
        collection, body = MADE[parameter]
        known = self._ids.get(parameter)
        if known is None or self.client.get(f"{collection}/{known}").is_error:
            if parameter == "call_id":
                self._make(*MADE["trunk_id"])  # a default trunk, whatever became of the others
            self._ids[parameter] = self._make(collection, body)
        return self._ids[parameter]

    def _make(self, path: str, body: Any) -> str:
        made = self.client.post(path, json=body)
        if made.status_code == 409 and path.endswith("/test"):  # the webhook is off
            self.client.patch(path.removesuffix("/test"), json={"enabled": True})
            return self._make(path, body)
        if made.status_code == 409:  # one of that name or number is there
            return str(self.client.get(path).json()["data"][0]["id"])
        assert made.status_code in {201, 202}, made.text
        return str(made.json()["id"])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with fresh_database() as url, live_server(url, tmp_path_factory.mktemp("live")) as live:
        made = Home(live)
        yield made
        made.client.close()


DOCUMENT = bare_app().openapi()
REFUSALS = [400, 401, 403, 404, 405, 406, 409, 412, 415, 422, 428, 429]
"""What a wrong request may be answered with: schemathesis does not think of 412 by itself."""
CONFIG = SchemathesisConfig.from_dict(
    {"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}}
)
SCHEMA: Any = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG)
OPERATIONS = [(method, path) for path, item in DOCUMENT["paths"].items() for method in item]
BOUNDED: Any = {
    "max_examples": EXAMPLES,
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "phases": [Phase.generate],
}


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_the_server_answers_as_the_document_says(
    method: str, path: str, mode: GenerationMode, home: Home
) -> None:
    operation = SCHEMA[path][method]

    @settings(**BOUNDED)
    @given(case=operation.as_strategy(generation_mode=mode))
    def hold(case: Any) -> None:
        for name, value in (case.path_parameters or {}).items():
            known = name in MADE or name == "delivery_id"
            if known and (len(str(value)) % 2 == 0 or path in ABOUT_WHAT_IS_OVER):
                case.path_parameters[name] = home.id_for(name, path)
        if isinstance((case.query or {}).get("wait"), int | float):
            case.query["wait"] = min(case.query["wait"], 0.01)  # nobody waits for news here
        case.call_and_validate(
            base_url=home.live.url, headers=home.live.headers, excluded_checks=UNKNOWABLE
        )

    try:
        hold()
    except (Unsatisfiable, UnsupportedSchema):
        # It takes nothing that could be wrong, or has a header whose contrary cannot be drawn.
        assert mode is GenerationMode.NEGATIVE


def test_walks_from_link_to_link_find_what_they_made(home: Home) -> None:
    """Made, read, changed, deleted, in any order: after each step the answer is as documented, and
    what was deleted stays so. Each walk begins in an empty workspace: what is drawn depends on what
    is found, and Hypothesis holds that the same beginning is followed by the same."""
    machine, keys = SCHEMA.as_state_machine(), cycle(home.live.strangers)
    seen: set[tuple[str, int]] = set()

    class Walk(machine):  # type: ignore[misc, valid-type]
        def setup(self) -> None:
            self.headers = {"Authorization": f"Bearer {next(keys)}"}

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            if isinstance((case.query or {}).get("wait"), int | float):
                case.query["wait"] = 0.01
            if case.operation.path.endswith("/live"):
                case.path_parameters["call_id"] = home.live.finished_call
            return {"base_url": home.live.url, "headers": self.headers}

        def validate_response(self, response: Any, case: Any, **how: Any) -> None:
            seen.add((case.operation.label, response.status_code))
            case.validate_response(response, excluded_checks=UNKNOWABLE)

    Walk.run(settings=settings(**{**BOUNDED, "max_examples": WALKS}, stateful_step_count=STEPS))
    followed = {label for label, status in seen if "{" in label and status < 300}
    assert len(followed) >= 5, sorted(seen)


def test_what_a_stream_tells_is_as_documented(home: Home) -> None:
    """Fuzzing reads the list only: a stream of everything has no end."""
    event = {"$ref": "#/components/schemas/Event", "components": DOCUMENT["components"]}
    holds = jsonschema_rs.validator_for(event)
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "0"}
    heard: list[Any] = []
    with home.client.stream("GET", "/v1/events", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "data":
                heard.append(json.loads(value))
                holds.validate(heard[-1])
            if len(heard) == 5:
                break
    assert [one["type"] for one in heard[:2]] == ["call.queued", "call.initiated"]
