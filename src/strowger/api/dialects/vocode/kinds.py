"""The kinds of things that Vocode keeps beside agents: how each is read from what a client sends.

An update is what is there with the given fields put in place of its own, read like a new thing;
one that names another `type` stands alone.
"""

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

from strowger.api.dialects.bodies import validated
from strowger.api.dialects.keeping import Shelf
from strowger.api.dialects.vocode import shapes
from strowger.api.dialects.vocode.action_shapes import Action
from strowger.api.dialects.vocode.shapes import Json
from strowger.api.dialects.vocode.wire import NAME, given_in, wrong_field
from strowger.calls.validation import url_problem

Prepare = Callable[[Json, Mapping[str, object]], Json]
"""From what was given and what was there (empty for a new thing) to what is to be read."""


def _as_given(raw: Json, current: Mapping[str, object]) -> Json:
    return raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of thing."""

    shelf: Shelf
    adapter: TypeAdapter[Any]
    prepare: Prepare = _as_given

    @property
    def name(self) -> str:
        return self.shelf.kind

    def new(self, raw: Json) -> Json:
        """A new thing, with the defaults of what was not given. Raises InvalidBody."""
        return self._read(self.prepare(raw, {}))

    def changed(self, current: Mapping[str, object], raw: Json) -> Json:
        """The thing with the given fields in place of its own. Raises InvalidBody."""
        given = self.prepare(given_in(raw), current)
        if "type" in current and given.get("type", current["type"]) != current["type"]:
            return self._read(given)
        return self._read({**current, **given})

    def _read(self, whole: Json) -> Json:
        thing = validated(whole, self.adapter)
        body = asdict(thing)
        problem = url_problem(body.get("url")) if "url" in body else None
        if problem is not None:
            raise wrong_field(problem, "url")
        return body


def _kind(name: str, shape: Any, prepare: Prepare = _as_given) -> Kind:
    return Kind(shelf=Shelf(NAME, name), adapter=TypeAdapter(shape), prepare=prepare)


def _prompt(raw: Json, current: Mapping[str, object]) -> Json:
    if isinstance(raw.get("prompt_template"), str):
        raise wrong_field(
            "there are no prompt templates here to name by an id: give the template itself",
            "prompt_template",
        )
    return raw


VOICE_BY_FIELD = (
    ("speaker", "voice_rime"),
    ("api_user_id", "voice_play_ht"),
    ("quality", "voice_play_ht"),
    ("voice_id", "voice_eleven_labs"),
    ("voice_name", "voice_azure"),
)


def _voice(raw: Json, current: Mapping[str, object]) -> Json:
    """In 2023 the type could be `voice_base`: the fields told which it was. The published client
    sends none at all within an agent, unless its user writes it out."""
    if raw.get("type", "voice_base") != "voice_base" or ("type" in current and "type" not in raw):
        return raw
    told = (type for field, type in VOICE_BY_FIELD if field in raw or field in current)
    return {**raw, "type": next(told, "voice_azure")}


def _action(raw: Json, current: Mapping[str, object]) -> Json:
    """An external action's secret is the server's to make, and stays until another is given."""
    config = raw.get("config")
    if raw.get("type") != "action_external" or not isinstance(config, dict):
        return raw
    problem = url_problem(config["url"]) if isinstance(config.get("url"), str) else None
    if problem is not None:
        raise wrong_field(problem, "config", "url")
    before = current.get("config")
    kept = before.get("signature_secret") if isinstance(before, Mapping) else None
    secret = config.get("signature_secret") or kept or new_signature_secret()
    if isinstance(secret, str) and not _is_base64(secret):
        raise wrong_field("expected bytes in base64", "config", "signature_secret")
    return {**raw, "config": {**config, "signature_secret": secret}}


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


def new_signature_secret() -> str:
    """Base64 of 32 random bytes, as the vendor documents it."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


PROMPTS = _kind("prompt", shapes.Prompt, _prompt)
VOICES = _kind("voice", shapes.Voice, _voice)
ACTIONS = _kind("action", Action, _action)
WEBHOOKS = _kind("webhook", shapes.Webhook)
VECTOR_DATABASES = _kind("vector_database", shapes.VectorDatabase)
CONNECTIONS = _kind("account_connection", shapes.AccountConnection)
