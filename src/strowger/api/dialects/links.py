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
    expires = int(backing.services.clock()) + LIFETIME
    signature = backing.signer.sign(_signed(call.workspace_id, name, str(expires)))
    where = f"{backing.public_url}/{dialect}/recordings/{call.workspace_id}/{name}"
    return f"{where}?expires={expires}&signature={signature}"


async def _recording(asked: Asked) -> Response:
    query = asked.request.query_params
    workspace, name = asked.path("workspace"), asked.path("name")
    expires, signature = query.get("expires", ""), query.get("signature", "")
    if not asked.backing.signer.verify(_signed(workspace, name, expires), signature):
        raise Forbidden("this link was not given away by us, or has been changed", code="bad_link")
    if int(expires) < asked.services.clock():
        raise Forbidden("this link has expired: ask for the call once more", code="expired_link")
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


def _signed(workspace: str, name: str, expires: str) -> str:
    return f"recording/{workspace}/{name}/{expires}"


RECORDING = Endpoint(
    method="GET",
    path="/recordings/{workspace}/{name}",
    scope=None,
    handle=_recording,
    note="Strowger's own: where `recording_url` and its like lead.",
)
