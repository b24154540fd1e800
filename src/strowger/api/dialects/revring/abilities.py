"""What the vendor lets an agent do, as tools of a native agent."""

from collections.abc import Mapping
from typing import Any

from strowger.agent import (
    DigitsTool,
    EndCallTool,
    HttpTool,
    Tool,
    TransferTarget,
    TransferTool,
    VoicemailTool,
)
from strowger.api.dialects.confidential import place_of
from strowger.api.dialects.revring.wire import NAME

KEYS = "Press keys of the telephone, to choose from an automatic menu."


def abilities(rest: Mapping[str, Any]) -> tuple[Tool, ...]:
    """The tools of an agent with these fields."""
    tools: list[Tool] = []
    if rest["endCallEnabled"]:
        rules = rest["endCallRulesOverride"] or EndCallTool(type="end_call").description
        tools.append(EndCallTool(type="end_call", description=rules))
    if rest["transferEnabled"] and rest["transferRoutes"]:
        tools.append(_transfer(rest))
    if rest["voicemailEnabled"]:
        tools.append(VoicemailTool(type="voicemail"))
    if rest["playKeypadTouchToneEnabled"]:
        described_keys = rest["playKeypadTouchToneDescriptionOverride"] or KEYS
        tools.append(DigitsTool(type="digits", description=described_keys))
    tools += [_custom(tool) for tool in rest["customTools"] if tool["enabled"]]
    return tuple(tools)


def _transfer(rest: Mapping[str, Any]) -> TransferTool:
    described = rest["transferDescriptionOverride"]
    warm = rest["transferMode"] == "warm"
    held = (rest["warmTransferConfig"] or {}).get("holdMessage") if warm else None
    return TransferTool(
        type="transfer",
        targets=tuple(
            TransferTarget(
                name=f"route_{place}",
                to=route["to_number"],
                description=route["condition"],
                attended=warm,
            )
            for place, route in enumerate(rest["transferRoutes"], 1)
        ),
        message=held if isinstance(held, str) else "",
        **({"description": described} if described else {}),
    )


def _custom(tool: Mapping[str, Any]) -> HttpTool:
    """`{callId, tool, arguments}` to the webhook, or the arguments alone where they are wanted
    raw."""
    function = tool["schema"]
    name = function.get("name") or tool["name"]
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    arguments = {
        argument: "{{arguments." + argument + "}}" for argument in parameters.get("properties", {})
    }
    envelope = {"callId": "{{call_id}}", "tool": name, "arguments": arguments}
    return HttpTool(
        type="http",
        name=name,
        description=function.get("description") or tool["name"],
        url=tool["webhookUrl"],
        method=tool["httpMethod"],
        parameters=parameters,
        headers={
            pair["key"]: place_of(NAME, tool["id"], f"h{index}", pair["value"])
            for index, pair in enumerate(tool["headers"])
        },
        query={
            pair["key"]: place_of(NAME, tool["id"], f"q{index}", pair["value"])
            for index, pair in enumerate(tool["queryParams"])
        },
        body=None if tool["sendRawRequestBody"] else envelope,
    )


def credentials(tool: Mapping[str, Any]) -> dict[str, str]:
    """What the custom tool sends, by the keys of its secrets."""
    headers = {f"h{index}": pair["value"] for index, pair in enumerate(tool["headers"])}
    return headers | {f"q{index}": pair["value"] for index, pair in enumerate(tool["queryParams"])}
