"""How pydantic tells the members of a union of records apart; nothing here imports it."""

from typing import Protocol, get_args


class _SchemaMaker(Protocol):
    """As much of pydantic's handler as is used here."""

    def generate_schema(self, source: object, /) -> object: ...


class OneOfByType:
    """Tells pydantic to choose a union's member by `type`, so that a bad record is refused once."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: _SchemaMaker
    ) -> dict[str, object]:
        choices = {
            get_args(member.__annotations__["type"])[0]: handler.generate_schema(member)
            for member in get_args(source)
        }
        return {"type": "tagged-union", "discriminator": "type", "choices": choices}


STRICT: dict[str, object] = {"extra": "forbid", "use_attribute_docstrings": True}
"""`__pydantic_config__` of a record: unknown fields are refused."""
