"""`/health` and `/ready`, which the vendor answers without a key."""

from starlette.responses import JSONResponse, Response

from strowger.api.dialects.endpoints import Asked
from strowger.api.dialects.forms import iso_time
from strowger.errors import Unavailable


async def health(asked: Asked) -> Response:
    """Flat as the page has it, and within the envelope, where some clients look."""
    told = {
        "status": "healthy",
        "service": "strowger",
        "time": iso_time(asked.services.clock()),
    }
    return JSONResponse({**told, "success": True, "message": "healthy", "data": told})


async def ready(asked: Asked) -> Response:
    try:
        await asked.services.records.ping()
    except Unavailable:
        return JSONResponse({"status": "unready", "error": "database connection failed"}, 503)
    return JSONResponse({"status": "ready"})
