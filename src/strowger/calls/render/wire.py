"""The plain values that all wire objects are made of."""

from collections.abc import Mapping
from datetime import UTC, datetime

Wire = dict[str, object]


def timestamp(seconds: float) -> str:
    """RFC 3339 UTC with milliseconds: `2026-01-31T09:30:00.125Z`."""
    moment = datetime.fromtimestamp(round(seconds, 3), UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def optional_timestamp(seconds: float | None) -> str | None:
    return None if seconds is None else timestamp(seconds)


def made_and_changed(created_at: float, updated_at: float) -> Mapping[str, object]:
    return {"created_at": timestamp(created_at), "updated_at": timestamp(updated_at)}
