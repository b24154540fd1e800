"""Checks of what customers write that types cannot make: ranges, names, addresses, sizes.

All problems of a request are collected and reported at once. The ranges are a table, so that the
API's document can state exactly what is enforced.
"""

import json
import re
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any
from urllib.parse import urlsplit

from strowger.agent import (
    AgentDefinition,
    Analysis,
    Limits,
    ModelSettings,
    Scalar,
    TranscriberSettings,
    TurnTaking,
    VoiceSettings,
)
from strowger.calls.numbers import phone_number_problem
from strowger.calls.spoken_validation import MOST_FALLBACKS, nothing_to_say, spoken_problems
from strowger.calls.tool_validation import LARGEST_JSON, tool_problems
from strowger.conversation.flow import validate_flow
from strowger.conversation.template import malformed_in
from strowger.errors import FieldProblem, InvalidRequest

RANGES: Mapping[type, Mapping[str, tuple[float, float]]] = {
    VoiceSettings: {"speed": (0.5, 2.0), "fallback_after": (0.2, 30.0)},
    ModelSettings: {
        "temperature": (0.0, 2.0),
        "max_tokens": (1, 100_000),
        "fallback_after": (0.2, 30.0),
    },
    TranscriberSettings: {"fallback_after": (0.2, 30.0)},
    TurnTaking: {
        "endpointing_delay": (0.05, 10.0),
        "complete_delay": (0.0, 10.0),
        "incomplete_delay": (0.05, 10.0),
        "interruption_delay": (0.0, 10.0),
        "interruption_words": (0, 20),
        "filler_delay": (0.1, 30.0),
        "silence_timeout": (0.5, 600.0),
        "max_reprompts": (0, 20),
    },
    Limits: {
        "max_duration": (1.0, 14_400.0),
        "ring_timeout": (1.0, 300.0),
        "provider_deadline": (0.1, 60.0),
    },
}
"""Least and greatest value of each number a definition holds; a flow has rules of its own."""

LONGEST_NAME = 200
MOST_PROMPTS = 20
LONGEST_QUESTION = 4096
MOST_CALLS = 100_000
PACES = (0.01, 1000.0)
"""Calls per second."""
LONGEST_SPEECH = 2000
MOST_TEXTS = 20
"""Of fillers, and of words for a silence."""
LONGEST_SCHEDULE = 365 * 86_400.0
"""Seconds."""
LONGEST_URL = 2048
LARGEST_METADATA = 16_384
"""Bytes of JSON."""
MOST_VARIABLES = 200
LONGEST_VARIABLE = 10_000
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
LIVEKIT = re.compile(r"livekit/[a-z][a-z0-9_]{0,40}")
"""A plugin of livekit's, which the operator has installed."""
HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,45}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """The names of the providers that an agent can ask for."""

    voices: frozenset[str] = frozenset(
        {"cartesia", "deepgram", "elevenlabs", "flite", "kokoro", "local", "openai", "piper"}
    )
    models: frozenset[str] = frozenset({"anthropic", "google", "openai"})
    transcribers: frozenset[str] = frozenset(
        {
            "assemblyai", "deepgram", "deepgram-flux", "local", "openai", "openai-realtime",
            "soniox", "whisper",
        }
    )  # fmt: skip
    services: frozenset[str] = frozenset({"elevenlabs", "openai"})
    """Of speech to speech."""


class Problems:
    """Everything found wrong with one request so far."""

    def __init__(self) -> None:
        self._found: list[tuple[FieldProblem, str]] = []

    def add(self, field: str, message: str | None, *, code: str = "invalid_request") -> None:
        """Note a problem; None is no problem."""
        if message is not None:
            self._found.append((FieldProblem(field, message), code))

    def extend(self, problems: Iterator[FieldProblem]) -> None:
        self._found.extend((problem, "invalid_request") for problem in problems)

    def raise_if_any(self) -> None:
        """Raise InvalidRequest with all of them; its code is theirs where they share one."""
        if not self._found:
            return
        codes = {code for _, code in self._found}
        problems = tuple(problem for problem, _ in self._found)
        raise InvalidRequest(
            "; ".join(f"{problem.field}: {problem.message}" for problem in problems[:3])
            + (f"; and {len(problems) - 3} more" if len(problems) > 3 else ""),
            code=codes.pop() if len(codes) == 1 else None,
            problems=problems,
        )


def definition_problems(
    definition: AgentDefinition, offered: Offered, *, path: str = ""
) -> Iterator[FieldProblem]:
    """What is wrong with an agent's definition, field by field; `path` is where it stands."""
    for field, message in _definition_problems(definition, offered):
        if message is not None:
            yield FieldProblem(f"{path}{field}", message)
    for field, message in spoken_problems(definition, offered.services):
        yield FieldProblem(f"{path}{field}", message)
    for problem in _range_problems(definition, path):
        yield problem
    for field, message in tool_problems(definition.tools):
        yield FieldProblem(path + field, message)
    if definition.flow is not None:
        for problem in validate_flow(definition.flow):
            yield FieldProblem(path + problem.field, problem.message)


