"""How many words of a text were heard, by the times that the voice has told of its words.

A voice may count words otherwise than the text does: figures are read out, marks stand alone. So
the letters are matched, not the words: what was heard of the text is what has as many letters as
the words that were over.
"""

from collections.abc import Sequence


def words_heard(
    text: str, told: Sequence[tuple[str, float]], heard: float, *, all_told: bool
) -> int | None:
    """Words of `text` that were over after `heard`, in seconds or samples as the ends are.

    `told` are the words and when each ends, in order; `all_told`: there will be no more. None where
    the times tell nothing of that.
    """
    if not told:
        return None
    over = [word for word, end in told if end <= heard]
    words = text.split()
    if len(over) == len(told):
        if all_told:
            return len(words)
        return None  # it was cut before the voice told how far it was
    if all_told and len(told) == len(words):
        return len(over)
    if _same(words, [word for word, _ in told]):
        return len(over)
    if not all_told:
        return None
    share = _letters(over) / max(1, _letters([word for word, _ in told]))
    reached, count = share * _letters(words), 0
    for word in words:
        reached -= _letters([word])
        if reached < 0:
            break
        count += 1
    return count


def _same(words: Sequence[str], told: Sequence[str]) -> bool:
    """Whether the voice's words are those of the text, as far as it has told them."""
    return len(told) <= len(words) and all(
        _plain(ours) == _plain(theirs) for ours, theirs in zip(words, told, strict=False)
    )


def _plain(word: str) -> str:
    return "".join(letter for letter in word.lower() if letter.isalnum())


def _letters(words: Sequence[str]) -> int:
    return sum(len(_plain(word)) for word in words)
