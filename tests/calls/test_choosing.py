"""Calls whose agents name providers that are not there: without a key, without their file."""

import asyncio
from dataclasses import replace

from structlog.testing import capture_logs

from strowger.agent import Fallback, TranscriberSettings, VoiceFallback, VoiceSettings
from strowger.calls.choosing import voice_of
from strowger.calls.runner import CallRunner
from strowger.errors import ProviderError
from strowger.lifecycle import CallStatus, EndReason
from strowger.model import Call, CallResult, ProviderSwitch
from tests.calls.fakes import FakeRecogniser, FakeVoice
from tests.calls.test_runner import CALL, FakeProviders, FakeStore, FakeTelephone, workplace


class Stocked(FakeProviders):
    """Has only some providers."""

    def __init__(self, *there: str) -> None:
        super().__init__()
        self._there = there
        self.asked: list[str] = []

    def speech_to_text(self, name: str) -> FakeRecogniser:
        self._look(name)
        return super().speech_to_text(name)

    def text_to_speech(self, name: str) -> FakeVoice:
        self._look(name)
        return super().text_to_speech(name)

    def _look(self, name: str) -> None:
        self.asked.append(name)
        if name not in self._there:
            raise ProviderError(f"set {name}_api_key", retryable=False)


def falling_back(*, voices: tuple[str, ...], ears: tuple[str, ...] = ("local",)) -> Call:
    agent = replace(
        CALL.agent,
        voice=VoiceSettings(
            provider=voices[0],
            fallbacks=tuple(VoiceFallback(provider=name, voice_id=name) for name in voices[1:]),
        ),
        transcriber=TranscriberSettings(
            provider=ears[0], fallbacks=tuple(Fallback(provider=name) for name in ears[1:])
        ),
    )
    return replace(CALL, agent=agent)


async def run_with(
    providers: Stocked, call: Call, store: FakeStore | None = None
) -> tuple[FakeTelephone, CallResult]:
    telephone, store = FakeTelephone(), store or FakeStore(call)
    at = replace(workplace(store, telephone), providers=providers)  # type: ignore[arg-type]
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(CallRunner(call, at).run())
        while not running.done():
            if "end 1" in telephone.line.log and telephone.line.log[-1] != "played":
                telephone.line.log.append("played")
                telephone.line.played(1)
            await asyncio.sleep(0.001)
    return telephone, store.results[call.id]


def test_a_voice_without_its_key_leaves_the_call_to_its_fallback_and_log_and_events_say_so() -> (
    None
):
    providers = Stocked("local", "flite")
    call = falling_back(voices=("elevenlabs", "cartesia", "flite"), ears=("deepgram", "local"))
    store = FakeStore(call)
    with capture_logs() as logs:
        _, result = asyncio.run(run_with(providers, call, store))
    assert result.end_reason == EndReason.AGENT_HANGUP
    missing = [line for line in logs if line["event"] == "call.provider_missing"]
    assert [(line["provider"], line["next"]) for line in missing] == [
        ("elevenlabs", "cartesia"),
        ("cartesia", "flite"),
        ("deepgram", "local"),
    ]
    assert store.switches == [
        ProviderSwitch(
            kind="text_to_speech",
            before="elevenlabs",
            after="flite",
            reason="set elevenlabs_api_key",
        ),
        ProviderSwitch(
            kind="speech_to_text", before="deepgram", after="local", reason="set deepgram_api_key"
        ),
    ]


def test_where_no_provider_of_a_chain_is_there_nobody_is_rung_and_the_error_says_what_to_set() -> (
    None
):
    call = falling_back(voices=("elevenlabs", "cartesia"))
    telephone, result = asyncio.run(run_with(Stocked("local"), call))
    assert (result.status, result.end_reason) == (CallStatus.FAILED, EndReason.PROVIDER_FAILED)
    assert result.error is not None
    assert "set elevenlabs_api_key; set cartesia_api_key" in result.error
    assert not telephone.dialled


def test_the_fallback_that_a_call_begins_with_has_those_after_it_for_its_own() -> None:
    agent = falling_back(voices=("gone", "flite", "local")).agent
    voice = voice_of(agent, Stocked("flite", "local"))  # type: ignore[arg-type]
    assert (voice.settings.provider, voice.settings.voice_id) == ("flite", "flite")
    assert [each.provider for each in voice.settings.fallbacks] == ["local"]


def test_a_fallback_takes_over_before_the_conversation_gives_up() -> None:
    agent = falling_back(voices=("flite", "local")).agent
    impatient = replace(agent, limits=replace(agent.limits, provider_deadline=1.0))
    there = Stocked("flite", "local")
    assert voice_of(agent, there).settings.fallback_after == 2.0  # type: ignore[arg-type]
    assert voice_of(impatient, there).settings.fallback_after == 0.5  # type: ignore[arg-type]
