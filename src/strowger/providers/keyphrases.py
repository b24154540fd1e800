"""Spots phrases in running speech: which were said, whatever else was said around them.

For listening to somebody who speaks whole sentences of which only some words matter. Measured on
60 turns of telephone audio by espeak-ng voices: phrases with 10 phones and more (`you have an
appointment` has 16) are found 92 times in 100, and in 3 % of the turns without them, most of which
have words much like them (Thursday for Tuesday). Shorter ones are found two times in three.
"""

import tempfile
from collections.abc import Mapping

from pocketsphinx import Decoder

DECADES_PER_PHONE = 6
"""How much less likely than any sound at all a phrase may be, by powers of ten."""
SHORT_PHRASE = 10
"""Phones; shorter phrases resemble too much else, and have to be clearer."""
SHORT_DECADES_PER_PHONE, SHORT_DECADES_LESS = 5, 10
MOST_DECADES = 240
WIDEST_BEAM = 1e-250
"""The decoder drops what is less likely than its beam, and its own beam suits short words."""


class Spotter:
    """Lists of phrases, as searches of a decoder that does other things too."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def add(self, name: str, phrases: Mapping[str, str]) -> None:
        """Make a search. `phrases` are in words that the dictionary has."""
        usual = self._decoder.config["beam"]
        self._decoder.config["beam"] = WIDEST_BEAM
        try:
            with tempfile.NamedTemporaryFile("w", suffix=".phrases") as listed:
                for words in phrases:
                    listed.write(f"{words} /1e-{self._decades(words)}/\n")
                listed.flush()
                self._decoder.add_kws(name, listed.name)
        finally:
            self._decoder.config["beam"] = usual

    def spotted(self) -> list[str]:
        """What the utterance that just ended held, in order, as the words of `add`."""
        if self._decoder.hyp() is None:
            return []
        segments = sorted(self._decoder.seg(), key=lambda segment: segment.start_frame)
        return [" ".join(segment.word.split()) for segment in segments]

    def _decades(self, words: str) -> int:
        phones = sum(len(self._decoder.lookup_word(word).split()) for word in words.split())
        if phones < SHORT_PHRASE:
            return max(SHORT_DECADES_PER_PHONE * phones - SHORT_DECADES_LESS, 1)
        return min(DECADES_PER_PHONE * phones, MOST_DECADES)