def _definition_problems(
    definition: AgentDefinition, offered: Offered
) -> Iterator[tuple[str, str | None]]:
    yield "name", text_problem(definition.name, longest=LONGEST_NAME)
    if nothing_to_say(definition):
        yield "prompt", "expected a prompt, a first message or a flow: the agent has nothing to say"
    if not LANGUAGE_TAG.fullmatch(definition.language):
        yield "language", "expected a language tag such as en-US"
    yield "timezone", timezone_problem(definition.timezone)
    yield "voice.provider", _choice_problem(definition.voice.provider, offered.voices)
    yield "model.provider", _choice_problem(definition.model.provider, offered.models)
    yield (
        "transcriber.provider",
        _choice_problem(definition.transcriber.provider, offered.transcribers),
    )
    yield from _fallback_problems(definition, offered)
    yield from _analysis_problems(definition.analysis, offered)
    for field, text in (
        ("first_message", definition.first_message),
        ("voicemail.message", definition.voicemail.message),
    ):
        for place in malformed_in(text):
            yield field, f"{place!r} names no variable: expected {{{{name}}}}"
    for field in ("reprompts", "fillers"):
        texts: tuple[str, ...] = getattr(definition.turn_taking, field)
        if len(texts) > MOST_TEXTS:
            yield f"turn_taking.{field}", f"expected at most {MOST_TEXTS}, got {len(texts)}"
        for index, text in enumerate(texts[:MOST_TEXTS]):
            yield f"turn_taking.{field}.{index}", speech_problem(text)
    for index, phrase in enumerate(definition.end_call_phrases):
        if not phrase.strip():
            yield f"end_call_phrases.{index}", "expected a phrase, got nothing but space"
    voicemail = definition.voicemail
    if voicemail.action == "leave_message" and not voicemail.message.strip():
        yield "voicemail.message", "expected the message to leave"
    for field, message in variable_problems(definition.default_variables):
        yield f"default_variables{field}", message
    yield "webhook_url", url_problem(definition.webhook_url)
    if definition.caller_id is not None:
        yield "caller_id", phone_number_problem(definition.caller_id)


def _fallback_problems(
    definition: AgentDefinition, offered: Offered
) -> Iterator[tuple[str, str | None]]:
    voice, model, ear = definition.voice, definition.model, definition.transcriber
    for kind, names, known in (
        ("voice", [each.provider for each in voice.fallbacks], offered.voices),
        ("model", [each.provider for each in model.fallbacks], offered.models),
        ("transcriber", [each.provider for each in ear.fallbacks], offered.transcribers),
    ):
        yield from _fallbacks_of(kind, names, known)


def _fallbacks_of(
    kind: str, names: list[str], known: frozenset[str]
) -> Iterator[tuple[str, str | None]]:
    if len(names) > MOST_FALLBACKS:
        yield f"{kind}.fallbacks", f"expected at most {MOST_FALLBACKS}, got {len(names)}"
    for index, name in enumerate(names):
        yield f"{kind}.fallbacks.{index}.provider", _choice_problem(name, known)


def _analysis_problems(analysis: Analysis, offered: Offered) -> Iterator[tuple[str, str | None]]:
    if analysis.extract is not None:
        yield "analysis.extract", schema_problem(analysis.extract)
    if analysis.summary_prompt is not None:
        yield "analysis.summary_prompt", question_problem(analysis.summary_prompt)
    if analysis.success is not None:
        yield "analysis.success", question_problem(analysis.success)
    if len(analysis.prompts) > MOST_PROMPTS:
        yield "analysis.prompts", f"expected at most {MOST_PROMPTS}, got {len(analysis.prompts)}"
        return
    for name, asked in analysis.prompts.items():
        if not VARIABLE_NAME.fullmatch(name):
            yield (
                f"analysis.prompts.{name}",
                "expected a name of letters, digits and _, at most 64 long",
            )
        yield f"analysis.prompts.{name}", question_problem(asked)
    if analysis.model is not None:
        model = analysis.model
        yield "analysis.model.provider", _choice_problem(model.provider, offered.models)
        yield from _fallbacks_of(
            "analysis.model", [each.provider for each in model.fallbacks], offered.models
        )


def schema_problem(schema: Mapping[str, object]) -> str | None:
    """For what is to be found in a call: an object, whose fields have names."""
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), Mapping):
        return "expected a JSON schema with `type: object` and `properties`"
    size = len(json.dumps(schema))
    return None if size <= LARGEST_JSON else f"expected at most {LARGEST_JSON} characters of JSON"


