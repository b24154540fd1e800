"""What routes have in common: the services, ids in paths, lists and their answers."""

import re
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Depends
from pydantic import AfterValidator, Field
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from strowger.api.services import Services
from strowger.api.shapes import Strict
from strowger.errors import NotFound
from strowger.model import Page

T = TypeVar("T")

ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
VISIBLE = r"^[\x21-\x7e]{1,512}$"


async def services_of(request: Request) -> Services:
    # Awaits nothing, but FastAPI would take a plain function to a thread.
    services: Services = request.app.state.services
    return services


ServicesOf = Annotated[Services, Depends(services_of)]


def _plausible(id: str) -> str:
    """Answer 404 to an id that cannot be, before the database sees it (NUL characters, say)."""
    if not ID.fullmatch(id):
        raise NotFound("there is nothing with this id")
    return id


PathId = Annotated[str, AfterValidator(_plausible)]


class ListQuery(Strict):
    limit: int = Field(default=20, ge=1, le=100)
    """How many items to answer with at most."""
    cursor: str | None = Field(default=None, pattern=VISIBLE)
    """`next_cursor` of the page before."""


class JsonAnswer(JSONResponse):
    """JSON by pydantic's printer, which takes a fraction of the time of the standard library's."""

    def render(self, content: object) -> bytes:
        return to_json(content, inf_nan_mode="null")


def page_answer(page: Page[T], render: Callable[[T], dict[str, object]]) -> Response:
    return JsonAnswer(
        {
            "data": [render(item) for item in page.data],
            "has_more": page.next_cursor is not None,
            "next_cursor": page.next_cursor,
        }
    )
