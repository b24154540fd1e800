import pytest

from strowger.conversation.word_times import words_heard

TOLD = [("Hello", 0.4), ("there", 0.8), ("friend", 1.2)]


@pytest.mark.parametrize(
    ("heard", "words"), [(0.0, 0), (0.39, 0), (0.4, 1), (1.0, 2), (1.19, 2), (1.2, 3)]
)
def test_a_word_was_heard_once_it_is_over(heard: float, words: int) -> None:
    assert words_heard("Hello there, friend.", TOLD, heard, all_told=True) == words


def test_a_voice_that_has_not_told_its_last_words_yet_is_followed_as_far_as_it_has() -> None:
    assert words_heard("Hello there, friend.", TOLD[:2], 0.5, all_told=False) == 1
    assert words_heard("Hello there, friend.", TOLD[:2], 0.9, all_told=False) is None


def test_a_voice_that_tells_nothing_tells_nothing() -> None:
    assert words_heard("Hello there, friend.", [], 0.5, all_told=True) is None


def test_words_that_are_said_otherwise_than_written_are_matched_by_their_letters() -> None:
    told = [("The", 0.2), ("twenty", 0.6), ("third", 1.0), ("of", 1.2), ("March", 1.6)]
    assert words_heard("The 23rd of March", told, 1.6, all_told=True) == 4
    assert words_heard("The 23rd of March", told, 1.3, all_told=True) == 3
    assert words_heard("The 23rd of March", told, 1.3, all_told=False) is None
