"""How long a silence has to be by the words before it: what ends a turn, what asks for patience.

Each sign counts one way or the other: the words, a recogniser that listens for ends of turns, and
a model that listens to the sound. None of them decides alone: all they do is choose among the
three delays of the agent's turn-taking.
"""

import re

from strowger.agent import TurnTaking
from strowger.conversation.events import TurnHint
from strowger.conversation.turn_words import BACKCHANNEL, DIGITS, UNFINISHED

NUMBER_LENGTH = 10
"""Digits of a telephone number; fewer, said one by one, are likely to be followed by more."""
LEAST_PIECES = 2
"""Digits, or groups of them, in a row that look like the beginning of a number."""
LEAST_WRITTEN = 5
"""Digits of one group that do so by itself: fewer are a year, a price, an age."""
LEAST_WORDS = 3
"""Of a sentence that is whole: after a single `Yes.` more often follows."""
LIKELY_OVER, LIKELY_ON = 0.6, 0.4
"""What the turn model says of a pause, beyond which it counts."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
LONGEST_BACKCHANNEL = 3
"""Words."""


def is_backchannel(text: str, language: str) -> bool:
    """Whether a text only shows that somebody listens; one without a word does not even that."""
    known = BACKCHANNEL.get(_of(language), BACKCHANNEL["en"])
    words = _words(text)
    return 0 < len(words) <= LONGEST_BACKCHANNEL and all(word in known for word in words)


def words_that_count(text: str, language: str) -> int:
    """How many words of a text are more than showing that one listens."""
    known = BACKCHANNEL.get(_of(language), BACKCHANNEL["en"])
    return sum(word not in known for word in _words(text))


def finished_by_words(text: str, language: str, *, digits_wanted: int | None = None) -> int:
    """1 where the words look like all there is, -1 where more is to be expected, 0 otherwise."""
    words, ending = _words(text), text.rstrip()[-1:]
    if not words:
        return 0
    spoken, pieces = _digits_at_the_end(words, language)
    if digits_wanted is not None:
        return 1 if spoken == digits_wanted else -1 if 0 < spoken < digits_wanted else 0
    is_number = pieces >= LEAST_PIECES or spoken >= LEAST_WRITTEN
    if (is_number and spoken < NUMBER_LENGTH) or _is_spelled(words):
        return -1
    if spoken >= NUMBER_LENGTH:
        return 1
    if ending in ",:;-–—…" or text.rstrip().endswith("..."):
        return -1
    unfinished = UNFINISHED.get(_of(language), frozenset())
    if words[-1] in unfinished and ending != "?":
        return -1
    if ending in "?？":
        return 1
    return 1 if ending in "!.。！" and len(words) >= LEAST_WORDS else 0


def delay_of(taking: TurnTaking, words: int, hint: TurnHint | None, likely: float | None) -> float:
    """The silence, in seconds, that ends the turn; `likely` is what the turn model says, 0 to 1."""
    if hint is TurnHint.OVER:
        return taking.complete_delay if words < 0 else 0.0
    signs = words + (hint is TurnHint.PERHAPS_OVER) - (hint is TurnHint.RESUMED)
    if likely is not None:
        signs += (likely >= LIKELY_OVER) - (likely <= LIKELY_ON)
    if signs > 0:
        return min(taking.complete_delay, taking.endpointing_delay)
    if signs < 0:
        return max(taking.incomplete_delay, taking.endpointing_delay)
    return taking.endpointing_delay


def _words(text: str) -> list[str]:
    return [word.replace("’", "'") for word in _WORD.findall(text.lower())]


def _of(language: str) -> str:
    return language.partition("-")[0].lower()


def _digits_at_the_end(words: list[str], language: str) -> tuple[int, int]:
    """Digits up to the last word, and in how many pieces they were said or written."""
    known = DIGITS.get(_of(language), frozenset())
    count = pieces = 0
    for word in reversed(words):
        if word.isdigit():
            count += len(word)
        elif word in known:
            count += 1
        else:
            break
        pieces += 1
    return count, pieces


def _is_spelled(words: list[str]) -> bool:
    """Whether the last two words are single letters, as of a name that is spelled."""
    return len(words) >= 2 and all(len(word) == 1 and word.isalpha() for word in words[-2:])
