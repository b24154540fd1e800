"""Ravan "Agni": call sessions, agents, tools, phone numbers and contacts.

The page of create-call is the first authority, then the vendor's other documentation, then what
clients of the live service were seen to send and read; where these differ, the choice made is
written down in docs/reference/dialects/ravan.md. Collections and items answer with and without a
slash at the end, as the vendor's own pages and clients differ in that.
"""

from dataclasses import replace

from strowger.api.dialects.endpoints import Dialect, Endpoint, Handler, slashed
from strowger.api.dialects.ravan import agents, calls, contacts, health, numbers, tools
from strowger.api.dialects.ravan.refusals import REFUSALS
from strowger.api.dialects.ravan.webhooks import FORMATS, RavanFormat
from strowger.api.dialects.ravan.wire import NAME, refuse

API = "/api/v1"
TOOLS = (
    "Agents use those that `selected_tools` names, as far as their definition says where to go: the"
    " vendor documents no place for a URL, `definition.url` is taken for it."
)


def _served(
    method: str, path: str, scope: str | None, handle: Handler, note: str = "", *also: str
) -> Endpoint:
    """An endpoint, also with a slash at the end; a POST heeds the Idempotency-Key."""
    served = slashed(method, path, scope, handle, note, *also)
    return replace(served, idempotent=method == "POST")


