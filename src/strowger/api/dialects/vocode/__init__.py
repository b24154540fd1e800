"""Vocode's hosted API, by its specification of 2024-08-27, and requests of 2023-08-22 as well.

Agents, calls, numbers and webhooks are Strowger's own; prompts, voices, actions, account
connections and vector databases have ids there that Strowger has not, and are kept beside them.
Choices are written down in docs/reference/dialects/vocode.md.
"""

from strowger.api.dialects.endpoints import Dialect
from strowger.api.dialects.vocode import agents, calls, events, numbers, things
from strowger.api.dialects.vocode.wire import NAME, refuse

VOCODE = Dialect(
    name=NAME,
    title="Vocode",
    endpoints=(*calls.ENDPOINTS, *agents.ENDPOINTS, *numbers.ENDPOINTS, *things.ENDPOINTS),
    refuse=refuse,
    webhook_format=events.VocodeFormat,
    formats=events.FORMATS,
)
