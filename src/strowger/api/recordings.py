"""`/v1/calls/{id}/recording`: the sound, whole or a range of it (RFC 9110 section 14)."""

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import anyio
import structlog
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from strowger.api.auth import requires
from strowger.api.describe import operation
from strowger.api.problems import RangeNotSatisfiable
from strowger.api.routing import PathId, ServicesOf
from strowger.api.services import Services
from strowger.api.shapes import Strict
from strowger.api.sound_files import RecordingFormat, UnreadableSound, in_format
from strowger.errors import NotFound
from strowger.model import ApiKey, CallId, WorkspaceId

router = APIRouter(prefix="/v1/calls", tags=["calls"])

Reader = Annotated[ApiKey, Depends(requires("calls:read"))]

ONE_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII)
PIECE = 65_536
"""Bytes read from the disk at once."""


class RecordingQuery(Strict):
    format: Literal["wav", "mp3", "ogg"] = "wav"
    """How the sound is written: `wav` as it was recorded, `mp3`, or `ogg` (Vorbis)."""


def _recording() -> dict[str, Any]:
    described = operation("calls:read", answer=None, errors=(404, 416, 422))
    binary = {
        format.media_type: {"schema": {"type": "string", "format": "binary"}}
        for format in RecordingFormat
    }
    for status, meaning in ((200, "The whole recording."), (206, "The range asked for.")):
        headers = dict(described["responses"][200]["headers"])
        headers["Accept-Ranges"] = {"schema": {"type": "string"}, "description": "`bytes`."}
        headers["ETag"] = {"schema": {"type": "string"}, "description": "For `If-Range`."}
        # Of HEAD the content is only named: in its headers.
        described["responses"][status] = {
            "description": meaning,
            "headers": headers,
            "content": binary,
        }
    described["openapi_extra"]["parameters"] = [
        {
            "name": name,
            "in": "header",
            "required": False,
            "description": meaning,
            "schema": {"type": "string"},
        }
        for name, meaning in (
            ("Range", "One range of bytes, such as `bytes=0-1023`; several are ignored."),
            ("If-Range", "An ETag: the range counts only while the recording is the same."),
        )
    ]
    return described


@router.get("/{call_id}/recording", summary="Hear a call", **_recording())
async def get_recording(
    call_id: PathId,
    request: Request,
    key: Reader,
    services: ServicesOf,
    query: Annotated[RecordingQuery, Query()],
) -> Response:
    """Stereo sound, there when the call is over: left the callee, right the agent."""
    return await answer_recording(
        request, services, key.workspace_id, CallId(call_id), RecordingFormat(query.format)
    )


@router.head("/{call_id}/recording", summary="Size of a recording", **_recording())
async def head_recording(
    call_id: PathId,
    request: Request,
    key: Reader,
    services: ServicesOf,
    query: Annotated[RecordingQuery, Query()],
) -> Response:
    """The headers of the recording alone."""
    return await answer_recording(
        request, services, key.workspace_id, CallId(call_id), RecordingFormat(query.format)
    )


async def answer_recording(
    request: Request,
    services: Services,
    workspace: WorkspaceId,
    call_id: CallId,
    format: RecordingFormat,
) -> Response:
    """The recording of a call, or the range of it that the request names."""
    wav = await services.calls.recording(workspace, call_id)
    try:
        path = anyio.Path(await in_format(wav, format))
        state = await path.stat()
    except FileNotFoundError as error:
        raise NotFound(
            "the file of this recording is no longer there", code="recording_not_available"
        ) from error
    except UnreadableSound as error:
        structlog.get_logger().warning("recording unreadable", call_id=call_id, problem=str(error))
        raise NotFound(
            "the file of this recording is damaged; format=wav gives it as it is",
            code="recording_not_available",
        ) from error
    etag = f'"{state.st_mtime_ns:x}-{state.st_size:x}"'
    if request.headers.get("if-range", etag) == etag:
        wanted = parse_range(request.headers.get("range"), state.st_size)
    else:
        wanted = None
    first, end = wanted or (0, state.st_size)
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(end - first),
        "Content-Disposition": f'inline; filename="{call_id}.{format.value}"',
        "ETag": etag,
    }
    if wanted is not None:
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{state.st_size}"
    status = 200 if wanted is None else 206
    if request.method == "HEAD":
        return Response(None, status, headers, media_type=format.media_type)
    return StreamingResponse(_read(path, first, end), status, headers, media_type=format.media_type)


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and end of the range wanted; None for the whole.

    What is not one range of bytes is ignored, as section 14.2 allows. Raises RangeNotSatisfiable.
    """
    match = None if header is None else ONE_RANGE.fullmatch(header.strip())
    if match is None:
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start = int(first)
        if last and int(last) < start:
            return None  # invalid, section 14.1.1: to be ignored
        end = min(int(last) + 1, size) if last else size
    if start >= end:
        raise RangeNotSatisfiable(f"the recording has {size} bytes", size=size)
    return start, end


async def _read(path: anyio.Path, first: int, end: int) -> AsyncIterator[bytes]:
    async with await path.open("rb") as file:
        await file.seek(first)
        left = end - first
        while left > 0:
            piece = await file.read(min(PIECE, left))
            if not piece:
                return  # the file was cut while it was read: the short answer shows it
            left -= len(piece)
            yield piece