RAVAN = Dialect(
    name=NAME,
    title='Ravan "Agni"',
    endpoints=(
        _served(
            "POST",
            f"{API}/calling/create-call",
            "calls:write",
            calls.create_call,
            "`outbound_call` is served, `access_token` and `url` then empty, as there is no room"
            " to join; `web_call` is refused until web calls are there.",
        ),
        _served(
            "GET",
            f"{API}/calling/call-sessions",
            "calls:read",
            calls.list_sessions,
            "Money is null; `search` looks at numbers only.",
        ),
        _served(
            "GET",
            f"{API}/calling/call-sessions-detail/{{session_id}}",
            "calls:read",
            calls.get_session,
            "Money is null.",
        ),
        _served(
            "GET",
            f"{API}/calling/phone-history",
            "calls:read",
            calls.phone_history,
            "Money is null.",
        ),
        _served(
            "GET",
            f"{API}/calling/sessions/{{session_id}}/recording",
            None,
            calls.recording,
            "The sound itself as MP3, with a key or the `token` of a `recording_url`.",
        ),
        _served(
            "POST",
            f"{API}/calling/finalize-session/{{session_id}}",
            "calls:write",
            calls.finalize,
            "Seen in clients only: ends the call if it is not over, and answers with its detail.",
        ),
        _served("GET", f"{API}/agents", "agents:read", agents.list_agents),
        _served("POST", f"{API}/agents", "agents:write", agents.create),
        _served("GET", f"{API}/agents/{{agent_id}}", "agents:read", agents.get),
        _served("PATCH", f"{API}/agents/{{agent_id}}", "agents:write", agents.update),
        _served("PUT", f"{API}/agents/{{agent_id}}", "agents:write", agents.update),
        _served("DELETE", f"{API}/agents/{{agent_id}}", "agents:write", agents.delete),
        _served("PATCH", f"{API}/agents/{{agent_id}}/status", "agents:write", agents.update_status),
        _served("GET", f"{API}/tools", "agents:read", tools.list_tools),
        _served("POST", f"{API}/tools", "agents:write", tools.create, TOOLS),
        _served("GET", f"{API}/tools/{{tool_id}}", "agents:read", tools.get),
        _served("PATCH", f"{API}/tools/{{tool_id}}", "agents:write", tools.update),
        _served("PUT", f"{API}/tools/{{tool_id}}", "agents:write", tools.update),
        _served("DELETE", f"{API}/tools/{{tool_id}}", "agents:write", tools.delete),
        _served(
            "GET",
            f"{API}/phone-numbers/list",
            "phone_numbers:read",
            numbers.purchased,
            "All numbers of the workspace; prices and regions are null.",
            f"{API}/telephony/purchased-numbers",
        ),
        _served(
            "POST",
            f"{API}/phone-numbers/import",
            "phone_numbers:write",
            numbers.import_number,
            "A number of Strowger's; with a `termination_uri`, on a trunk of its own.",
            f"{API}/telephony/import-number",
        ),
        _served(
            "GET",
            f"{API}/phone-numbers/import",
            "phone_numbers:read",
            numbers.list_imported,
            "All numbers of the workspace; passwords are null.",
        ),
        _served(
            "GET",
            f"{API}/phone-numbers/import/{{number_id}}",
            "phone_numbers:read",
            numbers.get_imported,
            "The password is null.",
        ),
        _served(
            "PUT",
            f"{API}/phone-numbers/import/{{number_id}}",
            "phone_numbers:write",
            numbers.update_imported,
            "Changes the trunk that was imported with the number; the password is null.",
        ),
        _served(
            "PATCH",
            f"{API}/phone-numbers/import/{{number_id}}",
            "phone_numbers:write",
            numbers.update_imported,
            "The same.",
        ),
        _served(
            "DELETE",
            f"{API}/phone-numbers/import/{{number_id}}",
            "phone_numbers:write",
            numbers.delete_imported,
        ),
        _served(
            "DELETE",
            f"{API}/phone-numbers/{{phone_number}}/release",
            "phone_numbers:write",
            numbers.release,
            "Takes the number out of Strowger; the carrier is not told.",
        ),
        _served(
            "GET",
            f"{API}/phone-numbers/selected-telephony",
            "phone_numbers:read",
            numbers.selected_telephony,
            "Always the vendor's 404 for organisations without a provider.",
        ),
        _served("GET", f"{API}/contacts", "calls:read", contacts.list_contacts),
        _served("POST", f"{API}/contacts", "calls:write", contacts.create),
        _served("POST", f"{API}/contacts/bulk-delete", "calls:write", contacts.bulk_delete),
        _served("GET", f"{API}/contacts/{{contact_id}}", "calls:read", contacts.get),
        _served("PATCH", f"{API}/contacts/{{contact_id}}", "calls:write", contacts.update),
        _served("PUT", f"{API}/contacts/{{contact_id}}", "calls:write", contacts.update),
        _served("DELETE", f"{API}/contacts/{{contact_id}}", "calls:write", contacts.delete),
        _served("GET", f"{API}/contacts/{{contact_id}}/detail", "calls:read", contacts.detail),
        _served(
            "GET",
            f"{API}/contacts/{{contact_id}}/calls",
            "calls:read",
            contacts.calls_of,
            "Calls with the contact's number; `sentiment` is null.",
        ),
        _served(
            "GET",
            f"{API}/contacts/{{contact_id}}/calls/stats",
            "calls:read",
            contacts.call_stats,
            "",
            f"{API}/contacts/{{contact_id}}/call-stats",
            f"{API}/contacts/{{contact_id}}/call-stats/",
        ),
        _served(
            "GET",
            f"{API}/contacts/{{contact_id}}/activities",
            "calls:read",
            contacts.activities,
            "Calls and notes: there are no appointments and campaigns.",
        ),
        _served(
            "GET",
            f"{API}/contacts/{{contact_id}}/campaigns",
            "calls:read",
            contacts.campaigns_of,
            "Always empty: Strowger has no campaigns.",
        ),
        _served(
            "POST", f"{API}/contacts/{{contact_id}}/notes", "calls:write", contacts.create_note
        ),
        _served("GET", f"{API}/contacts/{{contact_id}}/notes", "calls:read", contacts.list_notes),
        _served("GET", "/health", None, health.health, "", f"{API}/health"),
        _served("GET", "/ready", None, health.ready, "", f"{API}/health/ready"),
        *REFUSALS,
    ),
    refuse=refuse,
    webhook_format=RavanFormat,
    formats=FORMATS,
)
