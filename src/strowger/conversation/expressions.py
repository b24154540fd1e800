"""Conditions over variables, such as `age >= 18 and country in ["MX", "US"]`.

A language of its own with no calls, no attributes and no loops: reading one cannot do anything.
What cannot be compared, such as a text with a number, is not true.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, assert_never

from strowger.agent import Scalar

LONGEST = 500
"""Characters."""
DEEPEST = 20
"""Parentheses and `not` within each other."""

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>\d+(?:\.\d+)?)
      | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<sign>==|!=|<=|>=|<|>|\(|\)|\[|\]|,|-)
    )""",
    re.VERBOSE,
)
_CONSTANTS: Mapping[str, Scalar] = {
    "true": True, "false": False, "null": None, "none": None, "yes": "yes", "no": "no",
}  # fmt: skip
_WORDS = frozenset({"and", "or", "not", "in", "contains"})

Comparison = Literal["==", "!=", "<", "<=", ">", ">=", "in", "contains"]


class BadExpression(ValueError):
    """What is wrong with an expression, for whoever wrote it."""


@dataclass(frozen=True, slots=True)
class Value:
    value: Scalar


@dataclass(frozen=True, slots=True)
class Variable:
    name: str


@dataclass(frozen=True, slots=True)
class Choices:
    items: tuple["Operand", ...]


@dataclass(frozen=True, slots=True)
class Compare:
    operator: Comparison
    left: "Operand"
    right: "Operand"


@dataclass(frozen=True, slots=True)
class Not:
    inner: "Expression"


@dataclass(frozen=True, slots=True)
class Both:
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Either:
    left: "Expression"
    right: "Expression"


Operand = Value | Variable | Choices
Expression = Operand | Compare | Not | Both | Either


def parse(text: str) -> Expression:
    """Raises BadExpression."""
    if len(text) > LONGEST:
        raise BadExpression(f"expected at most {LONGEST} characters, got {len(text)}")
    reader = _Reader(list(_tokens(text)))
    expression = reader.either(0)
    reader.end()
    return expression


def holds(expression: Expression, variables: Mapping[str, Scalar]) -> bool:
    """Whether the condition is true of these variables; one that is not there is null."""
    match expression:
        case Both(left, right):
            return holds(left, variables) and holds(right, variables)
        case Either(left, right):
            return holds(left, variables) or holds(right, variables)
        case Not(inner):
            return not holds(inner, variables)
        case Compare(operator, left, right):
            return _compare(operator, _value(left, variables), _value(right, variables))
        case Value() | Variable() | Choices():
            return _truth(_value(expression, variables))
        case _:
            assert_never(expression)


def names_of(expression: Expression) -> Iterator[str]:
    """The variables that it looks at."""
    match expression:
        case Variable(name):
            yield name
        case Choices(items):
            for item in items:
                yield from names_of(item)
        case Compare(_, left, right) | Both(left, right) | Either(left, right):
            yield from names_of(left)
            yield from names_of(right)
        case Not(inner):
            yield from names_of(inner)
        case Value():
            return
        case _:
            assert_never(expression)


_Found = Scalar | tuple[Scalar, ...]


def _value(operand: Operand, variables: Mapping[str, Scalar]) -> _Found:
    match operand:
        case Value(value):
            return value
        case Variable(name):
            return variables.get(name)
        case Choices(items):
            values = (_value(item, variables) for item in items)
            return tuple(value for value in values if not isinstance(value, tuple))
        case _:
            assert_never(operand)


def _compare(operator: Comparison, left: _Found, right: _Found) -> bool:
    match operator:
        case "==":
            return _same(left, right)
        case "!=":
            return not _same(left, right)
        case "in":
            if isinstance(right, tuple):
                return any(_same(left, item) for item in right)
            return _within(left, right)
        case "contains":
            return _within(right, left)
        case "<" | "<=" | ">" | ">=":
            return _ordered(operator, left, right)
        case _:
            assert_never(operator)


