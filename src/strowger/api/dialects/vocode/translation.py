"""Between Vocode's agents and Strowger's: which field is which, and what its values become.

Pure. A native definition is seen as values by dotted names, so that a change touches what it
means and nothing else; a field is read back from the definition where that no longer is what was
written, because somebody has changed it over the native API.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from typing import Any, get_args

from strowger.agent import AgentDefinition, Fallback, ModelSettings, VoiceSettings
from strowger.api.dialects.vocode.actions import Body, Named, farewells, tools_of
from strowger.api.dialects.vocode.shapes import HOUSE_VOICE, Json, Language
from strowger.calls.validation import VARIABLE_NAME

Native = dict[str, object]
"""Values of a definition by dotted names, such as `turn_taking.silence_timeout`."""

UNNAMED = "unnamed agent"
"""Every native agent has a name; the vendor's need none."""
LANGUAGES = {"en": "en-US"}
"""Others are the same there and here."""
ENDPOINTING = {"auto": 0.5, "relaxed": 0.9, "sensitive": 0.3}
"""Seconds of silence that end the caller's turn at `conversation_speed` 1."""
INTERRUPTION = {"low": 0.25, "high": 0.1}
"""Seconds of speech over the agent that stop it."""
IDLE, IDLE_IN_MENUS = 30, 600
"""Seconds of silence that end a call: the vendor's default, and that while it walks menus."""
SPEEDS = (0.5, 2.0)

_THEIRS = re.compile(r"\$\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}")
_OURS = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


def with_places(text: str) -> str:
    """`${name}`, as the vendor writes places for context, to `{{name}}`."""
    return _THEIRS.sub(r"{{\1}}", text)


def with_dollars(text: str) -> str:
    return _OURS.sub(r"${\1}", text)


def variables_of(context: Mapping[str, str]) -> dict[str, str]:
    """What of a call's context can stand in a prompt: the rest has names no place can have."""
    return {name: value for name, value in context.items() if VARIABLE_NAME.fullmatch(name)}


def as_kept(native: Native) -> Json:
    """The same as plain JSON."""
    return {name: _plain(value) for name, value in native.items()}


