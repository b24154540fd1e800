"""`/v1/webhooks`: who hears of events."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import JSONResponse, Response

from strowger.api import requests
from strowger.api.auth import requires
from strowger.api.body import body_of
from strowger.api.describe import operation
from strowger.api.idempotency import IdempotentRoute
from strowger.api.routing import ListQuery, PathId, ServicesOf, page_answer
from strowger.api.versions import IfMatch, etag, versions_of
from strowger.calls.render import render_new_webhook, render_webhook
from strowger.model import AgentId, ApiKey, WebhookId

router = APIRouter(route_class=IdempotentRoute, prefix="/v1/webhooks", tags=["webhooks"])

Reader = Annotated[ApiKey, Depends(requires("webhooks:read"))]
Writer = Annotated[ApiKey, Depends(requires("webhooks:write"))]


@router.post(
    "",
    summary="Add a webhook",
    **operation(
        "webhooks:write", takes="NewWebhook", answer="CreatedWebhook", status=201, headers=("ETag",)
    ),
)
async def create_webhook(
    key: Writer,
    services: ServicesOf,
    body: Annotated[requests.NewWebhook, Depends(body_of(requests.NEW_WEBHOOK))],
) -> Response:
    """Keep the `secret` of the answer: it is not shown again."""
    services.webhooks.check_offered(body.format)
    webhook = await services.webhooks.create(
        key.workspace_id,
        body.url,
        events=body.events,
        format=body.format,
        agent_id=None if body.agent_id is None else AgentId(body.agent_id),
    )
    headers = {"Location": f"/v1/webhooks/{webhook.id}", **etag(webhook)}
    return JSONResponse(render_new_webhook(webhook), 201, headers)


@router.get(
    "",
    summary="List webhooks",
    **operation("webhooks:read", answer="WebhookList", errors=(422,)),
)
async def list_webhooks(
    key: Reader, services: ServicesOf, query: Annotated[ListQuery, Query()]
) -> Response:
    """Webhooks, newest first."""
    page = await services.webhooks.list(key.workspace_id, limit=query.limit, cursor=query.cursor)
    return page_answer(page, render_webhook)


@router.get(
    "/{webhook_id}",
    summary="Read a webhook",
    **operation("webhooks:read", answer="Webhook", errors=(404,), headers=("ETag",)),
)
async def get_webhook(webhook_id: PathId, key: Reader, services: ServicesOf) -> Response:
    """Without its secret."""
    webhook = await services.webhooks.get(key.workspace_id, WebhookId(webhook_id))
    return JSONResponse(render_webhook(webhook), headers=etag(webhook))


@router.patch(
    "/{webhook_id}",
    summary="Change a webhook",
    **operation(
        "webhooks:write",
        takes="WebhookChanges",
        answer="Webhook",
        errors=(404, 409, 412),
        headers=("ETag",),
    ),
)
async def update_webhook(
    webhook_id: PathId,
    key: Writer,
    services: ServicesOf,
    body: Annotated[requests.WebhookChanges, Depends(body_of(requests.WEBHOOK_CHANGES))],
    if_match: IfMatch = None,
) -> Response:
    """Replace the fields given; the secret stays."""
    changes = body.model_dump(exclude_unset=True)
    webhook = await services.webhooks.update(
        key.workspace_id, WebhookId(webhook_id), changes, expected=versions_of(if_match)
    )
    return JSONResponse(render_webhook(webhook), headers=etag(webhook))


@router.delete(
    "/{webhook_id}",
    summary="Delete a webhook",
    **operation("webhooks:write", answer=None, status=204, errors=(404,)),
)
async def delete_webhook(webhook_id: PathId, key: Writer, services: ServicesOf) -> Response:
    """Nothing more is sent to it."""
    await services.webhooks.delete(key.workspace_id, WebhookId(webhook_id))
    return Response(status_code=204)


@router.post(
    "/{webhook_id}/rotate",
    summary="Rotate a webhook's secret",
    **operation("webhooks:write", answer="CreatedWebhook", errors=(404,), headers=("ETag",)),
)
async def rotate_webhook(webhook_id: PathId, key: Writer, services: ServicesOf) -> Response:
    """Keep the new `secret` of the answer: it is not shown again. For 24 hours what is sent has
    two signatures, by the new and by the old secret; a second rotation ends that at once."""
    webhook = await services.webhooks.rotate(key.workspace_id, WebhookId(webhook_id))
    return JSONResponse(render_new_webhook(webhook), headers=etag(webhook))
