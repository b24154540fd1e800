"""Days as people say them: `tomorrow`, `next friday`, `the third of march`.

Every day is meant to come: what is said without a year is the next such day from today on.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from strowger.agent import Scalar
from strowger.conversation.spoken_numbers import ordinal_in_words

WEEKDAYS = (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
)  # fmt: skip
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
_DAYS = {ordinal_in_words(day): day for day in range(1, 32)}
_WRITTEN_DAY = re.compile(r"(\d{1,2})(?:st|nd|rd|th)")
_MONTH_LENGTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_BEFORE_A_DAY = frozenset(("the", "on", *WEEKDAYS))
_TENS = frozenset(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"))
_UNCERTAIN = frozenset(("not", "or", "except", "don't", "can't", "isn't"))


def today_from(now: Scalar) -> date | None:
    """The date of the variable `now`, an RFC 3339 time or date; None where it is neither."""
    if not isinstance(now, str):
        return None
    try:
        return datetime.fromisoformat(now).date()
    except ValueError:
        return None


def date_in(words: Sequence[str], *, today: date | None) -> date | None:
    """The one day that a text names; None where it names none, several, or says what it is not."""
    if today is None or _UNCERTAIN & set(words):
        return None
    exact = _exact_days(list(words), today)
    by_weekday = {WEEKDAYS.index(word) for word in words if word in WEEKDAYS}
    if len(exact) > 1 or len(by_weekday) > 1:
        return None
    if exact:
        day = exact.pop()
        return day if not by_weekday or day.weekday() in by_weekday else None
    if by_weekday:
        return today + timedelta(days=(by_weekday.pop() - today.weekday() - 1) % 7 + 1)
    return None


def date_phrases() -> Iterator[str]:
    """What a recogniser should expect where a day is asked for."""
    yield from ("today", "tomorrow", "the day after tomorrow")
    for weekday in WEEKDAYS:
        yield from (weekday, f"on {weekday}", f"next {weekday}")
    for day in _DAYS:
        yield f"the {day}"
    for month, length in zip(MONTHS, _MONTH_LENGTH, strict=True):
        for name, number in _DAYS.items():
            if number <= length:
                yield from (f"{month} {name}", f"the {name} of {month}")


def _exact_days(words: list[str], today: date) -> set[date]:
    """Days told by number or by their distance from today."""
    days: set[date] = set()
    if "today" in words or "tonight" in words:
        days.add(today)
    if "tomorrow" in words:
        later = 2 if "day after tomorrow" in " ".join(words) else 1
        days.add(today + timedelta(days=later))
    months = {place: MONTHS.index(word) + 1 for place, word in enumerate(words) if word in MONTHS}
    place = 0
    while place < len(words):
        number, length = _day_at(words, place, beside_month=bool(months))
        if number is not None:
            month = _month_beside(months, place, length, words)
            days |= {day for day in [_coming(today, month, number)] if day is not None}
        place += length
    return days


def _day_at(words: list[str], place: int, *, beside_month: bool) -> tuple[int | None, int]:
    """The day of a month said at `place`, and how many words it takes."""
    before = words[place - 1] if place else "the"
    for length in (2, 1):
        name = words[place : place + length]
        day = _DAYS.get(" ".join(name)) if len(name) == length else None
        if day is not None:  # `just a second` and `thirty second` are no days
            fits = before in _BEFORE_A_DAY or (beside_month and before not in _TENS)
            return day if fits else None, length
    if written := _WRITTEN_DAY.fullmatch(words[place]):
        return int(written.group(1)), 1
    if beside_month and words[place].isdigit():
        return int(words[place]), 1
    return None, 1


def _month_beside(months: dict[int, int], place: int, length: int, words: list[str]) -> int | None:
    """The month next to a day: before it, or after it with or without `of`."""
    before = place - 2 if words[place - 1 : place] == ["the"] else place - 1
    after = place + length + (1 if words[place + length : place + length + 1] == ["of"] else 0)
    return months.get(before) or months.get(after)


def _coming(today: date, month: int | None, number: int) -> date | None:
    """The next day of that number, in that month if one was said."""
    for ahead in range(49):
        year, zero_based = divmod(today.year * 12 + today.month - 1 + ahead, 12)
        if month in (None, zero_based + 1):
            try:
                day = date(year, zero_based + 1, number)
            except ValueError:
                continue
            if day >= today:
                return day
    return None
