"""What streaming recognisers are told to expect."""

from strowger.agent import Expectation, Phrases, TranscriberSettings
from strowger.conversation.answers import phrases_for
from strowger.providers.deepgram import DeepgramEars, DeepgramSettings
from strowger.providers.vocabulary import VocabularyLimits, expecting

LIMITS = VocabularyLimits(most=4, longest=20, total=40)


def told(
    keywords: tuple[str, ...], phrases: tuple[str, ...] = (), limits: VocabularyLimits = LIMITS
) -> tuple[str, ...]:
    return expecting(TranscriberSettings(keywords=keywords), phrases, limits).keywords


def test_the_answers_to_the_last_question_are_told_after_the_agents_keywords() -> None:
    assert told(("Strowger",), ("thursday", "on friday")) == ("Strowger", "thursday", "on friday")


def test_answers_are_told_where_all_of_them_fit_and_else_none() -> None:
    assert told(("Strowger",), ("a b", "b c", "c d", "d e")) == ("Strowger",)
    assert told((), ("thursday", "x" * 21)) == ()
    assert told((), ("thursday" + "y" * 10, "friday" + "z" * 10, "monday" + "w" * 10)) == ()


def test_keywords_are_told_as_far_as_they_fit() -> None:
    assert told(("a", "b", "c", "d", "e")) == ("a", "b", "c", "d")
    assert told(("x" * 21, "short")) == ("short",)
    assert told(("x" * 20, "y" * 20, "z")) == ("x" * 20, "y" * 20)
    assert told((" Jane   Doe ", "Jane Doe", "")) == ("Jane Doe",)


def test_yes_and_no_and_digits_are_not_told_so_that_a_stream_serves_more_than_one_question() -> (
    None
):
    for kind in ("yes_no", "digits"):
        phrases = phrases_for(Expectation(type=kind))
        assert phrases
        assert told((), phrases, VocabularyLimits(most=100, longest=50, total=2000)) == ()
    days = (Phrases(value="thursday", phrases=("thursday", "on thursday")),)
    names = phrases_for(Expectation(type="keywords", keywords=days))
    assert told((), names) == ("thursday", "on thursday")


def test_older_models_of_deepgrams_are_told_words_instead_of_terms() -> None:
    settings = TranscriberSettings(keywords=("Jane Doe", "John Doe"), model="nova-2")
    url = DeepgramEars(DeepgramSettings(api_key="k")).dial(settings, "en-US").url
    assert "keywords=Jane&keywords=Doe&keywords=John" in url
    assert (
        "keyterm=Jane+Doe"
        in DeepgramEars(DeepgramSettings(api_key="k"))
        .dial(TranscriberSettings(keywords=("Jane Doe",)), "en-US")
        .url
    )
