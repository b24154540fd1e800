"""What a streaming recogniser is told to expect: the agent's keywords, and the answers that the
last question leads to; within what its vendor takes.

Answers are told only where all of them fit: a part of them would be heard in place of the rest.
Yes, no and digits are not told: every recogniser knows them, and a stream that was opened for a
question cannot be used for the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from strowger.agent import TranscriberSettings
from strowger.conversation.answers import are_everyday


@dataclass(frozen=True, slots=True, kw_only=True)
class VocabularyLimits:
    most: int
    """Terms."""
    longest: int
    """Characters of one; longer ones are left out."""
    total: int
    """Characters of all."""


def expecting(
    settings: TranscriberSettings, phrases: Sequence[str], limits: VocabularyLimits
) -> TranscriberSettings:
    """The settings with all that may be told as their keywords."""
    own = _fitting(settings.keywords, limits)
    if phrases and not are_everyday(phrases):
        wanted = tuple(dict.fromkeys([*own, *phrases]))
        if _fitting(wanted, limits) == wanted:
            own = wanted
    return settings if own == settings.keywords else replace(settings, keywords=own)


def _fitting(terms: Sequence[str], limits: VocabularyLimits) -> tuple[str, ...]:
    fitting: list[str] = []
    left = limits.total
    for term in dict.fromkeys(" ".join(term.split()) for term in terms):
        if not term or len(term) > limits.longest:
            continue
        if len(fitting) == limits.most or len(term) > left:
            break
        fitting.append(term)
        left -= len(term)
    return tuple(fitting)
