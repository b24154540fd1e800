"""Ids that sort by the time they were made, and the cursors of lists that are walked by them."""

import base64
import zlib

import uuid_utils

from strowger.errors import InvalidRequest


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid_utils.uuid7().hex}"


def cursor_after(kind: str, id: str) -> str:
    """A cursor that continues a list of `kind` after `id`."""
    content = f"{kind}:{id}".encode()
    check = zlib.crc32(content).to_bytes(4, "big")
    return base64.urlsafe_b64encode(check + content).decode().rstrip("=")


def id_of_cursor(kind: str, cursor: str) -> str:
    """The id in a cursor. Raises InvalidRequest for one that was not made here, for this list."""
    try:
        packed = base64.urlsafe_b64decode(cursor.encode("ascii") + b"==")
        found, _, id = packed[4:].decode().partition(":")
    except ValueError:
        found, id, packed = "", "", b""
    # The checksum is no signature: whoever makes a cursor up must not reach the database with it.
    if (
        not id.isprintable()
        or found != kind
        or zlib.crc32(packed[4:]).to_bytes(4, "big") != packed[:4]
    ):
        raise InvalidRequest("this cursor does not belong to this list", code="invalid_cursor")
    return id
