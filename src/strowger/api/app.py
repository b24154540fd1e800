"""The HTTP application: routes, errors and middleware around the use cases."""

from dataclasses import dataclass

from fastapi import FastAPI

from strowger import __version__
from strowger.api import agents, calls, health, phone_numbers, recordings, trunks, webhooks
from strowger.api.auth import KeyRing
from strowger.api.middleware import BodyLimit, RequestContext
from strowger.api.openapi import describe_api
from strowger.api.problems import answer_errors
from strowger.api.services import Services
from strowger.observability.figures import ApiFigures
from strowger.ports import House

LARGEST_BODY = 256 * 1024
"""Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPolicy:
    largest_body: int = LARGEST_BODY


def create_app(
    services: Services,
    *,
    policy: HttpPolicy | None = None,
    figures: ApiFigures | None = None,
    house: House | None = None,
) -> FastAPI:
    """The application that serves `services`; it counts what it does in `figures`."""
    app = bare_app()
    app.state.figures = figures or ApiFigures()
    app.state.house = house
    app.state.services = services
    app.state.keys = KeyRing(services.records, clock=services.clock)
    # The middleware added last is the outermost.
    app.add_middleware(BodyLimit, limit=(policy or HttpPolicy()).largest_body)
    app.add_middleware(RequestContext, ids=services.ids, figures=app.state.figures)
    return app


def bare_app() -> FastAPI:
    """The routes without anything behind them: enough for the document."""
    app = FastAPI(
        title="Strowger",
        version=__version__,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        # Requests have one span, which `RequestContext` makes; parts of it are nobody's business.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    for part in (calls, recordings, agents, trunks, phone_numbers, webhooks, health):
        app.include_router(part.router)
    answer_errors(app)
    describe_api(app)
    return app
