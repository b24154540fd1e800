"""`/v1/voices` and `/v1/models`: what the configured providers offer."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import JSONResponse, Response

from strowger.api.auth import requires
from strowger.api.describe import operation
from strowger.api.routing import ServicesOf
from strowger.calls.render import render_provider, render_voices
from strowger.model import ApiKey

router = APIRouter(prefix="/v1", tags=["providers"])

Reader = Annotated[ApiKey, Depends(requires("providers:read"))]


@router.get("/voices", summary="List voices", **operation("providers:read", answer="VoiceList"))
async def list_voices(key: Reader, services: ServicesOf) -> Response:
    """Every voice that agents can have here."""
    return JSONResponse({"data": render_voices(await services.catalogue.describe())})


@router.get("/models", summary="List models", **operation("providers:read", answer="ModelList"))
async def list_models(key: Reader, services: ServicesOf) -> Response:
    """Who speaks, hears and thinks here, and what agents get that name no model."""
    providers = await services.catalogue.describe()
    return JSONResponse({"data": [render_provider(provider) for provider in providers]})
