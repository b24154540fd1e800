"""How tools are put to the model: the schema of their arguments, and words to choose by."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import assert_never

from strowger.agent import (
    DigitsTool,
    EndCallTool,
    HandoffTarget,
    HandoffTool,
    HttpTool,
    McpTool,
    Tool,
    TransferTarget,
    TransferTool,
    VoicemailTool,
)

LONGEST_DIGITS = 32
LONGEST_BRIEFING = 500
BRIEFING: Mapping[str, object] = {
    "type": "string",
    "maxLength": LONGEST_BRIEFING,
    "description": "What is said to who answers before the caller is put through: one sentence"
    " or two about who it is and what it is about.",
}


def schema_of(tool: Tool) -> Mapping[str, object]:
    """JSON schema of the arguments, an object's."""
    match tool:
        case HttpTool():
            return tool.parameters
        case TransferTool():
            chosen = _choice("target", [target.name for target in tool.targets])
            attended = any(target.attended for target in tool.targets)
            return _with_property(chosen, "briefing", BRIEFING) if attended else chosen
        case HandoffTool():
            return _choice("agent", [target.name for target in tool.agents])
        case EndCallTool(outcomes=outcomes) if outcomes:
            return _choice("outcome", list(outcomes))
        case DigitsTool():
            digits = {"type": "string", "minLength": 1, "maxLength": LONGEST_DIGITS}
            return {"type": "object", "properties": {"digits": digits}, "required": ["digits"]}
        case EndCallTool() | VoicemailTool() | McpTool():
            return {"type": "object", "properties": {}}
        case _:
            assert_never(tool)


def object_schema(text: str) -> dict[str, object]:
    """The schema of an MCP tool's arguments; one that is of no object would have models' services
    refuse every request."""
    schema = parsed(text)
    if schema is None or schema.get("type", "object") != "object":
        return {"type": "object", "properties": {}}
    return {"type": "object", "properties": {}, **schema}


def _choice(name: str, values: Sequence[str]) -> Mapping[str, object]:
    chosen = {"type": "string", "enum": list(values)}
    return {"type": "object", "properties": {name: chosen}, "required": [name]}


def _with_property(
    schema: Mapping[str, object], name: str, property: Mapping[str, object]
) -> Mapping[str, object]:
    """The schema of an object with one more that may be left out."""
    known = schema["properties"]
    assert isinstance(known, Mapping)
    return {**schema, "properties": {**known, name: property}}


def parsed(text: str) -> dict[str, object] | None:
    """An object of JSON; None for anything else. Nothing counts as an object without members."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def described(tool: Tool) -> str:
    """With what the model needs to know to choose a target."""
    return "\n".join([tool.description, *_targets(tool)]) if not isinstance(tool, McpTool) else ""


def _targets(tool: Tool) -> Iterator[str]:
    if isinstance(tool, TransferTool):
        targets: Sequence[TransferTarget | HandoffTarget] = tool.targets
    elif isinstance(tool, HandoffTool):
        targets = tool.agents
    else:
        return
    for target in targets:
        if target.description:
            yield f"{target.name}: {target.description}"
