"""Links that need no key: a signature in them says who gave them away, and until when.

Every dialect answers with a URL of the recording that its clients fetch as it is.
"""

from starlette.responses import Response

from strowger.api.dialects.endpoints import Asked, Backing, Endpoint
from strowger.api.recordings import answer_recording
from strowger.api.sound_files import RecordingFormat
from strowger.errors import Forbidden, NotFound
from strowger.model import Call, CallId, WorkspaceId

LIFETIME = 7 * 86_400
"""Seconds for which a link opens; each answer has a new one."""


def recording_url(
    backing: Backing, dialect: str, call: Call, format: RecordingFormat
) -> str | None:
    """Where the recording is for a week; None where there is none."""
    if not call.recording.available:
        return None
    name = f"{call.id}.{format.value}"
    expires, signature = _signature(backing, call.workspace_id, name)
    where = f"{backing.public_url}/{dialect}/recordings/{call.workspace_id}/{name}"
    return f"{where}?expires={expires}&signature={signature}"


def recording_token(backing: Backing, call: Call, format: RecordingFormat) -> str:
    """The same in one word, for vendors whose links have a path of their own and a `token`."""
    name = f"{call.id}.{format.value}"
    expires, signature = _signature(backing, call.workspace_id, name)
    return f"{call.workspace_id}.{expires}.{signature}"


async def recording_by_token(
    asked: Asked, call: CallId, format: RecordingFormat, token: str
) -> Response:
    """The recording, to whoever has its `recording_token`. Raises Forbidden."""
    workspace, _, rest = token.partition(".")
    expires, _, signature = rest.partition(".")
    _check(asked, _signed(workspace, f"{call}.{format.value}", expires), signature, expires)
    return await answer_recording(
        asked.request, asked.services, WorkspaceId(workspace), call, format
    )


async def _recording(asked: Asked) -> Response:
    query = asked.request.query_params
    workspace, name = asked.path("workspace"), asked.path("name")
    expires, signature = query.get("expires", ""), query.get("signature", "")
    _check(asked, _signed(workspace, name, expires), signature, expires)
    call, _, ending = name.rpartition(".")
    if ending not in {format.value for format in RecordingFormat}:
        raise NotFound("there is no recording in this format")
    return await answer_recording(
        asked.request,
        asked.services,
        WorkspaceId(workspace),
        CallId(call),
        RecordingFormat(ending),
    )


def _signature(backing: Backing, workspace: WorkspaceId, name: str) -> tuple[int, str]:
    """Until when a link opens, and what shows that it was given away by us."""
    expires = int(backing.services.clock()) + LIFETIME
    return expires, backing.signer.sign(_signed(workspace, name, str(expires)))


def _check(asked: Asked, signed: str, signature: str, expires: str) -> None:
    if not asked.backing.signer.verify(signed, signature):
        raise Forbidden("this link was not given away by us, or has been changed", code="bad_link")
    if int(expires) < asked.services.clock():
        raise Forbidden("this link has expired: ask for the call once more", code="expired_link")


def _signed(workspace: str, name: str, expires: str) -> str:
    return f"recording/{workspace}/{name}/{expires}"


RECORDING = Endpoint(
    method="GET",
    path="/recordings/{workspace}/{name}",
    scope=None,
    handle=_recording,
    note="Strowger's own: where `recording_url` and its like lead.",
)
