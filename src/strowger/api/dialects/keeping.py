"""What a dialect keeps of one kind: things of its own, or the rest of native ones."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from strowger.api.dialects.endpoints import Asked
from strowger.errors import NotFound
from strowger.model import DialectRecord


@dataclass(frozen=True, slots=True)
class Shelf:
    """Records of one kind of one dialect. One by the id of a native thing goes when that is
    deleted, whoever deletes it."""

    dialect: str
    kind: str

    async def put(self, asked: Asked, id: str, body: Mapping[str, object]) -> DialectRecord:
        """Keep this, in place of what was there by this id."""
        now = asked.services.clock()
        record = DialectRecord(
            workspace_id=asked.workspace,
            dialect=self.dialect,
            kind=self.kind,
            id=id,
            body=body,
            created_at=now,
            updated_at=now,
        )
        await asked.backing.kept.put_record(record)
        return record

    async def get(self, asked: Asked, id: str) -> DialectRecord:
        """Raises NotFound."""
        return await asked.backing.kept.get_record(asked.workspace, self.dialect, self.kind, id)

    async def find(self, asked: Asked, ids: Sequence[str]) -> Mapping[str, Mapping[str, object]]:
        """The bodies of those of `ids` that are there."""
        found = await asked.backing.kept.find_records(asked.workspace, self.dialect, self.kind, ids)
        return {id: record.body for id, record in found.items()}

    async def list(self, asked: Asked) -> tuple[DialectRecord, ...]:
        """Newest first."""
        return await asked.backing.kept.list_records(asked.workspace, self.dialect, self.kind)

    async def remove(self, asked: Asked, id: str) -> None:
        """Raises NotFound."""
        await asked.backing.kept.delete_record(asked.workspace, self.dialect, self.kind, id)

    async def discard(self, asked: Asked, id: str) -> None:
        """The same for what may not be there."""
        with suppress(NotFound):
            await self.remove(asked, id)
