"""Recognition by pocketsphinx, in a process of its own: 100 MB, and it holds the interpreter.

A request is a line of JSON `{"phrases": [...], "spotting": bool}` and the 16 kHz PCM of one whole
turn after it. DONE is JSON `{"text", "confidence", "skipped": [words missing in the dictionary]}`.
The turn is one of the phrases, or none. With `spotting` it is running speech, and the text is
those phrases that were found in it. Without phrases it is dictation by the US-English language
model, which telephone audio makes little better than guessing.

The settings were chosen by measurement (`bench/recognition.py`). Two passes: the first takes the
phrases as a grammar, the second any sequence of phones; `confidence.py` compares them.
"""

import json
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from pocketsphinx import Decoder

from strowger.providers.child_program import Answer, end_with_parent, serve
from strowger.providers.confidence import Segment, confidence_of
from strowger.providers.keyphrases import Spotter

SETTINGS = {"samprate": 16000, "lw": 2.0, "silprob": 0.1, "allphone_ci": True}
SAMPLES_PER_FRAME = 160
CEPSTRAL_MEAN = (48.0, 2.0, -15.7, 11.4, -7.8, -11.1, 0.2, -14.0, -5.9, -4.3, -8.2, 0.6, -7.2)
"""Average over speech of the telephone band at the level that the parent gives it."""
MEAN_WEIGHT = 100
"""How many frames of the turn the average is worth: one word alone says little of the channel."""
FILLERS_BEFORE = ("uh", "um", "well")
FILLERS_AFTER = ("please", "thank you", "thanks")
FILLER_PROBABILITY = 1e-10
"""Each filler that is listened for costs a little accuracy; less when it must be unmistakable."""
LEAST_CONFIDENCE = 0.05
"""Below this the answer is empty: none of the phrases.

Loses 1 right answer in 150 and refuses a quarter of what is no answer. Who would rather ask again
than be wrong asks for 0.3: that keeps 94 % of the right answers and 38 % of the others.
"""
SPOTTED_BETWEEN = " … "
"""Between phrases that were spotted: something may have been said there, but not what."""
MARGIN_FRAMES = 10
"""Of silence, in which the PCM of every turn ends."""
MARGINS_AFTER = 4
"""How much more of it is heard, because a phrase is spotted some time after it was said."""
GRAMMARS_KEPT = 64
DICTATION_CONFIDENCE = 0.2


@dataclass(frozen=True, slots=True)
class Grammar:
    name: str
    phrases: dict[str, str]
    """Words as the dictionary has them, and the phrase they stand for."""
    skipped: tuple[str, ...]


def words_of(phrase: str) -> list[str]:
    """Lower case, apostrophes kept, anything else between words dropped."""
    kept = "".join(c if c.isalnum() or c == "'" else " " for c in phrase.lower())
    return kept.split()


