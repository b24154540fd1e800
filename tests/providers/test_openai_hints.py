"""What OpenAI's transcription models are told of the words to come."""

import pytest

from strowger.providers.openai_hints import MOST_KEYWORDS, hints


@pytest.mark.parametrize(
    "model", ["gpt-transcribe", "gpt-live-transcribe", "gpt-transcribe-2027-01-01"]
)
def test_models_that_take_lists_get_lists_and_nothing_that_they_refuse(model: str) -> None:
    assert hints(model, "pt-BR", ["Strowger", "Anna", "Strowger"]) == {
        "languages": ["pt"],
        "keywords": ["Strowger", "Anna"],
    }
    assert hints(model, "de", ["a\nb", "<b>", "x\r", " ", "Müller & Söhne"]) == {
        "languages": ["de"],
        "keywords": ["Müller & Söhne"],
    }
    assert hints(model, "en-US") == {"languages": ["en"]}
    assert len(hints(model, "en", map(str, range(500)))["keywords"]) == MOST_KEYWORDS  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "model", ["gpt-4o-mini-transcribe", "whisper-1", "gpt-transcribed", "large-v3"]
)
def test_other_models_get_a_language_and_a_prompt(model: str) -> None:
    assert hints(model, "en-US", ["Strowger", "Anna"]) == {
        "language": "en",
        "prompt": "Strowger, Anna",
    }
    assert hints(model, "en-US") == {"language": "en"}
    assert (
        len(str(hints(model, "en", ["word"] * 3 + [str(n) for n in range(999)])["prompt"])) == 600
    )
