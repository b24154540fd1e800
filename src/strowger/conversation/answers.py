"""From what the callee said or keyed in to the value of an answer, and back to what to expect.

An answer that could mean two things is no answer: the agent asks again rather than guess.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import assert_never

from strowger.agent import Expectation, Scalar
from strowger.conversation.spoken_dates import date_in, date_phrases
from strowger.conversation.spoken_numbers import UNITS, digits_from, in_words, number_in

YES, NO, UNSURE = "yes", "no", "unsure"

_YES = (
    "yes", "yeah", "yep", "yup", "yes please", "sure", "of course", "okay", "ok", "correct",
    "that's correct", "that is correct", "right", "that's right", "all right", "absolutely",
    "definitely", "certainly", "exactly", "indeed", "fine", "that's fine", "perfect", "great",
    "good", "sounds good", "that works", "i do", "i am", "i can", "i will", "i'll be there",
    "i would", "please do", "no problem", "why not", "go ahead", "i confirm", "confirmed",
    "uh huh", "i don't mind", "affirmative",
)  # fmt: skip
_NO = (
    "no", "nope", "nah", "no thanks", "no thank you", "not really", "not at all", "never",
    "negative", "not", "i'm not", "i am not", "i can't", "i cannot", "can't", "cannot", "i don't",
    "don't", "i do not", "i won't", "won't", "i wouldn't", "that doesn't work", "doesn't",
    "doesn't work", "wrong", "that's wrong", "incorrect", "impossible", "unfortunately",
    "unfortunately not", "i'm afraid not", "of course not", "absolutely not", "certainly not",
    "definitely not", "not possible", "not good", "not right", "not correct", "not okay",
    "not fine", "that's not right", "that is not correct", "i will not", "i can not",
)  # fmt: skip
_UNSURE = (
    "not sure", "i'm not sure", "i don't know", "don't know", "maybe", "perhaps", "it depends",
    "right now", "say that again", "no idea",
)  # fmt: skip
_EXPECTED = (
    "yes", "yeah", "yep", "yes please", "sure", "of course", "okay", "correct", "that's right",
    "that's correct", "absolutely", "definitely", "that's fine", "sounds good", "that works",
    "i can", "i do", "i will", "no", "nope", "no thanks", "no thank you", "not really",
    "i can't", "i cannot", "i'm not", "i don't", "that doesn't work", "i'm afraid not",
    "that's wrong", "no i can't", "yes i can", "yes that's right", "yes that's fine",
    "i don't know", "i'm not sure", "maybe",
)  # fmt: skip
"""What a recogniser is told to expect: fewer phrases than are understood, to be mistaken less."""

WITH_AND = 1000
"""Numbers up to this are expected with and without `and`."""

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+(?:st|nd|rd|th)?")


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, without punctuation; `1,200` is one, `p.m.` is `pm`."""
    plain = text.lower().replace("’", "'")
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", plain)
    plain = re.sub(r"\b([a-z])\.(?=[a-z]\b)", r"\1", plain)
    return tuple(_WORD.findall(plain))


def recognise(expect: Expectation, text: str, *, today: date | None = None) -> Scalar:
    """The value of what was said; None where it is no clear answer."""
    words = words_of(text)
    match expect.type:
        case "yes_no":
            return _yes_or_no(words)
        case "number":
            return _in_range(expect, number_in(words))
        case "date":
            day = date_in(words, today=today)
            return None if day is None else day.isoformat()
        case "keywords":
            return _keyword(expect, words)
        case "digits":
            return _wanted_digits(expect, digits_from(words))
        case "anything":
            return text.strip() or None
        case _:
            assert_never(expect.type)


