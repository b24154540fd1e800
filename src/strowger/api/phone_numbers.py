"""`/v1/phone-numbers`: the numbers a workspace calls from and is called at."""

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
from strowger.calls.render import render_number
from strowger.model import ApiKey, NumberId

router = APIRouter(route_class=IdempotentRoute, prefix="/v1/phone-numbers", tags=["phone numbers"])

Reader = Annotated[ApiKey, Depends(requires("phone_numbers:read"))]
Writer = Annotated[ApiKey, Depends(requires("phone_numbers:write"))]


@router.post(
    "",
    summary="Add a phone number",
    **operation(
        "phone_numbers:write",
        takes="NewPhoneNumber",
        answer="PhoneNumber",
        status=201,
        headers=("ETag",),
        errors=(409,),
    ),
)
async def create_phone_number(
    key: Writer,
    services: ServicesOf,
    body: Annotated[requests.NewPhoneNumber, Depends(body_of(requests.NEW_PHONE_NUMBER))],
) -> Response:
    """A number that your trunk lets you call from."""
    number = await services.numbers.create(key.workspace_id, body.model_dump())
    headers = {"Location": f"/v1/phone-numbers/{number.id}", **etag(number)}
    return JSONResponse(render_number(number), 201, headers)


@router.get(
    "",
    summary="List phone numbers",
    **operation("phone_numbers:read", answer="PhoneNumberList", errors=(422,)),
)
async def list_phone_numbers(
    key: Reader, services: ServicesOf, query: Annotated[ListQuery, Query()]
) -> Response:
    """Phone numbers, newest first."""
    page = await services.numbers.list(key.workspace_id, limit=query.limit, cursor=query.cursor)
    return page_answer(page, render_number)


@router.get(
    "/{number_id}",
    summary="Read a phone number",
    **operation("phone_numbers:read", answer="PhoneNumber", errors=(404,), headers=("ETag",)),
)
async def get_phone_number(number_id: PathId, key: Reader, services: ServicesOf) -> Response:
    """One phone number."""
    number = await services.numbers.get(key.workspace_id, NumberId(number_id))
    return JSONResponse(render_number(number), headers=etag(number))


@router.patch(
    "/{number_id}",
    summary="Change a phone number",
    **operation(
        "phone_numbers:write",
        takes="PhoneNumberChanges",
        answer="PhoneNumber",
        errors=(404, 409, 412),
        headers=("ETag",),
    ),
)
async def update_phone_number(
    number_id: PathId,
    key: Writer,
    services: ServicesOf,
    body: Annotated[requests.PhoneNumberChanges, Depends(body_of(requests.PHONE_NUMBER_CHANGES))],
    if_match: IfMatch = None,
) -> Response:
    """Replace the fields given; the number itself stays."""
    changes = body.model_dump(exclude_unset=True)
    number = await services.numbers.update(
        key.workspace_id, NumberId(number_id), changes, expected=versions_of(if_match)
    )
    return JSONResponse(render_number(number), headers=etag(number))


@router.delete(
    "/{number_id}",
    summary="Delete a phone number",
    **operation("phone_numbers:write", answer=None, status=204, errors=(404,)),
)
async def delete_phone_number(number_id: PathId, key: Writer, services: ServicesOf) -> Response:
    """Calls under way go on."""
    await services.numbers.delete(key.workspace_id, NumberId(number_id))
    return Response(status_code=204)
