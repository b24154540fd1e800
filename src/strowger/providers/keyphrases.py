"""Spots phrases in running speech: which were said, whatever else was said around them.

For listening to somebody who speaks whole sentences of which only some words matter. Measured on
60 turns of telephone audio by espeak-ng voices: of phrases with 14 phones and more (`you have an
appointment` has 16) nine in ten are found, and 2 % of the turns without them seem to have them,
most of those with words much like them; single words are found two times in three, and seem to be
there in 4 % of the turns.
"""

import tempfile
from collections.abc import Mapping

from pocketsphinx import Decoder

DECADES_PER_PHONE = 5.0
"""How much less likely than any sound at all a phrase may be, by powers of ten."""
SHORT_PHRASE = 10
"""Phones; shorter phrases resemble too much else, and have to be clearer."""
SHORT_PHRASE_DECADES = 10.0
WIDEST_BEAM = 1e-200
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
        decades = DECADES_PER_PHONE * phones
        if phones < SHORT_PHRASE:
            decades -= SHORT_PHRASE_DECADES
        return round(max(decades, 1.0))
