"""Deliveries of webhooks: looked at, tried again, replayed, tested."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import JSONResponse, Response

from strowger.api import requests
from strowger.api.auth import requires
from strowger.api.body import body_of
from strowger.api.describe import operation
from strowger.api.idempotency import IdempotentRoute
from strowger.api.routing import ListQuery, PathId, ServicesOf, page_answer
from strowger.calls.render import render_delivery, render_whole_delivery, timestamp
from strowger.model import ApiKey, DeliveryId, WebhookId
from strowger.ports import DeliveryState

router = APIRouter(route_class=IdempotentRoute, prefix="/v1", tags=["webhooks"])

Reader = Annotated[ApiKey, Depends(requires("webhooks:read"))]
Writer = Annotated[ApiKey, Depends(requires("webhooks:write"))]


class DeliveryQuery(ListQuery):
    state: DeliveryState | None = None
    """Only deliveries in this state."""


@router.get(
    "/webhooks/{webhook_id}/deliveries",
    summary="List a webhook's deliveries",
    **operation("webhooks:read", answer="DeliveryList", errors=(404, 422)),
)
async def list_deliveries(
    webhook_id: PathId,
    key: Reader,
    services: ServicesOf,
    query: Annotated[DeliveryQuery, Query()],
) -> Response:
    """Newest first, each with what came of its last try."""
    page = await services.deliveries.list(
        key.workspace_id,
        WebhookId(webhook_id),
        query.state,
        limit=query.limit,
        cursor=query.cursor,
    )
    return page_answer(page, render_delivery)


@router.post(
    "/webhooks/{webhook_id}/test",
    summary="Test a webhook",
    **operation("webhooks:write", answer="Delivery", status=202, errors=(404, 409)),
)
async def test_webhook(webhook_id: PathId, key: Writer, services: ServicesOf) -> Response:
    """Send it an event `webhook.test` now. What comes of it is in the delivery."""
    made = await services.deliveries.test(key.workspace_id, WebhookId(webhook_id))
    return JSONResponse(render_whole_delivery(made), 202)


@router.post(
    "/webhooks/{webhook_id}/replay",
    summary="Replay events to a webhook",
    **operation("webhooks:write", takes="Replay", answer="Replayed", status=202, errors=(404, 409)),
)
async def replay(
    webhook_id: PathId,
    key: Writer,
    services: ServicesOf,
    body: Annotated[requests.Replay, Depends(body_of(requests.REPLAY))],
) -> Response:
    """Deliver once more what it wants of the events in a range of time, in order per call."""
    done = await services.deliveries.replay(
        key.workspace_id,
        WebhookId(webhook_id),
        since=body.from_.timestamp(),
        until=body.to.timestamp(),
    )
    rest = None if done.next_from is None else timestamp(done.next_from)
    return JSONResponse({"deliveries": done.deliveries, "next_from": rest}, 202)


@router.get(
    "/deliveries/{delivery_id}",
    summary="Read a delivery",
    **operation("webhooks:read", answer="Delivery", errors=(404,)),
)
async def get_delivery(delivery_id: PathId, key: Reader, services: ServicesOf) -> Response:
    """With every try."""
    found = await services.deliveries.get(key.workspace_id, DeliveryId(delivery_id))
    return JSONResponse(render_whole_delivery(found))


@router.post(
    "/deliveries/{delivery_id}/retry",
    summary="Retry a delivery",
    **operation("webhooks:write", answer="Delivery", status=202, errors=(404, 409)),
)
async def retry_delivery(delivery_id: PathId, key: Writer, services: ServicesOf) -> Response:
    """Try now: one that waits for its time, was given up, or was delivered already."""
    found = await services.deliveries.retry(key.workspace_id, DeliveryId(delivery_id))
    return JSONResponse(render_whole_delivery(found), 202)