class Recogniser:
    def __init__(self) -> None:
        self._decoder = Decoder(lm=None, loglevel="FATAL", **SETTINGS)
        self._decoder.add_allphone_file("phones", None)
        self._dictation: Decoder | None = None
        self._spotter = Spotter(self._decoder)
        self._grammars: OrderedDict[tuple[bool, tuple[str, ...]], Grammar] = OrderedDict()
        """By what is expected, and whether it is to be spotted in running speech."""
        self._count = 0

    def handle(self, payload: bytes, answer: Answer) -> bytes:
        head, _, pcm = payload.partition(b"\n")
        wanted = json.loads(head)
        phrases = tuple(wanted["phrases"])
        if not phrases:
            found = self._take_dictation(pcm)
        elif wanted["spotting"]:
            found = self._spot(phrases, pcm)
        else:
            found = self._listen(phrases, pcm)
        return json.dumps(found).encode()

    def _listen(self, phrases: tuple[str, ...], pcm: bytes) -> dict[str, object]:
        grammar = self._grammar(phrases)
        nothing = {"text": "", "confidence": 0.0, "skipped": grammar.skipped}
        if not grammar.phrases or len(pcm) < 2 * 10 * SAMPLES_PER_FRAME:
            return nothing
        mean = self._channel(grammar.name, pcm)
        best = self._decode(grammar.name, pcm, mean)
        words = tuple(segment.word for segment in best if segment.is_word)
        text = phrase_in(tuple(word.partition("(")[0] for word in words), grammar.phrases)
        if not text:
            return nothing
        phones = [phone for word in words for phone in self._decoder.lookup_word(word).split()]
        confidence = confidence_of(best, phones, self._decode("phones", pcm, mean))
        if confidence < LEAST_CONFIDENCE:
            return nothing | {"confidence": confidence}
        return {"text": text, "confidence": confidence, "skipped": grammar.skipped}

    def _spot(self, phrases: tuple[str, ...], pcm: bytes) -> dict[str, object]:
        grammar = self._grammar(phrases, spotting=True)
        spotted: list[str] = []
        if grammar.phrases and len(pcm) >= 2 * 10 * SAMPLES_PER_FRAME:
            # Both passes take the same sound: the library crashes where the second is longer.
            pcm += MARGINS_AFTER * pcm[-2 * MARGIN_FRAMES * SAMPLES_PER_FRAME :]
            self._decode(grammar.name, pcm, self._channel("phones", pcm))
            spotted = self._spotter.spotted()
        text = SPOTTED_BETWEEN.join(grammar.phrases[words] for words in spotted)
        return {"text": text, "confidence": None, "skipped": grammar.skipped}

    def _take_dictation(self, pcm: bytes) -> dict[str, object]:
        if self._dictation is None:  # 60 MB more, and seldom of use
            self._dictation = Decoder(loglevel="FATAL")
        self._dictation.start_utt()
        self._dictation.process_raw(pcm, full_utt=True)
        self._dictation.end_utt()
        hypothesis = self._dictation.hyp()
        text = hypothesis.hypstr if hypothesis is not None else ""
        confidence = DICTATION_CONFIDENCE if text else 0.0
        return {"text": text, "confidence": confidence, "skipped": ()}

    def _channel(self, search: str, pcm: bytes) -> str:
        """The cepstral mean to subtract: that of the turn, drawn towards the average."""
        self._decoder.activate_search(search)
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, no_search=True, full_utt=True)
        self._decoder.end_utt()
        own = [float(value) for value in self._decoder.get_cmn().split(",") if value]
        frames = len(pcm) / 2 / SAMPLES_PER_FRAME
        return ",".join(
            f"{(average * MEAN_WEIGHT + value * frames) / (MEAN_WEIGHT + frames):.3f}"
            for average, value in zip(CEPSTRAL_MEAN, own, strict=True)
        )

    def _decode(self, search: str, pcm: bytes, mean: str) -> list[Segment]:
        self._decoder.activate_search(search)
        self._decoder.set_cmn(mean)
        self._decoder.start_utt()
        self._decoder.process_raw(pcm)
        self._decoder.end_utt()
        if self._decoder.hyp() is None:
            return []
        return [
            Segment(segment.word, segment.ascore, segment.start_frame, segment.end_frame)
            for segment in self._decoder.seg()
        ]

    def _grammar(self, phrases: tuple[str, ...], *, spotting: bool = False) -> Grammar:
        key = (spotting, phrases)
        if key in self._grammars:
            self._grammars.move_to_end(key)
            return self._grammars[key]
        if len(self._grammars) >= GRAMMARS_KEPT:
            _, oldest = self._grammars.popitem(last=False)
            if oldest.phrases:
                self._decoder.remove_search(oldest.name)
        known: dict[str, str] = {}
        skipped: set[str] = set()
        for phrase in phrases:
            words = words_of(phrase)
            missing = {word for word in words if self._decoder.lookup_word(word) is None}
            skipped |= missing
            if words and not missing:
                known.setdefault(" ".join(words), phrase)
        self._count += 1
        grammar = Grammar(f"phrases{self._count}", known, tuple(sorted(skipped)))
        if known and spotting:
            self._spotter.add(grammar.name, known)
        elif known:
            transitions = list(transitions_of(known))
            fsg = self._decoder.create_fsg(grammar.name, START, END, transitions)
            self._decoder.add_fsg(grammar.name, fsg)
        self._grammars[key] = grammar
        return grammar


START, BEFORE, AFTER, END = range(4)
Transition = tuple[int, int, float, str] | tuple[int, int, float]


def transitions_of(phrases: Iterable[str]) -> Iterable[Transition]:
    """A graph: perhaps a filler, one of the phrases, perhaps a filler.

    The four named states are the joints; the words of each phrase lie between, on their own.
    """
    states = count(END + 1)
    phrases = list(phrases)
    for start, to, alternatives, share in (
        (START, BEFORE, FILLERS_BEFORE, FILLER_PROBABILITY),
        (BEFORE, AFTER, phrases, 1.0),
        (AFTER, END, FILLERS_AFTER, FILLER_PROBABILITY),
    ):
        for words in (alternative.split() for alternative in alternatives):
            at, probability = start, share / len(alternatives)
            for word in words[:-1]:
                between = next(states)
                yield at, between, probability, word
                at, probability = between, 1.0
            yield at, to, probability, words[-1]
    yield START, BEFORE, 1 - FILLER_PROBABILITY
    yield AFTER, END, 1 - FILLER_PROBABILITY


def phrase_in(words: tuple[str, ...], phrases: dict[str, str]) -> str:
    """The phrase that was said, without the fillers around it."""
    for length in range(len(words), 0, -1):
        for start in range(len(words) - length + 1):
            if (said := " ".join(words[start : start + length])) in phrases:
                return phrases[said]
    return ""


def main() -> None:
    end_with_parent()
    serve(Recogniser().handle)
