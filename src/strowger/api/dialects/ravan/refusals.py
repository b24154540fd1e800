"""What the vendor offers and Strowger does not do, with the reason that each answer gives."""

from collections.abc import Iterator

from strowger.api.dialects.endpoints import Endpoint, refused

NO_SHOP = (
    "Strowger sells no numbers: bring those of your carrier with POST /api/v1/phone-numbers/import/"
)
NO_ACCOUNTS = (
    "Strowger works with SIP trunks and not with accounts of Twilio, Telnyx or Vonage: import "
    "numbers with their termination URI"
)
NO_CAMPAIGNS = "Strowger has no campaigns: place the calls one by one with create-call"
NO_KNOWLEDGE = "Strowger has no knowledge bases yet: put what the agent has to know into its prompt"
NO_WIDGETS = "Strowger has no chat widget: web calls are not served yet"
NO_CALENDARS = "Strowger books no appointments and connects to no calendar"

_CAMPAIGNS = (
    ("GET", ""),
    ("POST", ""),
    ("GET", "/{id}"),
    ("PATCH", "/{id}"),
    ("PUT", "/{id}"),
    ("DELETE", "/{id}"),
    ("POST", "/{id}/start"),
    ("POST", "/{id}/pause"),
    ("POST", "/{id}/resume"),
    ("GET", "/{id}/contacts"),
    ("POST", "/{id}/contacts"),
    ("DELETE", "/{id}/contacts/{contact_id}"),
)
_KNOWLEDGE = (
    ("GET", "/knowledgebases"),
    ("POST", "/document"),
    ("GET", "/document"),
    ("GET", "/documents"),
    ("POST", "/query"),
    ("POST", "/discover"),
    ("POST", "/refresh"),
    ("GET", "/exclusions"),
    ("POST", "/exclusions"),
)
_WIDGETS = (
    ("GET", ""),
    ("POST", ""),
    ("GET", "/{id}"),
    ("PATCH", "/{id}"),
    ("PUT", "/{id}"),
    ("DELETE", "/{id}"),
)
_GHL = (
    ("POST", "/appointments/manage"),
    ("GET", "/appointments"),
    ("GET", "/appointments/{id}"),
    ("GET", "/setup/status"),
    ("GET", "/setup/calendars"),
    ("GET", "/setup/agents/calendar/{calendar_id}"),
    ("GET", "/oauth/authorize"),
    ("GET", "/oauth/callback"),
    ("POST", "/disconnect"),
)
_CALCOM = (
    ("POST", "/appointments/manage"),
    ("GET", "/appointments"),
    ("GET", "/appointments/{id}"),
    ("GET", "/event-types"),
    ("GET", "/event-types/lookup/{platform_id}"),
    ("GET", "/status"),
    ("POST", "/connect"),
    ("POST", "/disconnect"),
    ("GET", "/oauth/connect"),
    ("GET", "/oauth/callback"),
)
_SHOP = (
    ("GET", "/phone-numbers/available-numbers/{iso_country}"),
    ("POST", "/phone-numbers/buy"),
    ("GET", "/telephony/available-numbers"),
    ("POST", "/telephony/buy-number"),
)
_ACCOUNTS = (
    ("GET", "/phone-numbers/twilio-owned-numbers"),
    ("POST", "/phone-numbers/add-twilio"),
    ("GET", "/telephony/twilio-numbers"),
    ("POST", "/phone-numbers/create/telephony"),
)
_SCOPES = {"GET": "read"}

_ALL = (
    ("", _SHOP, "phone_numbers", NO_SHOP),
    ("", _ACCOUNTS, "phone_numbers", NO_ACCOUNTS),
    ("/campaigns", _CAMPAIGNS, "calls", NO_CAMPAIGNS),
    ("/rag", _KNOWLEDGE, "agents", NO_KNOWLEDGE),
    ("/widget-settings", _WIDGETS, "agents", NO_WIDGETS),
    ("/ghl", _GHL, "agents", NO_CALENDARS),
    ("/calcom", _CALCOM, "agents", NO_CALENDARS),
)


def _refusals() -> Iterator[Endpoint]:
    for part, endpoints, resource, why in _ALL:
        for method, rest in endpoints:
            path = f"/api/v1{part}{rest}"
            scope = f"{resource}:{_SCOPES.get(method, 'write')}"
            yield refused(method, path, scope, why, f"{path}/")


REFUSALS = tuple(_refusals())
