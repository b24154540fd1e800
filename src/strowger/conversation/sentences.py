"""Where a sentence ends, so that it can be spoken while the rest is still being written.

Works letter by letter: how a text is cut into pieces on its way here never changes the sentences.
"""

import re

LONGEST_SENTENCE = 240
"""Characters after which a sentence is broken at the best place so far."""
EARLIEST_BREAK = 80
"""Characters before which a long sentence is not broken at a comma."""

_NEVER_LAST = frozenset((
    "mr", "mrs", "ms", "dr", "prof", "rev", "hon", "sr", "jr", "st", "mt", "ft", "vs",
    "fig", "approx", "e.g", "i.e", "cf", "jan", "feb", "mar", "apr", "aug", "sept", "oct",
    "nov", "dec",
))  # fmt: skip
"""Abbreviations that something always follows."""
_SOMETIMES_LAST = frozenset((
    "no", "a.m", "p.m", "am", "pm", "etc", "inc", "ltd", "co", "corp", "u.s", "u.k", "ave", "blvd",
    "rd",
))  # fmt: skip
"""Abbreviations that end a sentence where a capital letter follows."""
_FULL_STOPS = frozenset("。！？｡")
"""What ends sentences where no space follows: in Chinese and Japanese."""
_AFTER_FULL_STOPS = frozenset("。！？｡…」』）》〉】”’")
_CLOSING = "\"'”’)]»"
_END = re.compile(rf"[.!?…]+[{re.escape(_CLOSING)}]*$")
_BREAKS = (re.compile(r"[;:–—]\s"), re.compile(r",\s"), re.compile(r"\s"))


class SentenceSplitter:
    """Takes text as it is written; gives each sentence back as soon as it is whole."""

    def __init__(self) -> None:
        self._text = ""
        self._undecided = False
        """The text may be a sentence: the next letter tells."""

    def feed(self, text: str) -> list[str]:
        """The sentences that `text` completes."""
        sentences: list[str] = []
        for letter in text:
            sentences += self._take(letter)
        return sentences

    def flush(self) -> list[str]:
        """The text is over: what is left is a sentence too."""
        return self._end()

    def _take(self, letter: str) -> list[str]:
        done: list[str] = []
        if letter in "\r\n":
            return self._end()
        if self._text and self._text[-1] in _AFTER_FULL_STOPS and self._is_full(letter):
            done = self._end()
        if letter.isspace():
            if not self._text:
                return done
            match _ending(self._text):
                case True:
                    return self._end()
                case None:
                    self._undecided = True
        elif self._undecided:
            self._undecided = False
            if letter.isupper():
                done += self._end()
        self._text += letter
        if len(self._text) >= LONGEST_SENTENCE:
            done += self._break()
        return done

    def _is_full(self, letter: str) -> bool:
        """Whether the text ends with a full stop, and what may stand behind it, before a letter."""
        if letter in _AFTER_FULL_STOPS:
            return False
        return self._text.rstrip("」』）》〉】”’")[-1:] in _FULL_STOPS

    def _end(self) -> list[str]:
        sentence, self._text, self._undecided = self._text.strip(), "", False
        return [sentence] if sentence else []

    def _break(self) -> list[str]:
        """Cut a text without an end at its last colon, comma or space, or where it stands."""
        for pattern in _BREAKS:
            ends = [found.end() for found in pattern.finditer(self._text)]
            if ends and (ends[-1] >= EARLIEST_BREAK or pattern is _BREAKS[-1]):
                cut = ends[-1]
                break
        else:
            cut = len(self._text)
        sentence, self._text = self._text[:cut].strip(), self._text[cut:]
        self._undecided = False
        return [sentence] if sentence else []


def _ending(text: str) -> bool | None:
    """Whether a text before a space is a whole sentence; None where the next letter tells."""
    end = _END.search(text)
    if end is None:
        return False
    if end.group() != ".":
        return True
    word = text[: end.start()].rsplit(maxsplit=1)[-1:]
    last = word[0].lstrip("\"'“‘(").lower() if word else ""
    if last in _NEVER_LAST or (len(last) == 1 and last.isalpha() and last != "i"):
        return False
    if last.isdigit() and text[: end.start()].strip() == last:
        return False  # the number of a list's item
    return None if last in _SOMETIMES_LAST else True


def split_sentences(text: str) -> list[str]:
    """The sentences of a text that is there as a whole."""
    splitter = SentenceSplitter()
    return splitter.feed(text) + splitter.flush()
