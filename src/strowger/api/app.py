"""The HTTP application: routes, errors and middleware around the use cases."""

from dataclasses import dataclass

from fastapi import FastAPI

from strowger import __version__
from strowger.api import (
    agents,
    api_keys,
    audit,
    calls,
    deliveries,
    events,
    health,
    phone_numbers,
    providers,
    recordings,
    secrets,
    trunks,
    webhooks,
    workspace,
)
from strowger.api.auth import KeyRing
from strowger.api.dialects.serving import Dialects, Door
from strowger.api.middleware import BodyLimit, RequestContext
from strowger.api.openapi import describe_api
from strowger.api.problems import answer_errors
from strowger.api.rate_limits import RateLimiter
from strowger.api.services import Services
from strowger.observability.figures import ApiFigures
from strowger.ports import House, RateStore

LARGEST_BODY = 256 * 1024
"""Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPolicy:
    largest_body: int = LARGEST_BODY
    rate_limit: int = 0
    """Requests a minute that one key may make; 0 for as many as it likes."""


def create_app(
    services: Services,
    *,
    policy: HttpPolicy | None = None,
    rates: RateStore | None = None,
    figures: ApiFigures | None = None,
    house: House | None = None,
    dialects: Dialects | None = None,
) -> FastAPI:
    """The application that serves `services`; `rates` counts requests where there is a limit, and
    `figures` whatever it does."""
    policy = policy or HttpPolicy()
    app = bare_app()
    app.state.figures = figures or ApiFigures()
    app.state.house = house
    app.state.services = services
    app.state.keys = KeyRing(services.records, clock=services.clock)
    app.state.limiter = None
    if policy.rate_limit and rates is not None:
        app.state.limiter = RateLimiter(rates, limit=policy.rate_limit, clock=services.clock)
    # The middleware added last is the outermost.
    app.add_middleware(BodyLimit, limit=policy.largest_body)
    if dialects is not None:
        app.add_middleware(
            Door, dialects=dialects, state=app.state, largest_body=policy.largest_body
        )
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
    parts = (
        calls,
        events,
        recordings,
        agents,
        trunks,
        phone_numbers,
        secrets,
        webhooks,
        deliveries,
        api_keys,
        workspace,
        providers,
        audit,
        health,
    )
    for part in parts:
        app.include_router(part.router)
    answer_errors(app)
    describe_api(app)
    return app
