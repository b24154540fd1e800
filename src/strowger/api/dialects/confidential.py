"""What vendors' tools send in headers and queries is often a credential: it becomes a secret of the
workspace, and the native tool names it by its place."""

from collections.abc import Mapping

from strowger.api.dialects.endpoints import Asked
from strowger.api.dialects.lists import everything


def name_of(dialect: str, owner: str, key: str) -> str:
    """The secret's name: letters, digits and `_`, the same whenever it is asked for."""
    return "_".join((dialect, owner.replace("-", ""), key))


def place_of(dialect: str, owner: str, key: str, value: str) -> str:
    """How a tool names it; nothing is no secret."""
    return "{{secrets." + name_of(dialect, owner, key) + "}}" if value else ""


async def keep(asked: Asked, dialect: str, owner: str, values: Mapping[str, str]) -> None:
    """Have the secrets of `owner` be these and no others, by their keys.

    Raises InvalidRequest for values that no header can have.
    """
    prefix = name_of(dialect, owner, "")
    wanted = {name_of(dialect, owner, key): value for key, value in values.items() if value}
    secrets, workspace = asked.services.secrets, asked.workspace
    there = {
        secret.name: secret
        for secret in await everything(secrets.list, workspace)
        if secret.name.startswith(prefix)
    }
    for name, secret in there.items():
        if name in wanted:
            await secrets.update(workspace, secret.id, wanted[name])
        else:
            await secrets.delete(workspace, secret.id)
    for name, value in wanted.items():
        if name not in there:
            await secrets.create(workspace, name, value)
