"""`ETag` and `If-Match`: a change is made to the version that its sender knows, or not at all."""

import re
from typing import Annotated

from fastapi import Header

from strowger.calls.resources.versions import Versioned

IfMatch = Annotated[
    str | None,
    Header(
        description='The `ETag` of what you change as you know it, such as `"3"`: where it has'
        " changed since, the answer is 412 and nothing is changed."
    ),
]


VERSION = re.compile(r"[0-9]{1,18}")


def etag(thing: Versioned) -> dict[str, str]:
    """The header that names its version."""
    return {"ETag": f'"{thing.version}"'}


def versions_of(if_match: str | None) -> frozenset[int] | None:
    """The versions that an If-Match lists (RFC 9110 section 13.1.1); None for none or `*`: any.

    Weak tags, and those that are none of ours, match nothing.
    """
    if if_match is None:
        return None
    tags = [tag.strip() for tag in if_match.split(",")]
    if tags == ["*"]:
        return None
    quoted = (tag[1:-1] for tag in tags if len(tag) > 2 and tag[0] == tag[-1] == '"')
    return frozenset(int(tag) for tag in quoted if VERSION.fullmatch(tag))
