"""Ringyo AI: calls, agents, phone numbers and webhooks.

The vendor documents two layers that disagree in names, wrapping and paging. Both are accepted, and
an answer holds both: the object within `data` and its fields beside it, the place in a list by
offset and by cursor. docs/reference/dialects/ringyo.md has each choice.
"""

from strowger.api.dialects.endpoints import Dialect, Endpoint, Standing
from strowger.api.dialects.ringyo import agents, calls, numbers, webhooks
from strowger.api.dialects.ringyo.wire import NAME, RateHeaders, refuse

NO_LAYER = "The vendor documents no page for it; the same as its neighbours."

RINGYO = Dialect(
    name=NAME,
    title="Ringyo AI",
    endpoints=(
        Endpoint(
            method="POST",
            path="/v1/calls",
            scope="calls:write",
            handle=calls.create,
            idempotent=True,
        ),
        Endpoint(method="GET", path="/v1/calls", scope="calls:read", handle=calls.list_calls),
        Endpoint(
            method="GET",
            path="/v1/calls/{call_id}",
            scope="calls:read",
            handle=calls.get,
            standing=Standing.TRANSLATED,
            note="`analysis` is what flow and analysis found.",
        ),
        Endpoint(
            method="POST",
            path="/v1/agents",
            scope="agents:write",
            handle=agents.create,
            idempotent=True,
            standing=Standing.TRANSLATED,
            note="A voice that no provider here knows is the default one; its name is kept.",
        ),
        Endpoint(method="GET", path="/v1/agents", scope="agents:read", handle=agents.list_agents),
        Endpoint(
            method="GET",
            path="/v1/agents/{agent_id}",
            scope="agents:read",
            handle=agents.get,
            note=NO_LAYER,
        ),
        Endpoint(
            method="PATCH",
            path="/v1/agents/{agent_id}",
            scope="agents:write",
            handle=agents.update,
        ),
        Endpoint(
            method="DELETE",
            path="/v1/agents/{agent_id}",
            scope="agents:write",
            handle=agents.delete,
            note=NO_LAYER,
        ),
        Endpoint(
            method="GET",
            path="/v1/phone-numbers",
            scope="phone_numbers:read",
            handle=numbers.list_numbers,
        ),
        Endpoint(
            method="POST",
            path="/v1/webhooks",
            scope="webhooks:write",
            handle=webhooks.create,
            idempotent=True,
            standing=Standing.TRANSLATED,
            note="Events of appointments, credits and numbers are accepted and never happen.",
        ),
        Endpoint(
            method="GET",
            path="/v1/webhooks",
            scope="webhooks:read",
            handle=webhooks.list_webhooks,
            note=NO_LAYER,
        ),
        Endpoint(
            method="GET",
            path="/v1/webhooks/{webhook_id}",
            scope="webhooks:read",
            handle=webhooks.get,
            note=NO_LAYER,
        ),
        Endpoint(
            method="PATCH",
            path="/v1/webhooks/{webhook_id}",
            scope="webhooks:write",
            handle=webhooks.update,
            note=NO_LAYER,
        ),
        Endpoint(
            method="DELETE",
            path="/v1/webhooks/{webhook_id}",
            scope="webhooks:write",
            handle=webhooks.delete,
            note=NO_LAYER,
        ),
    ),
    refuse=refuse,
    webhook_format=webhooks.RingyoFormat,
    formats=(NAME,),
    wrap=RateHeaders,
)
