"""Streaming recognition against fakes of each vendor's protocol, on loopback."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest

from strowger.agent import TranscriberSettings
from strowger.errors import ConfigurationError, ProviderError
from strowger.ports import Recognised, TurnSign
from strowger.providers.assemblyai import AssemblyAIEars, AssemblyAISettings
from strowger.providers.deepgram import DeepgramEars, DeepgramSettings
from strowger.providers.deepgram_flux import FluxEars
from strowger.providers.openai_realtime_ears import RealtimeEars, RealtimeSettings
from strowger.providers.soniox import SonioxEars, SonioxSettings
from strowger.providers.streamed_ears import EarPolicy, EarVendor, StreamedEars, StreamedTurn
from strowger.providers.websocket import Connector, SocketPolicy, VendorFailed
from tests.providers.vendors.assemblyai import AssemblyAI
from tests.providers.vendors.behaviour import Behaviour, Fault, Hearing, speech_like
from tests.providers.vendors.deepgram import DeepgramFlux, DeepgramNova
from tests.providers.vendors.openai_realtime import OpenAIRealtime
from tests.providers.vendors.sockets import KEY, Client, Vendor, serving
from tests.providers.vendors.soniox import Soniox

SPEECH = speech_like("these are some words to be heard in all")
QUICK = Behaviour(final_after=0.01)
PATIENT = EarPolicy(answer_within=10.0)
IMPATIENT = EarPolicy(answer_within=0.3)
SOCKETS = SocketPolicy(pause=0.0, spares=0)
NAMES = ("deepgram", "deepgram-flux", "assemblyai", "soniox", "openai-realtime")


def vendor_of(name: str, url: str, key: str | None = KEY) -> EarVendor:
    match name:
        case "deepgram":
            return DeepgramEars(DeepgramSettings(base_url=url, api_key=key))
        case "deepgram-flux":
            return FluxEars(DeepgramSettings(base_url=url, api_key=key))
        case "assemblyai":
            return AssemblyAIEars(AssemblyAISettings(base_url=url, api_key=key))
        case "soniox":
            return SonioxEars(SonioxSettings(base_url=url, api_key=key))
    return RealtimeEars(RealtimeSettings(base_url=f"{url}/v1", api_key=key, model="m"))


def fake_of(name: str, behaviour: Behaviour) -> Vendor:
    fakes: dict[str, type[Vendor]] = {
        "deepgram": DeepgramNova,
        "deepgram-flux": DeepgramFlux,
        "assemblyai": AssemblyAI,
        "soniox": Soniox,
        "openai-realtime": OpenAIRealtime,
    }
    return fakes[name](replace(behaviour, turns=[*behaviour.turns], faults=[*behaviour.faults]))


@dataclass
class Stage:
    ears: StreamedEars
    fake: Vendor

    @asynccontextmanager
    async def turn(self, **settings: object) -> AsyncIterator[StreamedTurn]:
        wanted = TranscriberSettings(**settings)  # type: ignore[arg-type]
        async with self.ears.recognise(wanted, language="en-US", phrases=()) as turn:
            yield turn

    async def hear(self, pcm: bytes = SPEECH, **settings: object) -> Recognised:
        """The final result of a turn of this sound."""
        async with self.turn(**settings) as turn:
            await say(turn, pcm)
            return await final(turn.results())


async def say(turn: StreamedTurn, pcm: bytes) -> None:
    for start in range(0, len(pcm), 1600):
        await turn.send(pcm[start : start + 1600])
    await turn.flush()


async def final(results: AsyncIterator[Recognised]) -> Recognised:
    async for result in results:
        if result.final:
            return result
    raise AssertionError("no final result came")


@asynccontextmanager
async def stage(
    name: str,
    behaviour: Behaviour = QUICK,
    *,
    policy: EarPolicy = PATIENT,
    sockets: SocketPolicy = SOCKETS,
    key: str = KEY,
) -> AsyncIterator[Stage]:
    fake = fake_of(name, behaviour)
    async with serving(fake) as url, asyncio.TaskGroup() as tasks:
        ears = StreamedEars(vendor_of(name, url, key), Connector(sockets), policy)
        running = tasks.create_task(ears.pool.run())
        try:
            yield Stage(ears, fake)
        finally:
            running.cancel()


def run(test: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test

    asyncio.run(bounded())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_in_a_turn_is_heard_when_the_callee_pauses(name: str) -> None:
    async def test() -> None:
        behaviour = replace(QUICK, turns=["my order number is forty-two"])
        async with stage(name, behaviour) as on:
            heard = await on.hear()
            assert heard.text == "my order number is forty-two"

    run(test())


@pytest.mark.parametrize("name", NAMES)
def test_words_come_before_the_callee_has_finished(name: str) -> None:
    async def test() -> None:
        behaviour = replace(QUICK, turns=["one two three four five six"])
        async with stage(name, behaviour) as on, on.turn() as turn:
            await say(turn, SPEECH)
            results = []
            async for result in turn.results():
                results.append(result)
                if result.final:
                    break
            assert results[0].text.startswith("one")
            assert len(results[0].text) < len(results[-1].text)

    run(test())


@pytest.mark.parametrize("name", [name for name in NAMES if name != "openai-realtime"])
def test_words_have_times_within_the_turn_also_in_the_second_one(name: str) -> None:
    async def test() -> None:
        behaviour = replace(QUICK, turns=["one two three", "four five remember"])
        async with stage(name, behaviour) as on:
            for expected in (["one", "two", "three"], ["four", "five", "remember"]):
                heard = await on.hear()
                assert [word.text.lower() for word in heard.words] == expected
                assert 0 <= heard.words[0].start < 0.3
                assert all(word.start <= word.end for word in heard.words)
                assert all(one.start < two.start for one, two in pairwise(heard.words))
                assert heard.words[-1].end < len(SPEECH) / 16000 + 0.5
                assert heard.confidence is not None and 0.8 < heard.confidence <= 1.0
            assert len(on.fake.visits) == 1, "one connection serves both turns"

    run(test())


@pytest.mark.parametrize("name", NAMES)
def test_a_turn_goes_on_after_a_pause(name: str) -> None:
    async def test() -> None:
        behaviour = replace(QUICK, turns=["first part", "second part"])
        async with stage(name, behaviour) as on, on.turn() as turn:
            results = turn.results()
            await say(turn, SPEECH)
            assert (await final(results)).text == "first part"
            async with asyncio.timeout(5):
                if name == "deepgram-flux":  # ends its own turn once it has heard the pause
                    async for result in results:
                        if result.sign is TurnSign.OVER:
                            break
            await say(turn, SPEECH)
            assert (await final(results)).text == "first part second part"

    run(test())


@pytest.mark.parametrize("name", NAMES)
def test_a_flush_before_anything_was_said_is_answered_at_once(name: str) -> None:
    async def test() -> None:
        async with stage(name) as on, on.turn() as turn:
            await turn.flush()
            if name != "deepgram-flux":  # which has to hear the pause
                assert await anext(turn.results()) == Recognised("", final=True)

    run(test())


def test_flux_tells_when_the_turn_is_likely_and_surely_over_and_when_it_was_not() -> None:
    async def test() -> None:
        behaviour = replace(QUICK, turns=["well I think so"])
        async with stage("deepgram-flux", behaviour) as on, on.turn() as turn:
            signs = []
            await say(turn, SPEECH + bytes(2 * 8000 * 3 // 10) + SPEECH)
            async for result in turn.results():
                if result.sign is not None:
                    signs.append(result.sign)
                if result.sign is TurnSign.OVER:
                    break
            assert signs == [
                TurnSign.PERHAPS_OVER,
                TurnSign.RESUMED,
                TurnSign.PERHAPS_OVER,
                TurnSign.OVER,
            ]
            assert result.text == "well I think so"

    run(test())


def test_what_follows_a_pause_is_heard_whole_though_the_pause_was_filled() -> None:
    async def test() -> None:
        behaviour = replace(QUICK, turns=["one", "two"])
        async with stage("deepgram-flux", behaviour) as on, on.turn() as turn:
            results = turn.results()
            await say(turn, SPEECH)
            async for result in results:
                if result.sign is TurnSign.OVER:
                    break
            visit = on.fake.visits[0]
            filled = sum(len(frame) for frame in visit.received) - len(SPEECH)
            assert filled > 0
            await turn.send(SPEECH)  # callers leave pauses out: none of it may be taken for one
            await asyncio.sleep(0.05)
            assert b"".join(f for f in visit.received if isinstance(f, bytes)).endswith(SPEECH)

    run(test())


def test_leaving_a_turn_that_flux_has_not_ended_ends_it() -> None:
    async def test() -> None:
        async with stage("deepgram-flux", replace(QUICK, turns=["one", "two"])) as on:
            for expected in ("one", "two"):
                assert (await on.hear()).text == expected
            assert len(on.fake.visits) == 1
            assert on.fake.visits[0].messages("ForceEndTurn")

    run(test())


@pytest.mark.parametrize("name", NAMES)
def test_a_turn_that_is_dropped_leaves_its_connection_to_the_next_where_it_is_at_rest(
    name: str,
) -> None:
    async def test() -> None:
        behaviour = replace(QUICK, turns=["one", "two"])
        async with stage(name, behaviour) as on:
            finished = asyncio.Event()

            async def first() -> None:
                async with on.turn() as turn:
                    await say(turn, SPEECH)
                    await final(turn.results())
                    finished.set()
                    await asyncio.Event().wait()

            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(first())
                await finished.wait()
                task.cancel()
            assert (await on.hear()).text == "two"
            assert len(on.fake.visits) == 1

    run(test())


@pytest.mark.parametrize("name", [name for name in NAMES if name != "deepgram-flux"])
def test_a_connection_whose_answer_is_still_to_come_is_not_used_again(name: str) -> None:
    async def test() -> None:
        behaviour = replace(QUICK, turns=["one", "two"], final_after=0.3)
        async with stage(name, behaviour) as on:
            async with on.turn() as turn:
                await say(turn, SPEECH)
            assert (await on.hear()).text in {"one", "two"}
            assert len(on.fake.visits) == 2

    run(test())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_to_expect_is_passed_on(name: str) -> None:
    async def test() -> None:
        async with stage(name) as on:
            await on.hear(keywords=("Strowger", "Kansas"), model="special")
            visit = on.fake.visits[0]
            sent = str(visit.query) + str(visit.received[0])
            assert "Kansas" in sent
            assert "special" in sent

    run(test())


@pytest.mark.parametrize("name", NAMES)
def test_the_answers_that_a_question_leads_to_are_passed_on_and_asked_for_beforehand(
    name: str,
) -> None:
    async def test() -> None:
        async with stage(name) as on:
            wanted, phrases = TranscriberSettings(), ("appendectomy",)
            await on.ears.warm(wanted, language="en-US", phrases=phrases)
            await asyncio.sleep(0.2)  # a spare is opened, where the vendor's time costs nothing
            async with on.ears.recognise(wanted, language="en-US", phrases=phrases) as turn:
                await say(turn, SPEECH)
                await final(turn.results())
            visit = on.fake.visits[0]
            assert "appendectomy" in str(visit.query) + str(visit.received[0])

    run(test())


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", [Fault.HANG, Fault.CLOSE, Fault.CUT, Fault.GARBAGE, Fault.ERROR])
def test_every_fault_is_an_error_that_another_try_may_mend(name: str, fault: Fault) -> None:
    async def test() -> None:
        behaviour = replace(QUICK, faults=[fault])
        async with stage(name, behaviour, policy=IMPATIENT) as on:
            with pytest.raises(ProviderError, match=rf"^{name} ") as failure:
                await on.hear()
            assert failure.value.retryable
            assert (await on.hear()).text == "yes please", "the next turn has a new connection"

    run(test())


class Sparing(DeepgramNova):
    """Ends each segment by itself at the pause, as endpointing does, and does not answer a
    `Finalize` that comes when hardly anything is left; `tells` is whether it does the former."""

    def __init__(self, *, tells: bool) -> None:
        super().__init__(QUICK)
        self._tells = tells

    async def serve(self, client: Client) -> None:
        hearing, told = Hearing(replace(QUICK, turns=["yes please"])), False
        async for frame in client.frames():
            if isinstance(frame, bytes):
                hearing.feed(frame)
                if not told and len(hearing.words(over=False)) == 2:
                    told = True
                    await self._tell(client, hearing, final=self._tells, by_itself=True)


def test_deepgram_need_not_answer_where_hardly_anything_is_left() -> None:
    async def test() -> None:
        fake = Sparing(tells=True)
        async with serving(fake) as url, asyncio.TaskGroup() as tasks:
            ears = StreamedEars(vendor_of("deepgram", url), Connector(SOCKETS), PATIENT)
            running = tasks.create_task(ears.pool.run())
            assert (await Stage(ears, fake).hear(SPEECH[:12800])).text == "yes please"
            running.cancel()

    run(test())


def test_words_that_deepgram_told_of_and_does_not_finish_are_not_given_up() -> None:
    async def test() -> None:
        fake = Sparing(tells=False)
        async with serving(fake) as url, asyncio.TaskGroup() as tasks:
            ears = StreamedEars(vendor_of("deepgram", url), Connector(SOCKETS), IMPATIENT)
            running = tasks.create_task(ears.pool.run())
            with pytest.raises(ProviderError, match="did not answer"):
                await Stage(ears, fake).hear(SPEECH[:12800])
            running.cancel()

    run(test())


@pytest.mark.parametrize(
    ("name", "message", "mends"),
    [
        ("assemblyai", {"type": "Error", "error_code": 1008, "error": "no credit"}, False),
        ("assemblyai", {"type": "Error", "error_code": 3008, "error": "3 hours"}, True),
        ("assemblyai", {"type": "Error", "error_code": 3009, "error": "too many"}, True),
        ("openai-realtime", {"type": "error", "error": {
            "type": "invalid_request_error", "code": "session_expired", "message": "60 minutes",
        }}, True),
        ("openai-realtime", {"type": "error", "error": {
            "type": "invalid_request_error", "code": "invalid_value", "message": "no such model",
        }}, False),
    ],
)  # fmt: skip
def test_an_error_that_another_connection_mends_is_told_from_one_that_none_does(
    name: str, message: dict[str, object], mends: bool
) -> None:
    session = vendor_of(name, "http://127.0.0.1:1").new_session()
    with pytest.raises(VendorFailed) as failure:
        session.receive(json.dumps(message))
    assert failure.value.retryable is mends


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_key_is_nobodys_fault_but_the_operators(name: str) -> None:
    async def test() -> None:
        async with stage(name, key="wrong-key-42") as on:
            with pytest.raises(ProviderError, match="refused the API key") as failure:
                await on.hear()
            assert not failure.value.retryable
            assert "wrong-key-42" not in str(failure.value)

    run(test())


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("gpt-live-transcribe", {"languages": ["en"], "keywords": ["Strowger"]}),
        ("gpt-4o-transcribe", {"language": "en", "prompt": "Strowger, <i>"}),
    ],
)
def test_each_of_openais_models_is_told_in_its_own_way(model: str, told: dict[str, object]) -> None:
    async def test() -> None:
        async with stage("openai-realtime", replace(QUICK, turns=["yes"])) as on:
            heard = await on.hear(model=model, keywords=("Strowger", "<i>"))
            assert heard.text == "yes"
            assert isinstance(on.fake, OpenAIRealtime)
            assert on.fake.hints == [{"model": model, **told}]

    run(test())


@pytest.mark.parametrize("name", [name for name in NAMES if name != "openai-realtime"])
def test_without_a_key_nothing_is_dialled(name: str) -> None:
    vendor = vendor_of(name, "http://127.0.0.1:1", None)
    with pytest.raises(ProviderError, match="no API key"):
        vendor.dial(TranscriberSettings(), "en-US")


@pytest.mark.parametrize("name", NAMES)
def test_a_key_with_a_line_break_and_a_base_that_is_no_url_are_the_operators_to_mend(
    name: str,
) -> None:
    async def test() -> None:
        with pytest.raises(ConfigurationError, match="base_url"):
            vendor_of(name, "ftp://x").dial(TranscriberSettings(), "en-US")

    run(test())


def test_a_service_that_is_not_there_is_an_error_within_its_time() -> None:
    async def test() -> None:
        ears = StreamedEars(vendor_of("deepgram", "http://127.0.0.1:1"), Connector(SOCKETS))
        with pytest.raises(ProviderError, match="cannot be reached") as failure:
            async with ears.recognise(TranscriberSettings(), language="en", phrases=()):
                pass
        assert failure.value.retryable

    run(test())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "[1]",
        '"text"',
        "[" * 5000,
        b"\x00\x01",
        '{"type": "Results"}',
        '{"type": "Results", "channel": {"alternatives": [{"transcript": 3}]}}',
        '{"type": "TurnInfo", "event": "Update"}',
        '{"type": "TurnInfo", "event": 3, "transcript": "x"}',
        '{"type": "Turn", "end_of_turn": 3}',
        '{"tokens": 3}',
        '{"tokens": [{"is_final": true}]}',
        '{"type": "conversation.item.input_audio_transcription.delta", "item_id": "i"}',
        '{"type": "error", "error": {"message": "\\ud83d"}}',
        '{"type": "Results", "start": "x", "duration": 1e999, "is_final": 1,'
        ' "channel": {"alternatives": [{"transcript": "t", "words": [3, {"word": 3}]}]}}',
        '{"type": "TurnInfo", "event": "EndOfTurn", "transcript": "t", "turn_index": 1e999,'
        ' "audio_window_end": null, "words": {"a": 1}}',
    ],
)
def test_no_message_whatever_brings_a_session_down_in_another_way(
    name: str, frame: str | bytes
) -> None:
    from strowger.providers.websocket import Garbage, VendorFailed

    session = vendor_of(name, "http://127.0.0.1:1").new_session()
    session.begin()
    session.audio(SPEECH)
    session.flush()
    with suppress(Garbage, VendorFailed):
        session.receive(frame)
    assert isinstance(session.so_far(), Recognised)


def pieces(pcm: bytes, size: int) -> Sequence[bytes]:
    return [pcm[start : start + size] for start in range(0, len(pcm), size)]


@pytest.mark.parametrize("size", [2, 160, 1600, 15_998, 48_000])
def test_assemblyai_is_sent_pieces_of_the_lengths_it_takes(size: int) -> None:
    session = AssemblyAIEars(AssemblyAISettings(api_key="k")).new_session()
    session.begin()
    frames = [frame for piece in pieces(bytes(64_000), size) for frame in session.audio(piece)]
    frames += [frame for frame in session.flush() if isinstance(frame, bytes)]
    lengths = [len(frame) for frame in frames]
    assert all(800 <= length <= 16_000 for length in lengths)
    assert 64_000 <= sum(lengths) < 64_800


def test_soniox_tokens_are_put_together_to_words() -> None:
    async def test() -> None:
        behaviour = replace(QUICK, turns=["understanding is everything"])
        async with stage("soniox", behaviour) as on:
            heard = await on.hear()
            assert [word.text for word in heard.words] == ["understanding", "is", "everything"]

    run(test())
