"""Requests that no honest client sends: drawn by a seed, so that each can be seen again."""

import ast
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

from strowger.api.dialects.endpoints import Dialect

DIALECTS = Path(__file__).parents[2] / "src" / "strowger" / "api" / "dialects"
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**9,
    10**18,
    10**31,
    1.5,
    -1e308,
    "",
    " ",
    "x",
    "0",
    "-1",
    "99999999999999999999",
    "1e400",
    "nan",
    "9999-12-31T23:59:59.999999+00:00",
    "0001-01-01",
    "+14155550000",
    "+1" + "0" * 400,
    "https://example.com/hook",
    "http://[::1",
    "https://user:p@ss@exa mple.com:99999/\u2028",
    "{{",
    "{{a}} {{secrets.b}}",
    "\0",
    "ÿ\u202e😀",
    "\u0660\u0661",
    "%00",
    "x" * 5_000,
    Random(0).randbytes(4_000).hex(),
    [],
    {},
    [None],
    [{}],
    [[]],
    ["x"],
    {"": None},
    {"x": {"y": [1, "z", None]}},
)
RAW = (
    b"",
    b" ",
    b"null",
    b"0",
    b'"x"',
    b"[]",
    b"[{}]",
    b"{",
    b'{"a": 1, "a": 2}',
    b'{"a": NaN}',
    b'{"a": 1e999}',
    b'{"a": ' + b"9" * 5_000 + b"}",
    b'{"a": "\\ud800"}',
    b'{"\\ud800": 1}',
    b'{"a": "\\u0000"}',
    b'{"a": "\xff"}',
    b"\xff\xfe{\x00}\x00",
    b"[" * 100_000,
    b'{"a":' * 50 + b"1" + b"}" * 50,
)
QUERIES = (
    "=&&=",
    "a=%00",
    "page=%ff%fe",
    "page=0&size=0&limit=0&offset=-1&cursor=%00",
    "page=99999999999999999999&size=99999999999999999999&pageSize=99999999999999999999",
    "limit=1e9&offset=NaN&page=%D9%A1&cursor=%F0%9F%98%80",
    "id=%00&id=%ff&id=a&id=b",
)
SEGMENTS = ("%00", "%ff", "%2e%2e", quote("😀"), "x" * 2_000, "agent_", "call_%00", "-1", "%E9")
QUERIED = ("id", "page", "size", "limit", "offset", "cursor", "status", "search", "sort_column")
TYPES = (b"application/json", b"text/plain", b"application/json; charset=utf-16", b"", b"\xff")


def names_of(dialect: Dialect) -> tuple[str, ...]:
    """Words that the dialect may read: the fields and the strings of its source."""
    single, folder = DIALECTS / f"{dialect.name}.py", DIALECTS / dialect.name
    words: set[str] = set()
    for path in [single] if single.exists() else sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.AnnAssign(target=ast.Name(id=name)):
                    words.add(name)
                case ast.Constant(value=str(text)) if text.isidentifier():
                    words.add(text)
                case _:
                    pass
    return tuple(sorted(words))


class Odd:
    """Draws of one seed.

    `good` is a body that every endpoint of the dialect takes, as each passes over what is not its:
    what is odd then comes as far as it can.
    """

    def __init__(self, dialect: Dialect, good: Mapping[str, Any], ids: Sequence[str], seed: int):
        self._random = Random(seed)
        self._names = names_of(dialect)
        self._good = good
        self._ids = ids

    def body(self) -> bytes:
        chance = self._random.random()
        if chance < 0.2:
            return self._random.choice(RAW)
        good = self._good if chance < 0.8 else {}
        return json.dumps({**good, **self._fields(depth=0)}).encode()

    def query(self) -> str:
        if self._random.random() < 0.3:
            return self._random.choice(QUERIES)
        names = self._random.choices((*self._names, *QUERIED), k=3)
        return "&".join(f"{quote(name)}={quote(self._text())}" for name in names)

    def content_type(self) -> bytes:
        return self._random.choice(TYPES)

    def segment(self) -> str:
        """What stands for a name in the path."""
        return self._random.choice(self._ids if self._random.random() < 0.7 else SEGMENTS)

    def _text(self) -> str:
        value = self._random.choice((*VALUES, *self._ids))
        return value if isinstance(value, str) else json.dumps(value)

    def _fields(self, depth: int) -> dict[str, Any]:
        names = self._random.choices(self._names, k=self._random.randint(1, 3))
        return {name: self._value(depth) for name in names}

    def _value(self, depth: int) -> Any:
        if depth < 3 and self._random.random() < 0.2:
            inner = self._fields(depth + 1)
            return [inner] if self._random.random() < 0.5 else inner
        return self._random.choice((*VALUES, *self._ids, *self._names))
