"""RevRing: calls, agents, custom tools, and the post-call webhook.

What its pages leave open, and the choice made, is in docs/reference/dialects/revring.md.
"""

from strowger.api.dialects.endpoints import Dialect, Endpoint, Standing, refused
from strowger.api.dialects.revring import agents, calls, tools
from strowger.api.dialects.revring.hooks import RevRingFormat
from strowger.api.dialects.revring.wire import NAME, refuse

AGENT_NOTE = (
    "Voices and models that no provider here knows are the default ones; agents of the mode"
    " `conversation_flow` are refused."
)
NO_KNOWLEDGE = "there are no knowledge bases here: put what the agent is to know into its prompt"

REVRING = Dialect(
    name=NAME,
    title="RevRing",
    endpoints=(
        Endpoint(method="POST", path="/v1/calls", scope="calls:write", handle=calls.create),
        Endpoint(
            method="GET",
            path="/v1/calls",
            scope="calls:read",
            handle=calls.list_calls,
            note="By the query that clients send; the vendor has no page for it.",
        ),
        Endpoint(
            method="POST", path="/v1/calls/batch-get", scope="calls:read", handle=calls.batch_get
        ),
        Endpoint(method="GET", path="/v1/calls/{id}", scope="calls:read", handle=calls.get),
        Endpoint(
            method="POST", path="/v1/calls/{id}/cancel", scope="calls:write", handle=calls.cancel
        ),
        Endpoint(
            method="POST",
            path="/v1/agents",
            scope="agents:write",
            handle=agents.create,
            standing=Standing.TRANSLATED,
            note=AGENT_NOTE,
        ),
        Endpoint(method="GET", path="/v1/agents", scope="agents:read", handle=agents.list_agents),
        Endpoint(method="GET", path="/v1/agents/{id}", scope="agents:read", handle=agents.get),
        Endpoint(
            method="PATCH",
            path="/v1/agents/{id}",
            scope="agents:write",
            handle=agents.update,
            standing=Standing.TRANSLATED,
            note=AGENT_NOTE,
        ),
        Endpoint(
            method="DELETE", path="/v1/agents/{id}", scope="agents:write", handle=agents.delete
        ),
        Endpoint(
            method="POST",
            path="/v1/agents/{id}/duplicate",
            scope="agents:write",
            handle=agents.duplicate,
        ),
        Endpoint(
            method="GET",
            path="/v1/agents/{id}/custom-tools",
            scope="agents:read",
            handle=tools.list_tools,
        ),
        Endpoint(
            method="POST",
            path="/v1/agents/{id}/custom-tools",
            scope="agents:write",
            handle=tools.create,
        ),
        Endpoint(
            method="PATCH",
            path="/v1/agents/{id}/custom-tools/{tool_id}",
            scope="agents:write",
            handle=tools.update,
        ),
        Endpoint(
            method="DELETE",
            path="/v1/agents/{id}/custom-tools/{tool_id}",
            scope="agents:write",
            handle=tools.delete,
            note="The vendor has no page for it.",
        ),
        refused("GET", "/v1/knowledge-bases", "agents:read", NO_KNOWLEDGE),
        refused("POST", "/v1/knowledge-bases", "agents:write", NO_KNOWLEDGE),
    ),
    refuse=refuse,
    webhook_format=RevRingFormat,
    formats=(NAME,),
)
