"""What a transcription model of OpenAI's is told of the words to come. Pure.

https://developers.openai.com/api/docs/guides/speech-to-text
https://developers.openai.com/api/docs/guides/realtime-transcription
"""

import re
from collections.abc import Iterable, Mapping

LONGEST_PROMPT = 600
"""Characters; Whisper uses the last 224 tokens."""
MOST_KEYWORDS = 100
BY_LISTS = re.compile(r"gpt-(live-)?transcribe\b")
"""The models that take `languages` and `keywords`, and refuse `language` beside them."""
FORBIDDEN = re.compile(r"[<>\r\n]")
"""One keyword with any of these has all of the request refused."""


def hints(model: str, language: str, expected: Iterable[str] = ()) -> Mapping[str, object]:
    """Fields beside the model: the language, a tag as of BCP 47, and the expected terms."""
    spoken = language.lower().partition("-")[0]
    terms = list(dict.fromkeys(expected))
    if not BY_LISTS.match(model):
        prompt = ", ".join(terms)[:LONGEST_PROMPT]
        return {"language": spoken, **({"prompt": prompt} if prompt else {})}
    keywords = [term for term in terms if term.strip() and not FORBIDDEN.search(term)]
    return {
        "languages": [spoken],
        **({"keywords": keywords[:MOST_KEYWORDS]} if keywords else {}),
    }
