"""What Vocode's specification of 2024-08-27 says of answers: every answer here is held to it.

`vocode_contract.json` has the facts in a notation of our own: the shape answered by each of the 43
endpoints, and each shape's fields (`*`: always there) with their types. `[X]` is a list, `{X}` an
object with values X, `A|B` either. Stricter than the specification in one thing: fields that it
does not name are not allowed.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

CONTRACT = json.loads((Path(__file__).parent / "vocode_contract.json").read_text())
ENDPOINTS: dict[str, str] = CONTRACT["answers"]
PLAIN: dict[str, dict[str, Any]] = {
    "any": {},
    "object": {"type": "object"},
    "uuid": {
        "type": "string",
        "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    },
    **{name: {"type": name} for name in ("string", "integer", "number", "boolean", "null")},
}
ERROR = {
    "type": "object",
    "required": ["detail"],
    "properties": {"detail": {"type": "string", "minLength": 1}},
    "additionalProperties": False,
}


def schema_of(notation: str) -> dict[str, Any]:
    """The JSON schema of a type as the contract writes it."""
    choices = re.split(r"\|(?![^\[{]*[\]}])", notation)
    if len(choices) > 1:
        return {"anyOf": [schema_of(choice) for choice in choices]}
    if notation[0] == "[":
        return {"type": "array", "items": schema_of(notation[1:-1])}
    if notation[0] == "{":
        return {"type": "object", "additionalProperties": schema_of(notation[1:-1])}
    if notation[0] == "'":
        return {"const": notation[1:-1]}
    return PLAIN.get(notation, {"$ref": f"#/$defs/{notation}"})


def _definition(shape: str | dict[str, str]) -> dict[str, Any]:
    if isinstance(shape, str):
        return schema_of(shape)
    return {
        "type": "object",
        "properties": {name.rstrip("*"): schema_of(of) for name, of in shape.items()},
        "required": [name.rstrip("*") for name in shape if name.endswith("*")],
        "additionalProperties": False,
    }


DEFINITIONS = {name: _definition(shape) for name, shape in CONTRACT["shapes"].items()}


@cache
def validator(notation: str) -> Draft202012Validator:
    schema = {**schema_of(notation), "$defs": DEFINITIONS}
    assert validator_for(schema, default=Draft202012Validator) is Draft202012Validator
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def endpoint_of(method: str, path: str) -> str:
    """The endpoint's name in the contract: without the door, and in its latest form."""
    path = path.removeprefix("/vocode").rstrip("/")
    path = re.sub(r"^/v1/calls/recording/[^/]+$", "/v1/calls/recording", path)
    return f"{method} {path}"


def check(method: str, path: str, status: int, content_type: str, body: bytes) -> None:
    """Assert that this is an answer as the vendor documents it."""
    where = f"{method} {path} {status}"
    if status == 200:
        shape = ENDPOINTS[endpoint_of(method, path)]
        if shape == "audio/mpeg":
            assert content_type == shape, where
            return
        validator(shape).validate(json.loads(body))
        return
    assert content_type == "application/json", where
    if status == 422:
        validator("HTTPValidationError").validate(json.loads(body))
    else:
        Draft202012Validator(ERROR).validate(json.loads(body))
