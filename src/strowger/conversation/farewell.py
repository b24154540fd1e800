"""The phrases that end a call once the agent has said one, and what callees answer to them.

What ends a call is what was heard, also where it was heard in parts.
"""

import re
from collections.abc import Sequence

from strowger.conversation.turn_words import BACKCHANNEL, FAREWELL

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Letters of scripts that put no space between words: Thai, Lao, Burmese, Khmer, Japanese,
Chinese."""
LONGEST_FAREWELL = 6
"""Words."""


class LastPhrases:
    """Those of one agent."""

    def __init__(self, phrases: Sequence[str]) -> None:
        self._phrases = tuple(filter(None, map(_words, phrases)))

    def are_in(self, text: str) -> bool:
        if not self._phrases:
            return False
        words = _words(text)
        said, written = f" {' '.join(words)} ", "".join(words)
        return any(
            "".join(phrase) in written
            if _UNSPACED.search("".join(phrase))
            else f" {' '.join(phrase)} " in said
            for phrase in self._phrases
        )


def is_farewell(text: str, language: str) -> bool:
    """Whether a text is no more than the answer to a goodbye."""
    spoken = language.partition("-")[0].lower()
    known = FAREWELL.get(spoken, FAREWELL["en"]) | BACKCHANNEL.get(spoken, BACKCHANNEL["en"])
    words = _words(text)
    return 0 < len(words) <= LONGEST_FAREWELL and all(word in known for word in words)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower().replace("’", "'"))
