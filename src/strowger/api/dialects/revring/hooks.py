"""The post-call webhook: the flat call object, without an envelope."""

import json

from strowger.api.dialects.endings import analyzed_call
from strowger.api.dialects.endpoints import Backing
from strowger.api.dialects.revring.calls import rendered
from strowger.ports import Delivery, OutgoingRequest

ENDS = frozenset({"call.completed", "call.failed"})


class RevRingFormat:
    """Told of every call that is over, and of nothing else."""

    def __init__(self, backing: Backing) -> None:
        self._backing = backing

    async def compose(self, delivery: Delivery) -> OutgoingRequest | None:
        event = delivery.event
        if event.type not in ENDS or event.call_id is None:
            return None
        call = await analyzed_call(self._backing, delivery, event.call_id)
        told = rendered(self._backing, call)
        return OutgoingRequest(url=delivery.url, body=json.dumps(told, ensure_ascii=False).encode())
