import pytest

from strowger.conversation.places import (
    fill,
    fill_value,
    leads_elsewhere,
    malformed_places,
    places_in,
    texts_within,
)

VALUES: dict[str, dict[str, object]] = {
    "variable": {"lead": "Ann"},
    "arguments": {"n": 3},
    "secrets": {"KEY": "k"},
}


def lookup(kind: str, name: str) -> object:
    return VALUES[kind].get(name)


def test_places_are_told_apart_by_what_they_name() -> None:
    text = "{{lead}} {{ arguments.n }} {{secrets.KEY}}"
    assert list(places_in(text)) == [("variable", "lead"), ("arguments", "n"), ("secrets", "KEY")]
    assert fill(text, lookup, str) == "Ann 3 k"


def test_a_text_that_is_one_place_keeps_the_kind_of_its_value() -> None:
    template = {"n": "{{arguments.n}}", "list": ["n={{arguments.n}}", 5, None]}
    assert fill_value(template, lookup, str) == {"n": 3, "list": ["n=3", 5, None]}
    assert list(texts_within(template)) == ["{{arguments.n}}", "n={{arguments.n}}"]


@pytest.mark.parametrize("text", ["{{}}", "{{a b}}", "{{arguments.}}", "{{other.name}}", "{{x"])
def test_what_only_looks_like_a_place_is_found(text: str) -> None:
    assert list(malformed_places(text))


@pytest.mark.parametrize(
    ("url", "elsewhere"),
    [
        ("https://example.com/a/{{arguments.n}}", False),
        ("https://example.com?x={{lead}}", False),
        ("https://example.com", False),
        ("https://{{lead}}/", True),
        ("https://example.com{{lead}}/", True),
        ("https://example.com:80{{lead}}/", True),
        ("{{lead}}://example.com/", True),
        ("ftp://example.com/", True),
        ("example.com", True),
    ],
)
def test_nothing_is_filled_in_before_the_path(url: str, elsewhere: bool) -> None:
    assert leads_elsewhere(url) is elsewhere