def _same(left: _Found, right: _Found) -> bool:
    """Numbers by value, also where one is written as a text; texts without regard to case."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    numbers = _number(left), _number(right)
    if numbers[0] is not None and numbers[1] is not None:
        return numbers[0] == numbers[1]
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold() == right.casefold()
    return left is None and right is None


def _within(part: _Found, whole: _Found) -> bool:
    texts = isinstance(part, str) and isinstance(whole, str)
    return texts and str(part).casefold() in str(whole).casefold()


def _ordered(operator: Literal["<", "<=", ">", ">="], left: _Found, right: _Found) -> bool:
    one, other = _number(left), _number(right)
    if one is None or other is None:
        if not (isinstance(left, str) and isinstance(right, str)):
            return False
        order = (left.casefold() > right.casefold()) - (left.casefold() < right.casefold())
    else:
        order = (one > other) - (one < other)
    return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[operator]


def _number(value: _Found) -> float | None:
    match value:
        case bool():
            return None
        case int() | float():
            return float(value)
        case str() if re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", value):
            return float(value)
        case _:
            return None


def _truth(value: _Found) -> bool:
    if isinstance(value, str):
        return value.casefold() not in ("", "no", "false", "0")
    return bool(value)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    place = 0
    while text[place:].strip():
        found = _TOKEN.match(text, place)
        if found is None:
            raise BadExpression(f"cannot read {text[place:].strip()[:20]!r}")
        place = found.end()
        kind = found.lastgroup or ""
        yield kind, found.group(kind)


class _Reader:
    """Recursive descent: `or` binds least, then `and`, `not`, comparisons."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._place = 0

    def end(self) -> None:
        if self._place < len(self._tokens):
            raise BadExpression(f"did not expect {self._tokens[self._place][1]!r}")

    def either(self, depth: int) -> Expression:
        left = self._both(depth)
        while self._takes("or"):
            left = Either(left, self._both(depth))
        return left

    def _both(self, depth: int) -> Expression:
        left = self._single(depth)
        while self._takes("and"):
            left = Both(left, self._single(depth))
        return left

    def _single(self, depth: int) -> Expression:
        if depth > DEEPEST:
            raise BadExpression("nested too deeply")
        if self._takes("not"):
            return Not(self._single(depth + 1))
        if self._takes("("):
            inner = self.either(depth + 1)
            self._demand(")")
            return inner
        left = self._operand()
        for operator in ("==", "!=", "<=", ">=", "<", ">", "in", "contains"):
            if self._takes(operator):
                return Compare(operator, left, self._operand())
        if self._peek() == "not":
            self._place += 1
            self._demand("in")
            return Not(Compare("in", left, self._operand()))
        return left

    def _operand(self) -> Operand:
        if self._takes("["):
            items: list[Operand] = []
            while not self._takes("]"):
                if items:
                    self._demand(",")
                items.append(self._scalar())
            return Choices(tuple(items))
        return self._scalar()

    def _scalar(self) -> Operand:
        if self._place >= len(self._tokens):
            raise BadExpression("it ends too soon")
        kind, word = self._tokens[self._place]
        self._place += 1
        match kind:
            case "number":
                return Value(float(word) if "." in word else int(word))
            case "text":
                return Value(re.sub(r"\\(.)", r"\1", word[1:-1]))
            case "name" if word.lower() in _CONSTANTS:
                return Value(_CONSTANTS[word.lower()])
            case "name" if word.lower() not in _WORDS:
                return Variable(word)
            case "sign" if word == "-" and self._place < len(self._tokens):
                inner = self._scalar()
                if isinstance(inner, Value) and isinstance(inner.value, int | float):
                    return Value(-inner.value)
        raise BadExpression(f"expected a variable or a value, got {word!r}")

    def _peek(self) -> str:
        return self._tokens[self._place][1].lower() if self._place < len(self._tokens) else ""

    def _takes(self, word: str) -> bool:
        here = self._place < len(self._tokens) and self._tokens[self._place][0] != "text"
        if here and self._peek() == word:
            self._place += 1
            return True
        return False

    def _demand(self, word: str) -> None:
        if not self._takes(word):
            raise BadExpression(f"expected {word!r}, got {self._peek() or 'the end'!r}")
