"""Webhooks in vendors' ways: each wish becomes a native webhook with a format of the dialect's.

A vendor's webhook may want several of its events for one of ours, each written differently: that
makes a native webhook for each, all with the vendor's URL.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from strowger.api.dialects.endpoints import Asked
from strowger.errors import InvalidRequest, NotFound
from strowger.model import AgentId, Webhook, WebhookId

PREFIX = "whsec_"
MOST = 100
"""Native webhooks that stand for one of the vendor's."""


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

    def granted_by(self, webhook: Webhook) -> bool:
        """Whether this webhook, as it is now, is what is wished for."""
        return (
            webhook.enabled
            and (webhook.url, webhook.events) == (self.url, self.events)
            and (webhook.format, webhook.agent_id) == (self.format, self.agent_id)
            and self.secret in (None, webhook.secret)
        )


def signing_secret(given: str) -> str:
    """A secret that the customer chose, as deliveries are signed with it: `whsec_` and base64 as
    it is; of any other text its bytes are the key."""
    try:
        if given.startswith(PREFIX) and base64.b64decode(given.removeprefix(PREFIX), validate=True):
            return given
    except ValueError:  # binascii's is one
        pass
    return PREFIX + base64.b64encode(given.encode()).decode()


async def swap(asked: Asked, old: Sequence[str], wishes: Sequence[Wish]) -> list[str]:
    """Put these native webhooks in place of the `old` ones; the ids of those that there now are.

    What already is as it is wished for stays, with its secret and what is still to be sent to it.
    To be called within `Records.together`, so that no event falls between the two. Raises
    InvalidRequest for more than there may be.
    """
    if len(wishes) > MOST:
        raise InvalidRequest(f"expected webhooks for at most {MOST} addresses and events")
    left = await _there(asked, old)
    granted: list[str] = []
    for wish in wishes:
        found = next((webhook for webhook in left if wish.granted_by(webhook)), None)
        if found is None:
            found = await _made(asked, wish)
        else:
            left.remove(found)
        granted.append(found.id)
    for webhook in left:
        await asked.services.webhooks.delete(asked.workspace, webhook.id)
    return granted


async def _there(asked: Asked, ids: Sequence[str]) -> list[Webhook]:
    found: list[Webhook] = []
    for id in ids:
        try:
            found.append(await asked.services.webhooks.get(asked.workspace, WebhookId(id)))
        except NotFound:
            continue  # deleted over the native API, or with its agent
    return found


async def _made(asked: Asked, wish: Wish) -> Webhook:
    return await asked.services.webhooks.create(
        asked.workspace,
        wish.url,
        events=wish.events,
        format=wish.format,
        agent_id=wish.agent_id,
        secret=wish.secret,
    )
