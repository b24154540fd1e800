"""Webhooks in vendors' ways: each wish becomes a native webhook with a format of the dialect's.

A vendor's webhook may want several of its events for one of ours, each written differently: that
makes a native webhook for each, all with the vendor's URL.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from strowger.api.dialects.endpoints import Asked
from strowger.errors import InvalidRequest, NotFound
from strowger.model import AgentId, Webhook, WebhookId
from strowger.signing_secrets import PREFIX, secret_of

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
    """`whsec_…`, of one that has to be made; None for a new one."""

    def kin(self, webhook: Webhook) -> bool:
        """Whether this webhook is what is wished for, but perhaps for where it leads."""
        mine = (self.events, self.format, self.agent_id)
        return mine == (webhook.events, webhook.format, webhook.agent_id)

    def granted_by(self, webhook: Webhook) -> bool:
        """Whether this webhook, as it is now, is what is wished for. Its secret is its own affair:
        it may have been rotated."""
        return self.kin(webhook) and webhook.enabled and webhook.url == self.url


def signing_secret(given: str) -> str:
    """A secret that the customer chose, as deliveries are signed with it: `whsec_` and base64 as
    it is; of any other text its bytes are the key."""
    try:
        if given.startswith(PREFIX) and base64.b64decode(given.removeprefix(PREFIX), validate=True):
            return given
    except ValueError:  # binascii's is one
        pass
    return secret_of(given.encode())


async def swap(asked: Asked, old: Sequence[str], wishes: Sequence[Wish]) -> list[str]:
    """Put these native webhooks in place of the `old` ones; the ids of those that there now are.

    What is as it is wished for stays, and what only leads elsewhere is led there: with its secret
    and what is still to be sent to it. To be called within `Records.together`, so that no event
    falls between the two. Raises InvalidRequest for more than there may be.
    """
    if len(wishes) > MOST:
        raise InvalidRequest(f"expected webhooks for at most {MOST} addresses and events")
    left = await _there(asked, old)
    granted = [_taken(left, wish.granted_by) for wish in wishes]
    ids: list[str] = [
        await _led(asked, _taken(left, wish.kin), wish) if found is None else found.id
        for wish, found in zip(wishes, granted, strict=True)
    ]
    for webhook in left:
        await asked.services.webhooks.delete(asked.workspace, webhook.id)
    return ids


def _taken(left: list[Webhook], fits: Callable[[Webhook], bool]) -> Webhook | None:
    """The first that fits, out of those that are left."""
    found = next((webhook for webhook in left if fits(webhook)), None)
    if found is not None:
        left.remove(found)
    return found


async def _led(asked: Asked, webhook: Webhook | None, wish: Wish) -> WebhookId:
    """This webhook or a new one, as it is wished for."""
    if webhook is None:
        return (await _made(asked, wish)).id
    changes = {"url": wish.url, "enabled": True}
    return (await asked.services.webhooks.update(asked.workspace, webhook.id, changes)).id


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
