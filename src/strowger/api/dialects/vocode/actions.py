"""Vocode's actions as the tools of a native agent.

Ending the conversation, transferring, pressing keys and external requests work on calls;
conferences and holding are kept, and the agent does without them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from strowger.agent import (
    BodySignature,
    DigitsTool,
    EndCallTool,
    HttpTool,
    Progress,
    Tool,
    TransferTarget,
    TransferTool,
)
from strowger.api.dialects.confidential import keep, name_of
from strowger.api.dialects.endpoints import Asked
from strowger.api.dialects.forms import with_plus
from strowger.api.dialects.vocode.wire import NAME

Body = Mapping[str, object]
Named = tuple[str, Body]
"""An action with its id."""

PHRASES = "action_trigger_phrase_based"
SIGNATURE = "x-vocode-signature"
DEADLINE = 10.0
"""Seconds an external action's answer may take; the vendor documents it."""
SAID_FIRST = "Put the caller through to somebody else, but only once you have said: {phrases}"


def farewells(actions: Iterable[Named]) -> list[str]:
    """Phrases after which the agent hangs up."""
    return [
        phrase
        for _, action in actions
        if action["type"] == "action_end_conversation"
        for phrase in _phrases(action)
    ]


def tools_of(actions: Sequence[Named]) -> tuple[Tool, ...]:
    """What the agent's model may do."""
    return tuple(_merged(tool for id, action in actions for tool in _tool(id, action)))


def _tool(id: str, action: Body) -> Iterator[Tool]:
    config, phrases = _mapping(action["config"]), _phrases(action)
    match action["type"]:
        case "action_end_conversation" if not phrases:
            yield EndCallTool(type="end_call")
        case "action_dtmf":
            yield DigitsTool(type="digits")
        case "action_transfer_call":
            number = str(config["phone_number"])
            targets = (TransferTarget(name=number, to=with_plus(number)),)
            tool = TransferTool(type="transfer", targets=targets)
            said = SAID_FIRST.format(phrases=" / ".join(phrases))
            yield replace(tool, description=said) if phrases else tool
        case "action_external":
            yield _external(id, config)
        case _:
            return


def _external(id: str, config: Body) -> HttpTool:
    """POST `{"call_id", "payload": arguments}`, signed. The vendor writes the key of the signature
    in base64, and says so little of the body's form that what is sent is what is signed."""
    schema = _mapping(config["input_schema"])
    return HttpTool(
        type="http",
        name=re.sub(r"[^A-Za-z0-9_-]", "_", str(config["name"]))[:64],
        description=str(config["description"]),
        url=str(config["url"]),
        parameters={"type": "object", **schema},
        body={"call_id": "{{call_uuid}}", "payload": "{{arguments}}"},
        signature=BodySignature(header=SIGNATURE, secret=secret_name(id)),
        deadline=DEADLINE,
        progress=Progress() if config["speak_on_send"] else Progress(texts=()),
    )


def _merged(tools: Iterable[Tool]) -> Iterator[Tool]:
    """Several transfers are one tool with several targets, and a thing done twice is one tool; two
    external actions of one name stay two, which the native agent refuses."""
    found: dict[str, Tool] = {}
    for tool in tools:
        before = found.get(tool.name)
        if isinstance(tool, TransferTool) and isinstance(before, TransferTool):
            known = {target.name for target in before.targets}
            more = tuple(target for target in tool.targets if target.name not in known)
            found[tool.name] = replace(before, targets=(*before.targets, *more))
        elif before is None or isinstance(tool, HttpTool):
            found[tool.name if before is None else f"{tool.name} {len(found)}"] = tool
    yield from found.values()


def _phrases(action: Body) -> list[str]:
    trigger = _mapping(action["action_trigger"])
    if trigger["type"] != PHRASES:
        return []
    wanted = _mapping(trigger["config"])["phrase_triggers"]
    assert isinstance(wanted, list)
    return [one["phrase"] for one in wanted if one["phrase"].strip()]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


# ── the keys of signatures ───────────────────────────────────────────────────────────────────


def secret_name(id: str) -> str:
    """The native secret with the key that signs an external action's requests."""
    return name_of(NAME, id, "key")


async def keep_key(asked: Asked, id: str, action: Body) -> None:
    """Let tools find an external action's key among the workspace's secrets."""
    external = action["type"] == "action_external"
    key = str(_mapping(action["config"])["signature_secret"]) if external else ""
    await keep(asked, NAME, id, {"key": key})
