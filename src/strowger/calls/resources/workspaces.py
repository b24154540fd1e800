"""The workspace itself, and the secret that signs for addresses without a webhook of their own."""

from strowger.calls.resources.signing import OVERLAP
from strowger.calls.resources.versions import Clock
from strowger.model import Workspace, WorkspaceId
from strowger.ports import Records
from strowger.signing_secrets import new_secret


class WorkspaceService:
    def __init__(self, records: Records, *, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    async def get(self, workspace: WorkspaceId) -> Workspace:
        return await self._records.get_workspace(workspace)

    async def rotate_secret(self, workspace: WorkspaceId) -> tuple[Workspace, str]:
        """A new secret, which is shown nowhere else, for what goes to the `webhook_url` of calls
        and agents; for a day it is signed with the old one too.

        A second rotation within that day ends the first secret's time.
        """
        now, secret = self._clock(), new_secret()
        rotated = await self._records.rotate_workspace_secret(
            workspace, secret, previous_until=now + OVERLAP, now=now
        )
        return rotated, secret
