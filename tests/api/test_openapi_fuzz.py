"""The document against the server: requests drawn from it, answers held against it.

Drawn the same each time and few of each kind, so that this stays a test and no campaign. Ids are
those of things that are there, where one is.
"""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.errors import UnsupportedSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance

from strowger.api.app import bare_app
from strowger.api.requests import CALL_EXAMPLE
from tests.api.conftest import Api

EXAMPLES = 15
"""Requests for each operation as it should be, and as many as it should not be."""

MADE = {
    "agent_id": ("/v1/agents", CALL_EXAMPLE["agent"]),
    "trunk_id": ("/v1/trunks", {"name": "carrier", "host": "sip.example.com", "is_default": True}),
    "number_id": ("/v1/phone-numbers", {"number": "+14155550199"}),
    "webhook_id": ("/v1/webhooks", {"url": "https://example.com/hook"}),
    "call_id": ("/v1/calls", CALL_EXAMPLE),
}


ENDLESS = frozenset({"/v1/calls/{call_id}/live", "/v1/events"})
"""Streams that have no end; other tests read them."""


class House:
    """A server over records in memory, with one of each thing where one is asked for."""

    def __init__(self, api: Api) -> None:
        self.app = api.client.app
        self.client = api.client
        self.headers = api.headers
        self._ids: dict[str, str] = {}

    def id_for(self, parameter: str) -> str:
        """The id of a thing that is there: made again where a request has deleted it."""
        path, body = MADE[parameter]
        known = self._ids.get(parameter)
        if known is None or self.client.get(f"{path}/{known}", headers=self.headers).is_error:
            if parameter == "call_id":
                self._make(*MADE["trunk_id"])  # a default trunk, whatever became of the others
            self._ids[parameter] = self._make(path, body)
        return self._ids[parameter]

    def _make(self, path: str, body: Any) -> str:
        made = self.client.post(path, json=body, headers=self.headers)
        if made.status_code == 409:  # the number is there, under another id
            return str(self.client.get(path, headers=self.headers).json()["data"][0]["id"])
        assert made.status_code == 201, made.text
        return str(made.json()["id"])


@pytest.fixture
def house(api: Api) -> House:
    return House(api)


DOCUMENT = bare_app().openapi()
SCHEMA: Any = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = [
    (method, path)
    for path, item in DOCUMENT["paths"].items()
    for method in item
    if path not in ENDLESS
]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_the_server_answers_as_the_document_says(
    method: str, path: str, mode: GenerationMode, house: House
) -> None:
    SCHEMA.app = house.app
    operation = SCHEMA[path][method]

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def hold(case: Any) -> None:
        for name, value in (case.path_parameters or {}).items():
            if name in MADE and len(str(value)) % 2 == 0:
                case.path_parameters[name] = house.id_for(name)
        if isinstance((case.query or {}).get("wait"), int | float):
            case.query["wait"] = min(case.query["wait"], 0.01)  # nobody waits for news here
        # What a schema cannot say (numbers that are possible, agents that exist) gets a 422.
        case.call_and_validate(headers=house.headers, excluded_checks=[positive_data_acceptance])

    try:
        hold()
    except (Unsatisfiable, UnsupportedSchema):
        # It takes nothing that could be wrong, or has a header whose contrary cannot be drawn.
        assert mode is GenerationMode.NEGATIVE
