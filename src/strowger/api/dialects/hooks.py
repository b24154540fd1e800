"""Webhooks in vendors' ways: each wish becomes a native webhook with a format of the dialect's.

A vendor's webhook may want several of its events for one of ours, each written differently: that
makes a native webhook for each, all with the vendor's URL.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from strowger.api.dialects.endpoints import Asked
from strowger.errors import NotFound
from strowger.model import AgentId, WebhookId


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be sent where."""

    url: str
    events: tuple[str, ...]
    """Native event types; `*` for all."""
    format: str
    """`NAME` or `NAME:KIND`, as the dialect's `WebhookFormat` reads it."""
    agent_id: AgentId | None = None
    secret: str | None = None
    """`whsec_…`; None for a new one."""


async def swap(asked: Asked, old: Sequence[str], wishes: Sequence[Wish]) -> list[str]:
    """Put these native webhooks in place of the `old` ones; the new ones' ids.

    To be called within `Records.together`, so that no event falls between the two.
    """
    for id in old:
        try:
            await asked.services.webhooks.delete(asked.workspace, WebhookId(id))
        except NotFound:
            continue  # deleted over the native API, or with its agent
    made = [
        await asked.services.webhooks.create(
            asked.workspace,
            wish.url,
            events=wish.events,
            format=wish.format,
            agent_id=wish.agent_id,
            secret=wish.secret,
        )
        for wish in wishes
    ]
    return [webhook.id for webhook in made]