def question_problem(text: str) -> str | None:
    """For what a language model is asked."""
    if not text.strip():
        return "expected some text"
    if len(text) > LONGEST_QUESTION:
        return f"expected at most {LONGEST_QUESTION} characters, got {len(text)}"
    return None


def _range_problems(record: object, path: str) -> Iterator[FieldProblem]:
    """Walk the records of a definition and hold each number against the table."""
    if is_dataclass(record):
        ranges = RANGES.get(type(record), {})
        for field in fields(record):
            value: Any = getattr(record, field.name)
            if field.name in ranges and value is not None:
                least, greatest = ranges[field.name]
                if not least <= value <= greatest:  # false for NaN as well
                    yield FieldProblem(
                        path + field.name, f"expected {least:g} to {greatest:g}, got {value:.12g}"
                    )
            elif field.name not in {"default_variables", "flow", "tools"}:
                yield from _range_problems(value, f"{path}{field.name}.")


def range_problem(field: str, value: float | None) -> str | None:
    """The same bounds for a limit that a call gives itself."""
    least, greatest = RANGES[Limits][field]
    if value is None or least <= value <= greatest:
        return None
    return f"expected {least:g} to {greatest:g}, got {value:.12g}"


def _choice_problem(value: str, choices: frozenset[str]) -> str | None:
    if value in choices or LIVEKIT.fullmatch(value):
        return None
    return f"expected one of {', '.join(sorted(choices))}"


def speech_problem(text: str) -> str | None:
    """For words that the agent is to say at once."""
    if not any(character.isalnum() for character in text):
        return "expected something to say"
    if len(text) > LONGEST_SPEECH:
        return f"expected at most {LONGEST_SPEECH} characters, got {len(text)}"
    return None


def schedule_problem(at: float | None, *, now: float) -> str | None:
    if at is None:
        return None
    if at < now:
        return "expected a time to come; leave it out to call at once"
    if at > now + LONGEST_SCHEDULE:
        return "expected a time within the next 365 days"
    return None


def most_problem(calls: int | None) -> str | None:
    if calls is None or 1 <= calls <= MOST_CALLS:
        return None
    return f"expected 1 to {MOST_CALLS}, or null for no limit, got {calls}"


def pace_problem(calls_per_second: float | None) -> str | None:
    least, greatest = PACES
    if calls_per_second is None or least <= calls_per_second <= greatest:  # false for NaN as well
        return None
    return f"expected {least:g} to {greatest:g}, or null for no limit, got {calls_per_second:.12g}"


def text_problem(text: str, *, longest: int) -> str | None:
    """For names and labels: one line, not empty."""
    if not text.strip():
        return "expected some text"
    if len(text) > longest:
        return f"expected at most {longest} characters, got {len(text)}"
    return None if text.isprintable() else "expected one line without control characters"


def timezone_problem(name: str) -> str | None:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return "expected a time zone of the IANA database such as America/Mexico_City"
    return None


def variable_problems(variables: Mapping[str, Scalar]) -> Iterator[tuple[str, str]]:
    """(path below the mapping, message) for names and values that prompts cannot use."""
    if len(variables) > MOST_VARIABLES:
        yield "", f"expected at most {MOST_VARIABLES} variables, got {len(variables)}"
    for name, value in variables.items():
        if not VARIABLE_NAME.fullmatch(name):
            yield f".{name}", "expected a name of letters, digits and _, at most 64 long"
        if isinstance(value, str) and len(value) > LONGEST_VARIABLE:
            yield f".{name}", f"expected at most {LONGEST_VARIABLE} characters, got {len(value)}"


def metadata_problem(metadata: Mapping[str, object]) -> str | None:
    size = len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode())
    if size > LARGEST_METADATA:
        return f"expected at most {LARGEST_METADATA} bytes of JSON, got {size}"
    return None


def url_problem(url: str | None) -> str | None:
    """Form only: whether an address may be reached is the egress guard's to say."""
    if url is None:
        return None
    if len(url) > LONGEST_URL:
        return f"expected at most {LONGEST_URL} characters, got {len(url)}"
    if not url.isascii() or not url.isprintable() or " " in url:
        return "expected a URL in ASCII without spaces; percent-encode other characters"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "expected a URL such as https://example.com/hook"
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        return "expected an http:// or https:// URL with a host"
    if parts.username is not None or parts.password is not None:
        return "expected a URL without user name and password: answers and logs would show them"
    return "expected a URL without a #fragment" if parts.fragment else None


def host_problem(host: str) -> str | None:
    return None if HOST.fullmatch(host) else "expected a host name or an IP address"
