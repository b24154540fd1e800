"""What customers see of calls, events and the rest: the wire objects of the API and of webhooks.

Pure: records in, plain JSON values out. Times become RFC 3339 UTC with milliseconds, durations
stay seconds.
"""

from strowger.calls.render.administration import (
    render_audit_entry,
    render_delivery,
    render_key,
    render_new_webhook,
    render_webhook,
    render_whole_delivery,
    render_workspace,
)
from strowger.calls.render.calls import (
    STAGES,
    percentile,
    render_call,
    render_call_summary,
    render_latency,
    render_metrics,
    render_turn,
)
from strowger.calls.render.events import (
    render_event,
    render_event_data,
)
from strowger.calls.render.resources import (
    render_agent,
    render_agent_version,
    render_definition,
    render_number,
    render_provider,
    render_secret,
    render_trunk,
    render_trunk_report,
    render_voices,
)
from strowger.calls.render.wire import (
    Wire,
    timestamp,
)

__all__ = [
    "STAGES",
    "Wire",
    "percentile",
    "render_agent",
    "render_agent_version",
    "render_audit_entry",
    "render_call",
    "render_call_summary",
    "render_definition",
    "render_delivery",
    "render_event",
    "render_event_data",
    "render_key",
    "render_latency",
    "render_metrics",
    "render_new_webhook",
    "render_number",
    "render_provider",
    "render_secret",
    "render_trunk",
    "render_trunk_report",
    "render_turn",
    "render_voices",
    "render_webhook",
    "render_whole_delivery",
    "render_workspace",
    "timestamp",
]
