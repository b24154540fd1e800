"""Phone numbers of a workspace."""

from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Any

from strowger.calls.numbers import phone_number_problem
from strowger.calls.resources.versions import Clock, Ids, update
from strowger.calls.validation import LONGEST_NAME, Problems, most_problem, text_problem
from strowger.errors import Conflict, NotFound
from strowger.model import NumberId, Page, PhoneNumber, WorkspaceId
from strowger.ports import Records


class NumberService:
    def __init__(self, records: Records, *, ids: Ids, clock: Clock) -> None:
        self._records = records
        self._ids = ids
        self._clock = clock

    async def create(self, workspace: WorkspaceId, fields: Mapping[str, Any]) -> PhoneNumber:
        now = self._clock()
        number = PhoneNumber(
            id=NumberId(self._ids("number")),
            workspace_id=workspace,
            created_at=now,
            updated_at=now,
            **fields,
        )
        await self._check(number)
        try:
            await self._records.add_number(number)
        except Conflict as error:
            raise Conflict(f"{number.number} is there already", code="number_exists") from error
        return number

    async def get(self, workspace: WorkspaceId, number: NumberId) -> PhoneNumber:
        return await self._records.get_number(workspace, number)

    async def list(
        self, workspace: WorkspaceId, *, limit: int, cursor: str | None
    ) -> Page[PhoneNumber]:
        return await self._records.list_numbers(workspace, limit=limit, cursor=cursor)

    async def update(
        self,
        workspace: WorkspaceId,
        number: NumberId,
        changes: Mapping[str, Any],
        *,
        expected: Container[int] | None = None,
    ) -> PhoneNumber:
        """Replace the fields given; what differs makes a new version.

        Raises PreconditionFailed where the present version is none of `expected`.
        """

        async def change(current: PhoneNumber) -> PhoneNumber:
            changed = replace(current, **changes)
            await self._check(changed)
            return changed

        async def write(changed: PhoneNumber) -> PhoneNumber:
            return await self._records.replace_number(replace(changed, updated_at=self._clock()))

        return await update(
            lambda: self._records.get_number(workspace, number), change, write, expected=expected
        )

    async def delete(self, workspace: WorkspaceId, number: NumberId) -> None:
        await self._records.delete_number(workspace, number)

    async def _check(self, number: PhoneNumber) -> None:
        problems = Problems()
        problems.add("number", phone_number_problem(number.number), code="invalid_phone_number")
        problems.add("max_calls", most_problem(number.max_calls))
        if number.label:
            problems.add("label", text_problem(number.label, longest=LONGEST_NAME))
        if number.trunk_id is not None:
            try:
                await self._records.get_trunk(number.workspace_id, number.trunk_id)
            except NotFound:
                problems.add("trunk_id", f"there is no trunk {number.trunk_id}")
        if number.inbound_agent_id is not None:
            try:
                await self._records.get_agent(number.workspace_id, number.inbound_agent_id)
            except NotFound:
                problems.add("inbound_agent_id", f"there is no agent {number.inbound_agent_id}")
        problems.raise_if_any()