def recognise_digits(expect: Expectation, digits: str) -> Scalar:
    """The value of what was keyed in; None where it is no answer to this question."""
    match expect.type:
        case "yes_no":
            return {"1": YES, "2": NO}.get(digits)
        case "number":
            return _in_range(expect, int(digits)) if digits.isdecimal() and digits else None
        case "keywords":
            return _keyword(expect, words_of(digits))
        case "digits":
            return _wanted_digits(expect, digits)
        case "date":
            return None
        case "anything":
            return digits or None
        case _:
            assert_never(expect.type)


def digits_wanted(expect: Expectation | None) -> int | None:
    """How many digits make a whole answer; None where only `#` or a pause tells."""
    if expect is None:
        return None
    match expect.type:
        case "yes_no":
            return 1
        case "number":
            return len(str(expect.maximum))
        case "digits":
            return expect.length
        case "date" | "keywords" | "anything":
            return None
        case _:
            assert_never(expect.type)


def phrases_for(expect: Expectation | None) -> tuple[str, ...]:
    """What a recogniser with a grammar should listen for; empty for anything at all.

    Plain lower-case English words. For digits these are the single digits: they come in a row.
    """
    if expect is None:
        return ()
    match expect.type:
        case "yes_no":
            return _EXPECTED
        case "number":
            return tuple(_number_phrases(expect))
        case "date":
            return tuple(date_phrases())
        case "keywords":
            spoken = (_spoken(phrase) for item in expect.keywords for phrase in item.phrases)
            return tuple(dict.fromkeys(phrase for phrase in spoken if phrase))
        case "digits":
            return (*UNITS[:10], "oh")
        case "anything":
            return ()
        case _:
            assert_never(expect.type)


def are_everyday(phrases: Sequence[str]) -> bool:
    """Whether these are but yes, no and digits, in the words of `phrases_for`."""
    return set(phrases) <= {*_EXPECTED, *UNITS[:10], "oh"}


def _yes_or_no(words: Sequence[str]) -> str | None:
    phrases = [
        (label, tuple(phrase.split()))
        for label, known in ((YES, _YES), (NO, _NO), (UNSURE, _UNSURE))
        for phrase in known
    ]
    meant = _meanings(words, phrases)
    return meant.pop() if meant in ({YES}, {NO}) else None


def _keyword(expect: Expectation, words: Sequence[str]) -> str | None:
    phrases = [
        (item.value, tuple(_spoken(phrase).split()))
        for item in expect.keywords
        for phrase in item.phrases
    ]
    meant = _meanings(tuple(_spoken(" ".join(words)).split()), phrases)
    return meant.pop() if len(meant) == 1 else None


def _meanings(words: Sequence[str], phrases: Iterable[tuple[str, tuple[str, ...]]]) -> set[str]:
    """What the known phrases in a text mean; the longest phrase at a place is the one said."""
    longest_first = sorted(phrases, key=lambda phrase: -len(phrase[1]))
    meant: set[str] = set()
    place = 0
    while place < len(words):
        step = 1
        for meaning, phrase in longest_first:
            if phrase and tuple(words[place : place + len(phrase)]) == phrase:
                meant.add(meaning)
                step = len(phrase)
                break
        place += step
    return meant


def _spoken(phrase: str) -> str:
    """A phrase in the words a recogniser gives back: numerals are said."""
    return " ".join(
        in_words(value) if word.isdigit() and (value := int(word)) < 10_000 else word
        for word in words_of(phrase)
    )


def _in_range(expect: Expectation, number: int | None) -> int | None:
    within = number is not None and expect.minimum <= number <= expect.maximum
    return number if within else None


def _wanted_digits(expect: Expectation, digits: str | None) -> str | None:
    if not digits or (expect.length is not None and len(digits) != expect.length):
        return None
    return digits


def _number_phrases(expect: Expectation) -> Iterator[str]:
    for number in range(expect.minimum, expect.maximum + 1):
        phrase = in_words(number)
        yield phrase
        with_and = phrase.replace("hundred ", "hundred and ")
        if number < WITH_AND and with_and != phrase:
            yield with_and
