"""Sentences are found while the text is still being written."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strowger.conversation.sentences import LONGEST_SENTENCE, SentenceSplitter, split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Hello. How are you? Fine!", ["Hello.", "How are you?", "Fine!"]),
        ("Dr. Smith is in. Mr. Jones is not.", ["Dr. Smith is in.", "Mr. Jones is not."]),
        ("It costs 3.50 euros. Yes.", ["It costs 3.50 euros.", "Yes."]),
        ("At 3 p.m. on Tuesday.", ["At 3 p.m. on Tuesday."]),
        ("Come at 3 p.m. Bring a card.", ["Come at 3 p.m.", "Bring a card."]),
        ("您好。请问您是哪位？好的！", ["您好。", "请问您是哪位？", "好的！"]),
        ("「はい。」と言いました。では。", ["「はい。」", "と言いました。", "では。"]),
        ("本当ですか！？ はい。", ["本当ですか！？", "はい。"]),
        ("J. R. Smith called. So did I. Bye.", ["J. R. Smith called.", "So did I.", "Bye."]),
        ("He lives at no. 5. We said no. So?", ["He lives at no. 5.", "We said no.", "So?"]),
        ("1. Tea\n2. Coffee", ["1. Tea", "2. Coffee"]),
        ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
        ("Well... maybe. What?! Yes", ["Well...", "maybe.", "What?!", "Yes"]),
        ("See example.com for more.", ["See example.com for more."]),
        ("  \n ", []),
        ("", []),
    ],
)
def test_where_sentences_end(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


def test_a_sentence_is_given_as_soon_as_it_is_whole() -> None:
    splitter = SentenceSplitter()
    assert splitter.feed("Hello. H") == ["Hello."]
    assert splitter.feed("ow are") == []
    assert splitter.feed(" you? ") == ["How are you?"]
    assert splitter.feed("At 3 p.m. ") == []  # what follows decides
    assert splitter.feed("we") == []
    assert splitter.feed(" close") == []
    assert splitter.flush() == ["At 3 p.m. we close"]
    assert splitter.flush() == []


def test_a_long_sentence_is_broken_at_a_comma_or_between_words() -> None:
    clauses = split_sentences("and so on and on, " * 20)
    assert all(clause.endswith(",") for clause in clauses)
    assert all(len(clause) <= LONGEST_SENTENCE for clause in clauses)
    words = split_sentences("word " * 100)
    assert " ".join(words) == ("word " * 100).strip()
    assert all(len(part) <= LONGEST_SENTENCE for part in split_sentences("x" * 1000))


TEXTS = st.text(alphabet=st.sampled_from('abI.?!,;: \n"3…pm)Dr。？」”は'), max_size=600)


@given(TEXTS, st.lists(st.integers(0, 600), max_size=8))
def test_how_the_text_arrives_does_not_change_its_sentences(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    splitter = SentenceSplitter()
    sentences = [
        sentence for start, end in pairwise(places) for sentence in splitter.feed(text[start:end])
    ]
    assert sentences + splitter.flush() == split_sentences(text)


@given(TEXTS)
def test_nothing_is_lost_and_nothing_is_too_long(text: str) -> None:
    sentences = split_sentences(text)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(0 < len(sentence) <= LONGEST_SENTENCE for sentence in sentences)
