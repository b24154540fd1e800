"""Webhooks of vendors that tell of a call once, with what its analysis found."""

from strowger.api.dialects.endpoints import Backing
from strowger.errors import NotItsTurn
from strowger.model import Call, CallId
from strowger.ports import Delivery

PATIENCE = 120.0
"""Seconds after the end of a call for which its webhook waits: two tries of the analysis."""


async def analyzed_call(backing: Backing, delivery: Delivery, id: CallId) -> Call:
    """The call that is over, with its analysis where one is planned and comes in time.

    Raises NotItsTurn, after which the delivery is tried again a little later, and NotFound.
    """
    event = delivery.event
    call = await backing.services.calls.get(event.workspace_id, id)
    pending = call.analysis is not None and call.analysis.status == "pending"
    if pending and backing.services.clock() < event.created_at + PATIENCE:
        raise NotItsTurn("the call is still analysed")
    return call
