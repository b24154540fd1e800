"""Trunks: ways to the telephone network."""

from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Any

from strowger.calls.resources.versions import Clock, Ids, update
from strowger.calls.validation import (
    LONGEST_NAME,
    Problems,
    host_problem,
    most_problem,
    pace_problem,
    text_problem,
)
from strowger.errors import Conflict
from strowger.model import Page, Trunk, TrunkId, WorkspaceId
from strowger.ports import Records


class TrunkService:
    def __init__(self, records: Records, *, ids: Ids, clock: Clock) -> None:
        self._records = records
        self._ids = ids
        self._clock = clock

    async def create(
        self, workspace: WorkspaceId, fields: Mapping[str, Any], *, is_default: bool | None = None
    ) -> Trunk:
        """`is_default` None: the default where the workspace has none yet."""
        now = self._clock()
        if is_default is None:
            is_default = await self._records.default_trunk(workspace) is None
        trunk = Trunk(
            id=TrunkId(self._ids("trunk")),
            workspace_id=workspace,
            is_default=is_default,
            created_at=now,
            updated_at=now,
            **fields,
        )
        _check(trunk)
        await self._records.add_trunk(trunk)
        return trunk

    async def get(self, workspace: WorkspaceId, trunk: TrunkId) -> Trunk:
        return await self._records.get_trunk(workspace, trunk)

    async def list(self, workspace: WorkspaceId, *, limit: int, cursor: str | None) -> Page[Trunk]:
        return await self._records.list_trunks(workspace, limit=limit, cursor=cursor)

    async def update(
        self,
        workspace: WorkspaceId,
        trunk: TrunkId,
        changes: Mapping[str, Any],
        *,
        expected: Container[int] | None = None,
    ) -> Trunk:
        """Replace the fields given; what differs makes a new version.

        Raises PreconditionFailed where the present version is none of `expected`.
        """

        async def change(current: Trunk) -> Trunk:
            changed = replace(current, **changes)
            _check(changed)
            return changed

        async def write(changed: Trunk) -> Trunk:
            return await self._records.replace_trunk(replace(changed, updated_at=self._clock()))

        return await update(
            lambda: self._records.get_trunk(workspace, trunk), change, write, expected=expected
        )

    async def delete(self, workspace: WorkspaceId, trunk: TrunkId) -> None:
        """Raises Conflict while calls that are not over use it."""
        try:
            await self._records.delete_trunk(workspace, trunk)
        except Conflict as error:
            raise Conflict("calls that are not over use it", code="trunk_in_use") from error


def _check(trunk: Trunk) -> None:
    problems = Problems()
    problems.add("name", text_problem(trunk.name, longest=LONGEST_NAME))
    problems.add("host", host_problem(trunk.host))
    if not 1 <= trunk.port <= 65_535:
        problems.add("port", f"expected 1 to 65535, got {trunk.port}")
    problems.add("max_calls", most_problem(trunk.max_calls))
    problems.add("calls_per_second", pace_problem(trunk.calls_per_second))
    for field, text in (("username", trunk.username), ("password", trunk.password)):
        if text is not None:
            problems.add(field, text_problem(text, longest=LONGEST_NAME))
    if trunk.password is not None and trunk.username is None:
        problems.add("username", "expected a user name to go with the password")
    problems.raise_if_any()
