"""livekit's plugins: found, made and called, without a room and without a job.

What they lack there is an HTTP session, which is handed to them, or bound around them where they
take none. Nothing of livekit is imported before somebody asks for a plugin.
"""

import asyncio
import contextlib
import inspect
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from strowger.errors import ProviderError
from strowger.media.resample import Resampler
from strowger.ports import LINE_RATE, Word

NAME = re.compile(r"livekit/([a-z][a-z0-9_]{0,40})")
EAR_RATE = 16000
"""What most recognisers want; others convert it."""
KEPT_FOR = 60.0
"""Seconds that a connection nobody uses is kept."""
INSTALL = "pip install strowger[livekit-plugins] livekit-plugins-{}"

# livekit brings its own types, which are not there where it is not installed.
Plugin = Any


class Plugins:
    """Plugins' objects, each made once. Close it with the process."""

    def __init__(self) -> None:
        self._session: Any = None
        self._made: dict[tuple[object, ...], Plugin] = {}

    def plugin(self, name: str, kind: str, **wanted: object) -> Plugin:
        """The plugin's object with these settings, made once. Raises ProviderError."""
        key = (name, kind, *sorted(wanted.items(), key=lambda item: item[0]))
        if key not in self._made:
            self._made[key] = self._make(name, kind, wanted)
        return self._made[key]

    async def close(self) -> None:
        for plugin in self._made.values():
            with contextlib.suppress(Exception):  # what a plugin does at its end is no concern
                await plugin.aclose()
            with contextlib.suppress(Exception):  # some forget the client they have made
                await plugin._client.close()
        if self._session is not None:
            await self._session.close()

    def _make(self, name: str, kind: str, wanted: Mapping[str, object]) -> Plugin:
        made_by = plugin_class(name, kind)
        takes = inspect.signature(made_by).parameters
        fields = {field: value for field, value in wanted.items() if value is not None}
        if "voice" in fields and "voice" not in takes:
            fields["voice_id"] = fields.pop("voice")
        if "language" in fields and "language" not in takes:
            del fields["language"]  # the model knows, or hears it from the text
        if unknown := [field for field in fields if field not in takes]:
            raise ProviderError(f"{name} takes no {', '.join(unknown)}", retryable=False)
        if "http_session" in takes:
            fields["http_session"] = self._http_session()
        try:
            return made_by(**fields)
        except (ValueError, TypeError, ImportError) as error:  # a key that is missing, mostly
            raise ProviderError(f"{name} cannot be used: {error}", retryable=False) from error

    def _http_session(self) -> object:
        if self._session is None:
            aiohttp = import_module("aiohttp")
            # A websocket counts as a connection for as long as it is open: how many calls there
            # are is limited elsewhere.
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_FOR)
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session


def plugin_class(name: str, kind: str) -> Callable[..., Plugin]:
    """STT, TTS or LLM of `livekit/NAME`. Raises ProviderError."""
    match = NAME.fullmatch(name)
    if match is None:
        raise ProviderError(f"{name!r} is no name of a plugin of livekit's", retryable=False)
    package = f"livekit.plugins.{match[1]}"
    try:
        found = find_spec("livekit.agents") is not None
        module = import_module(package) if found else None
    except ImportError:
        module = None
    if module is None:
        install = INSTALL.format(match[1].replace("_", "-"))
        raise ProviderError(f"{name} is not installed: {install}", retryable=False)
    made_by: Callable[..., Plugin] | None = getattr(module, kind, None)
    if made_by is None:
        raise ProviderError(f"{name} has no {kind}", retryable=False)
    return made_by


@asynccontextmanager
async def blaming(name: str) -> AsyncIterator[None]:
    """Whatever a plugin raises is its provider's error."""
    api_error = import_module("livekit.agents").APIError
    status_error = import_module("livekit.agents").APIStatusError
    try:
        yield
    except (ProviderError, asyncio.CancelledError, GeneratorExit):
        raise
    except api_error as error:
        fatal = isinstance(error, status_error) and error.status_code in {400, 401, 403, 404}
        retryable = bool(error.retryable) and not fatal
        raise ProviderError(f"{name}: {error}", retryable=retryable) from error
    except Exception as error:  # plugins are other people's code: the call must go on
        raise ProviderError(f"{name}: {error!r}", retryable=True) from error


def one_attempt() -> object:
    """Who asks a second time is ours to decide."""
    return import_module("livekit.agents").APIConnectOptions(max_retry=0, timeout=5.0)


def takes_session(plugin: Plugin) -> bool:
    """It asks over the HTTP session that it was given, which outlives what it is asked for."""
    return "http_session" in inspect.signature(type(plugin)).parameters


async def prewarm(name: str, plugin: Plugin) -> None:
    """Have the plugin connect, beside, where it keeps connections. Raises ProviderError."""
    has_client = "client" in inspect.signature(type(plugin)).parameters
    if takes_session(plugin) or has_client:
        async with blaming(name):
            plugin.prewarm()


@asynccontextmanager
async def bound_session(plugin: Plugin) -> AsyncIterator[None]:
    """An HTTP session for plugins that take none and look for one around them."""
    if takes_session(plugin):
        yield
        return
    async with import_module("livekit.agents.utils.http_context").open():
        yield


def audio_frame(pcm: bytes, rate: int) -> object:
    made: object = import_module("livekit.rtc").AudioFrame(
        data=pcm, sample_rate=rate, num_channels=1, samples_per_channel=len(pcm) // 2
    )
    return made


def wide(pcm: bytes) -> bytes:
    """A whole turn at the rate that recognisers want."""
    resampler = Resampler(LINE_RATE, EAR_RATE)
    return resampler.process(pcm) + resampler.flush()


def mono(frame: Any) -> bytes:
    """The first channel of a frame."""
    samples = np.frombuffer(bytes(frame.data), "<i2")
    return samples[:: frame.num_channels].tobytes()


def timed(words: Sequence[Any]) -> list[Word]:
    """The words that have times."""
    found = []
    for word in words:
        start, end = getattr(word, "start_time", None), getattr(word, "end_time", None)
        if isinstance(start, int | float) and isinstance(end, int | float) and word.strip():
            found.append(Word(str(word).strip(), float(start), float(end)))
    return found


def language_of(language: str) -> str:
    return language.lower().partition("-")[0]
