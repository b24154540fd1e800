"""Whole numbers from 0 to 9999 as people say them, both ways."""

import re
from collections.abc import Sequence

LARGEST = 9999

UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
_TENS = (
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)  # fmt: skip
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth", "twenty": "twentieth", "thirty": "thirtieth",
}  # fmt: skip
_VALUES = {word: value for value, word in enumerate(UNITS)} | {
    word: 20 + 10 * place for place, word in enumerate(_TENS)
}
_DIGITS = {word: str(value) for value, word in enumerate(UNITS[:10])} | {"oh": "0", "o": "0"}
_SOUND_ALIKE = {"to": 2, "too": 2, "for": 4, "won": 1, "ate": 8, "none": 0, "nobody": 0}
_NUMERAL = re.compile(r"\d+")


def in_words(number: int) -> str:
    """Such as `one hundred twenty three`."""
    if number < 20:
        return UNITS[number]
    if number < 100:
        tens, rest = divmod(number, 10)
        return _TENS[tens - 2] + (f" {UNITS[rest]}" if rest else "")
    size, word = (100, "hundred") if number < 1000 else (1000, "thousand")
    count, rest = divmod(number, size)
    return f"{in_words(count)} {word}" + (f" {in_words(rest)}" if rest else "")


def ordinal(number: int) -> str:
    """Such as `23rd`."""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def ordinal_in_words(number: int) -> str:
    """Such as `twenty third`."""
    *first, last = in_words(number).split()
    return " ".join([*first, _ORDINALS.get(last, f"{last}th")])


def number_in(words: Sequence[str]) -> int | None:
    """The one number that a text names; None where it names none, or several."""
    if len(words) == 1 and words[0] in _SOUND_ALIKE:
        return _SOUND_ALIKE[words[0]]
    found = [number_from(span) for span in _spans(words)]
    return found[0] if len(found) == 1 else None


def number_from(words: Sequence[str]) -> int | None:
    """The number that these words are, all of them; None where they are none."""
    if len(words) == 1 and _NUMERAL.fullmatch(words[0]) and len(words[0]) <= 9:
        return int(words[0])
    if len(words) > 1 and (digits := digits_from(words)) is not None:
        return int(digits) if len(digits) <= 9 else None
    for parts in (_thousands, _century):
        value, rest = parts(list(words))
        if value is not None and not rest:
            return value
    return None


def digits_from(words: Sequence[str]) -> str | None:
    """Digits said or written one by one, such as `four oh two`; None for anything else."""
    digits = [word if _NUMERAL.fullmatch(word) else _DIGITS.get(word) for word in words]
    return "".join(digit for digit in digits if digit) if digits and all(digits) else None


def _is_number(word: str) -> bool:
    return (
        word in _VALUES
        or word in ("hundred", "thousand", "oh")
        or _NUMERAL.fullmatch(word) is not None
    )


def _spans(words: Sequence[str]) -> list[list[str]]:
    """Runs of number words; `a` and `and` belong to one where numbers stand beside them."""
    spans: list[list[str]] = []
    inside = False
    for place, word in enumerate(words):
        following = words[place + 1] if place + 1 < len(words) else ""
        joins = (word == "and" and inside and _is_number(following)) or (
            word == "a" and following in ("hundred", "thousand")
        )
        if joins or _is_number(word):
            if not inside:
                spans.append([])
            spans[-1].append(word)
            inside = True
        else:
            inside = False
    return spans


_Rest = tuple[int | None, list[str]]
"""What the first words say, and the words after them."""


def _below_hundred(words: list[str]) -> _Rest:
    if not words or words[0] not in _VALUES:
        return None, words
    value, rest = _VALUES[words[0]], words[1:]
    if value >= 20 and rest and 1 <= _VALUES.get(rest[0], 0) <= 9:
        return value + _VALUES[rest[0]], rest[1:]
    return value, rest


def _scaled(words: list[str], scale: str) -> _Rest:
    """`seven hundred`, `a thousand`: the count, and what follows without its `and`."""
    count, rest = (1, words[1:]) if words[:1] == ["a"] else _below_hundred(words)
    if count is None or count == 0 or rest[:1] != [scale]:
        return None, words
    rest = rest[1:]
    return count, rest[1:] if rest[:1] == ["and"] and len(rest) > 1 else rest


def _hundreds(words: list[str]) -> _Rest:
    count, rest = _scaled(words, "hundred")
    if count is None:
        return _below_hundred(words)
    below, rest = _below_hundred(rest)
    return count * 100 + (below or 0), rest


def _thousands(words: list[str]) -> _Rest:
    count, rest = _scaled(words, "thousand")
    if count is None:
        return _hundreds(words)
    below, rest = _hundreds(rest)
    return count * 1000 + (below or 0), rest


def _century(words: list[str]) -> _Rest:
    """`nineteen eighty four`, `twenty oh five`."""
    century, rest = _below_hundred(words)
    if century is None or century < 10:
        return None, words
    if rest[:1] == ["oh"]:
        below, rest = _below_hundred(rest[1:])
        return (None, words) if below is None or below > 9 else (century * 100 + below, rest)
    below, rest = _below_hundred(rest)
    return (None, words) if below is None or below < 10 else (century * 100 + below, rest)