def _plain(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def with_others(definition: AgentDefinition, native: Native, written: Body) -> Native:
    """Beside the agent's actions, the tools that it was given over the native API."""
    tools, before = native.get("tools"), written.get("tools", [])
    if not isinstance(tools, tuple):
        return native
    assert isinstance(before, list)
    ours = {tool["name"] for tool in before} | {tool.name for tool in tools}
    others = tuple(tool for tool in definition.tools if tool.name not in ours)
    return {**native, "tools": (*others, *tools)}


# ── from the vendor's fields ─────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """An agent's parts, whole, and what was found here for its voice and model."""

    prompt: Body
    voice: Body
    actions: tuple[Named, ...]
    settings: VoiceSettings
    model: ModelSettings
    fallbacks: tuple[Fallback, ...] = ()


def native_of(agent: Body, parts: Parts) -> Native:
    """What the agent's definition is to hold."""
    opening = agent["initial_message"]
    sensitivity, speed = str(agent["endpointing_sensitivity"]), _number(agent, "conversation_speed")
    return {
        "name": agent["name"] or UNNAMED,
        "prompt": with_places(str(parts.prompt["content"])),
        "first_message": with_places(str(opening or "")),
        "language": LANGUAGES.get(str(agent["language"]), agent["language"]),
        "voice.provider": parts.settings.provider,
        "voice.voice_id": parts.settings.voice_id,
        "voice.speed": _speed_of(parts.voice),
        "model.provider": parts.model.provider,
        "model.model": parts.model.model,
        "model.temperature": agent["llm_temperature"],
        "model.fallbacks": parts.fallbacks,
        "transcriber.keywords": list(_mapping(agent["deepgram_keywords"])),
        "turn_taking.who_speaks_first": "callee" if opening is None else "agent",
        "turn_taking.endpointing_delay": round(ENDPOINTING[sensitivity] / speed, 3),
        "turn_taking.interruption_delay": INTERRUPTION[str(agent["interrupt_sensitivity"])],
        **_idle(agent),
        "end_call_phrases": farewells(parts.actions),
        "tools": tools_of(parts.actions),
    }


def _idle(agent: Body) -> Native:
    """Asked once, halfway, whether anybody is there; or not at all."""
    in_menus = agent["ivr_navigation_mode"] == "default"
    seconds = agent["idle_time_seconds"] or (IDLE_IN_MENUS if in_menus else IDLE)
    assert isinstance(seconds, int)
    asks = bool(agent["ask_if_human_present_on_idle"])
    return {
        "turn_taking.silence_timeout": min(600.0, seconds / 2 if asks else float(seconds)),
        "turn_taking.max_reprompts": int(asks),
    }


def _speed_of(voice: Body) -> float:
    """How fast the voice speaks, where its kind has a word for that."""
    match voice["type"]:
        case "voice_azure":
            speed = 1 + _number(voice, "rate") / 100
        case "voice_rime" if voice["speed_alpha"]:
            speed = 1 / _number(voice, "speed_alpha")  # less than 1 is faster
        case "voice_play_ht" if voice["speed"]:
            speed = _number(voice, "speed")
        case _:
            speed = 1.0
    return round(min(max(speed, SPEEDS[0]), SPEEDS[1]), 3)


def voice_names(voice: Body) -> Iterable[str]:
    """What the voice may be called among the providers here, the likeliest first."""
    match voice["type"]:
        case "voice_azure":
            yield str(voice["voice_name"])
        case "voice_rime":
            yield str(voice["speaker"])
        case "voice_eleven_labs":
            yield f"elevenlabs/{voice['voice_id']}"
            yield str(voice["voice_id"])
        case "voice_play_ht":
            yield str(voice["voice_id"])
        case _:
            return


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _number(body: Body, name: str) -> float:
    value = body[name]
    assert isinstance(value, int | float)
    return float(value)


# ── back from the definition ─────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Reading:
    """A field of the vendor's, the values it stands for, and how to read it from a definition."""

    field: str
    names: tuple[str, ...]
    read: Callable[[AgentDefinition], object]


def _opening(definition: AgentDefinition) -> str | None:
    return with_dollars(definition.first_message) or None


def _language(definition: AgentDefinition) -> str:
    primary = definition.language.partition("-")[0].lower()
    return primary if primary in get_args(Language) else "en"


def _conversation_speed(definition: AgentDefinition) -> float:
    speed = ENDPOINTING["auto"] / definition.turn_taking.endpointing_delay
    return round(min(max(speed, SPEEDS[0]), SPEEDS[1]), 3)


def _idle_seconds(definition: AgentDefinition) -> int:
    turns = definition.turn_taking
    return max(1, round(turns.silence_timeout * (turns.max_reprompts + 1)))


TURN_END = ("turn_taking.endpointing_delay",)
SILENCE = ("turn_taking.silence_timeout", "turn_taking.max_reprompts")
READINGS = (
    Reading("name", ("name",), lambda agent: None if agent.name == UNNAMED else agent.name),
    Reading("language", ("language",), _language),
    Reading("initial_message", ("first_message",), _opening),
    Reading("endpointing_sensitivity", TURN_END, lambda agent: "auto"),
    Reading("conversation_speed", TURN_END, _conversation_speed),
    Reading(
        "interrupt_sensitivity",
        ("turn_taking.interruption_delay",),
        lambda agent: "high" if agent.turn_taking.interruption_delay < 0.2 else "low",
    ),
    Reading("idle_time_seconds", SILENCE, _idle_seconds),
    Reading(
        "ask_if_human_present_on_idle", SILENCE, lambda agent: agent.turn_taking.max_reprompts > 0
    ),
    Reading(
        "openai_model_name_override",
        ("model.provider", "model.model"),
        lambda agent: agent.model.model,
    ),
    Reading(
        "llm_temperature", ("model.temperature",), lambda agent: agent.model.temperature or 0.0
    ),
    Reading(
        "deepgram_keywords",
        ("transcriber.keywords",),
        lambda agent: dict.fromkeys(agent.transcriber.keywords, 1.0) or None,
    ),
)
PROMPT = Reading("prompt", ("prompt",), lambda agent: with_dollars(agent.prompt))
VOICE = Reading("voice", ("voice.provider", "voice.voice_id"), lambda agent: dict(HOUSE_VOICE))
MEANT_BY = {
    **{reading.field: reading.names for reading in (*READINGS, PROMPT)},
    "voice": (*VOICE.names, "voice.speed"),
    "initial_message": ("first_message", "turn_taking.who_speaks_first"),
    "ivr_navigation_mode": SILENCE,
    "llm_fallback": ("model.fallbacks",),
    "actions": ("end_call_phrases", "tools"),
}
"""The native values that a field of the vendor's decides, or has a part in."""


def differs(reading: Reading, definition: AgentDefinition, written: Body) -> bool:
    """Whether the definition no longer holds what was written for a field."""
    return any(value_of(definition, name) != written.get(name, ...) for name in reading.names)


def value_of(definition: AgentDefinition, name: str) -> object:
    """The value by a dotted name; tuples as lists, as they are kept."""
    value: Any = definition
    for step in name.split("."):
        value = getattr(value, step)
    return _plain(value)


def applied(definition: AgentDefinition, values: Body) -> dict[str, Any]:
    """The top-level fields of the definition that these values change."""
    changes: dict[str, Any] = {}
    for name, value in values.items():
        head, _, rest = name.partition(".")
        given = tuple(value) if isinstance(value, list) else value
        if not rest:
            changes[head] = given
            continue
        part: Any = changes.get(head, getattr(definition, head))
        assert is_dataclass(part) and not isinstance(part, type)
        changes[head] = replace(part, **{rest: given})
    return changes


def given_by(definition: AgentDefinition, agent_uuid: str) -> Json:
    """A native agent as one of the vendor's: its prompt and voice have its own id."""
    return {
        **{reading.field: reading.read(definition) for reading in READINGS},
        "prompt": agent_uuid,
        "voice": agent_uuid,
    }
