"""Secrets at rest: AES-256-GCM under keys that are not in the database.

What is sealed is bound to its place (table, column and row), so that a sealed text moved to
another row does not open there. Each names the key it was sealed with: several keys may be known
at once, the first seals, all open. Rotation puts a new key first; see `sealing.rewrap`.
"""

import base64
import binascii
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strowger.errors import ConfigurationError

FILE_NAME = "secret.keys"
KEY_LENGTH = 32  # bytes: AES-256
NONCE_LENGTH = 12  # bytes; random: one key is good for some 2**32 secrets (NIST SP 800-38D)
VERSION = 1
"""The first byte of everything sealed; then the key id's length, the id, nonce, ciphertext."""
KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


class DoesNotOpen(ConfigurationError):
    """A sealed secret cannot be read with the keys there are."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Key ids and keys; the first seals."""

    by_id: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.by_id:
            raise ConfigurationError("there is no key for secrets")

    @property
    def primary(self) -> str:
        return next(iter(self.by_id))


class KeySource(Protocol):
    """Where keys come from; asked each time, as a rotation may have added one."""

    def keys(self) -> Keys: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a secret is kept; it opens nowhere else."""

    table: str
    column: str
    row: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column} of {self.row}"


class Keyring:
    """Seals secrets on their way into the database and opens them on their way out."""

    def __init__(self, source: KeySource) -> None:
        self._source = source

    def seal(self, secret: str, place: Place) -> bytes:
        keys = self._source.keys()
        head = _head(keys.primary)
        nonce = secrets.token_bytes(NONCE_LENGTH)
        cipher = AESGCM(keys.by_id[keys.primary])
        return head + nonce + cipher.encrypt(nonce, secret.encode(), _bound(head, place))

    def open(self, sealed: bytes, place: Place) -> str:
        """Raises DoesNotOpen."""
        id = key_id_of(sealed)
        key = self._source.keys().by_id.get(id or "")
        if id is None or key is None:
            raise DoesNotOpen(
                f"{place} was sealed with the key {id!r}, which is not among those configured:"
                f" bring back the {FILE_NAME} or STROWGER_SECRET_KEYS that this database was"
                " written with"
            )
        head, rest = sealed[: 2 + len(id)], sealed[2 + len(id) :]
        try:
            cipher = AESGCM(key)
            plain = cipher.decrypt(rest[:NONCE_LENGTH], rest[NONCE_LENGTH:], _bound(head, place))
        except (InvalidTag, ValueError) as error:
            raise DoesNotOpen(f"{place} does not open with the key {id!r}") from error
        return plain.decode()

    def sign(self, text: str) -> str:
        """`ports.LinkSigner`: a signature that holds while the key that seals now is known."""
        keys = self._source.keys()
        return f"{keys.primary}.{_mac(keys.by_id[keys.primary], text)}"

    def verify(self, text: str, signature: str) -> bool:
        id, _, mac = signature.partition(".")
        key = self._source.keys().by_id.get(id)
        # As bytes: of texts it compares ASCII alone, and this one comes from anybody.
        return key is not None and hmac.compare_digest(_mac(key, text).encode(), mac.encode())

    def is_current(self, sealed: bytes) -> bool:
        """Whether it was sealed with the key that seals now."""
        return key_id_of(sealed) == self._source.keys().primary


def _mac(key: bytes, text: str) -> str:
    # Of a key derived for this alone: what signs links opens no secrets.
    derived = hmac.digest(key, b"strowger links", "sha256")
    mac = hmac.digest(derived, text.encode(), "sha256")
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")


def key_id_of(sealed: bytes) -> str | None:
    """The id of the key something was sealed with; None where it was not sealed here."""
    if len(sealed) < 2 or sealed[0] != VERSION:
        return None
    id = sealed[2 : 2 + sealed[1]].decode("ascii", "replace")
    return id if KEY_ID.fullmatch(id) else None


def _head(id: str) -> bytes:
    return bytes((VERSION, len(id))) + id.encode()


def _bound(head: bytes, place: Place) -> bytes:
    """What is authenticated besides: no part of it may contain the separator."""
    return b"\0".join((head, place.table.encode(), place.column.encode(), place.row.encode()))


# ── where keys come from ─────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class GivenKeys:
    """Keys from the configuration; whoever runs several machines gives all of them the same."""

    given: Keys

    def keys(self) -> Keys:
        return self.given


class KeyFile:
    """Keys in a file of the data folder, read again whenever it has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_at: tuple[int, int, int] | None = None
        self._keys: Keys | None = None

    def keys(self) -> Keys:
        """Raises ConfigurationError where the file is missing, unreadable or open to others."""
        try:
            found = self.path.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if self._keys is None or seen != self._read_at:
                if found.st_mode & 0o077:
                    raise ConfigurationError(
                        f"{self.path} can be read by others: run chmod 600 {self.path}"
                    )
                self._keys, self._read_at = parse_keys(self.path.read_text(), str(self.path)), seen
        except OSError as error:
            raise ConfigurationError(
                f"the keys for secrets cannot be read: {self.path}: {error.strerror}"
            ) from error
        return self._keys

    def make_if_missing(self) -> None:
        """Write a first key; of two processes that try at once one does."""
        if self.path.exists():
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._write(Keys({_new_id(()): secrets.token_bytes(KEY_LENGTH)}), replace=False)

    def add_key(self) -> str:
        """Put a new key first; the others still open what they sealed. Returns the new id."""
        known = self.keys().by_id
        id = _new_id(tuple(known))
        self._write(Keys({id: secrets.token_bytes(KEY_LENGTH), **known}), replace=True)
        return id

    def _write(self, keys: Keys, *, replace: bool) -> None:
        """All of it or nothing, whatever happens to the machine."""
        fresh = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(printed(keys))
                file.flush()
                os.fsync(file.fileno())
            if replace:
                fresh.replace(self.path)
            else:
                with suppress(FileExistsError):
                    os.link(fresh, self.path)  # unlike rename, it does not replace another's
                fresh.unlink()
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise ConfigurationError(
                f"the keys for secrets cannot be written: {self.path}: {error.strerror}"
            ) from error


def parse_keys(text: str, source: str) -> Keys:
    """Keys as `ID:BASE64`, by commas or lines, the one that seals first; # begins a remark."""
    found: dict[str, bytes] = {}
    entries = (
        entry.strip() for line in text.splitlines() for entry in line.partition("#")[0].split(",")
    )
    for entry in filter(None, entries):
        id, _, encoded = entry.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not KEY_ID.fullmatch(id) or len(key) != KEY_LENGTH or id in found:
            # Never the entry itself: it may be a key with a slip of the pen.
            raise ConfigurationError(
                f"{source}: entry {len(found) + 1} is no key: expected ID:KEY, each id once, the"
                f" key {KEY_LENGTH} bytes in base64 (openssl rand -base64 {KEY_LENGTH})"
            )
        found[id] = key
    if not found:
        raise ConfigurationError(f"{source}: there is no key in it")
    return Keys(found)


def printed(keys: Keys) -> str:
    lines = [f"{id}:{base64.b64encode(key).decode()}" for id, key in keys.by_id.items()]
    return (
        "\n".join(
            [
                "# Keys for the secrets in the database. Without them these are lost: keep a copy.",
                *lines,
            ]
        )
        + "\n"
    )


def _new_id(known: tuple[str, ...]) -> str:
    number = len(known) + 1
    while f"key{number}" in known:
        number += 1
    return f"key{number}"
