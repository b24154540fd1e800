"""Whatever the providers do, a call goes on or ends with a reason, and nobody waits in silence.

The real session and the real adapters talk to fakes of the vendors' services over sockets, in
virtual time. Each service hangs, closes, breaks off, sends garbage, sound at a wrong rate or an
error, in one turn, text or request after the other, as chance has it; the model asks for broken,
forbidden and made-up tools, whose server is no better. Only the voice that comes with Strowger
works.

`make bad-providers` holds many more of these calls than the suite does.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from ipaddress import ip_network

from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from strowger.agent import (
    AgentDefinition,
    EndCallTool,
    Fallback,
    HttpTool,
    Limits,
    ModelSettings,
    Progress,
    TranscriberSettings,
    TransferTarget,
    TransferTool,
    TurnTaking,
    VoiceFallback,
    VoiceSettings,
)
from strowger.calls.choosing import ear_of, mind_of, voice_of
from strowger.calls.kept import KeptConversation
from strowger.calls.session import CallSession, Senses
from strowger.calls.using import Hands
from strowger.errors import NotFound
from strowger.lifecycle import EndReason
from strowger.model import DEFAULT_WORKSPACE, WorkspaceId
from strowger.ports import TextToSpeech, ToolContext, Word
from strowger.providers.anthropic import AnthropicSettings
from strowger.providers.assemblyai import AssemblyAISettings
from strowger.providers.cartesia import CartesiaSettings
from strowger.providers.deepgram import DeepgramSettings
from strowger.providers.elevenlabs import ElevenLabsSettings
from strowger.providers.google import GoogleSettings
from strowger.providers.registry import ConfiguredProviders
from strowger.providers.settings import OpenAISettings, ProviderSettings
from strowger.providers.soniox import SonioxSettings
from strowger.simulate.virtual_time import run_in_virtual_time
from strowger.toolbox.box import GuardedToolboxes
from strowger.webhooks.egress import guarded_client
from tests.calls.virtual_line import VirtualLine, longest_silence
from tests.providers.openai_server import Asked, Client
from tests.providers.vendors.anthropic import Anthropic
from tests.providers.vendors.assemblyai import AssemblyAI
from tests.providers.vendors.behaviour import Behaviour, Fault, speech_like
from tests.providers.vendors.cartesia import Cartesia
from tests.providers.vendors.deepgram import DeepgramAura, DeepgramFlux, DeepgramNova
from tests.providers.vendors.elevenlabs import ElevenLabs
from tests.providers.vendors.google import Google
from tests.providers.vendors.openai import OpenAI, Reply
from tests.providers.vendors.openai_realtime import OpenAIRealtime
from tests.providers.vendors.requests import HttpVendor, answering
from tests.providers.vendors.sockets import KEY, serving
from tests.providers.vendors.soniox import Soniox

IN_THE_SUITE = 40
CALLS = int(os.environ.get("STROWGER_TEST_CALLS", IN_THE_SUITE))
LIMITS = Limits(max_duration=40.0, provider_deadline=2.0)
TAKING = TurnTaking(silence_timeout=4.0, incomplete_delay=1.0)
LONGEST = TAKING.incomplete_delay + 3 * LIMITS.provider_deadline + 0.5
"""Seconds of silence that nobody may have to bear: until the turn is known to be over, then the
deadlines of the recogniser, the model and the voice, one after the other; and their own time."""

EARS = ("deepgram", "deepgram-flux", "assemblyai", "soniox", "openai-realtime", "openai")
VOICES = ("elevenlabs", "cartesia", "deepgram", "openai")
MODELS = ("openai", "anthropic", "google")
QUICK = Progress(after=0.5, every=1.5, texts=("One moment.", "Still on it."))
PLACES = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}
WANTED = (
    ("book", '{"day": "friday"}'), ("book", '{"day": '), ("book", '{"day": 5}'), ("book", "[]"),
    ("peek", "{}"), ("transfer_call", '{"target": "sales"}'), ("end_call", "{}"),
    ("transfer_call", '{"target": "+19005550100"}'), ("format_the_disk", "{}"),
)  # fmt: skip
"""What the model asks for: good, broken, of the wrong type, forbidden and made up."""
FAULTS = st.lists(st.sampled_from([None, None, Fault.HANG, *Fault]), max_size=8)


@dataclass(frozen=True)
class Plan:
    """One call: who is asked, what goes wrong where, and when the callee speaks."""

    ears: tuple[str, ...]
    voices: tuple[str, ...]
    models: tuple[str, ...]
    faults: Mapping[str, list[Fault | None]]
    """By service, in one turn, text or request after the other."""
    gone: Mapping[str, str]
    """Vendors that refuse connections, or take them and say nothing."""
    wants: list[int]
    """Which of WANTED the model asks for beside its words, request by request; -1 for none."""
    pauses: list[float]


def some(names: Sequence[str]) -> st.SearchStrategy[tuple[str, ...]]:
    """One, and perhaps a fallback or two."""
    return st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True).map(tuple)


SERVICES = ("nova", "flux", "aura", "assemblyai", "soniox", "realtime", "elevenlabs", "cartesia",
            "anthropic", "google", "openai", "tools")  # fmt: skip
PLANS = st.builds(
    Plan,
    ears=some(EARS),
    voices=some(VOICES),
    models=some(MODELS),
    faults=st.fixed_dictionaries({name: FAULTS for name in SERVICES}),
    gone=st.dictionaries(
        st.sampled_from(sorted({*EARS, *VOICES, *MODELS} - {"deepgram-flux", "openai-realtime"})),
        st.sampled_from(["refuses", "says nothing"]),
        max_size=3,
    ),
    wants=st.lists(st.integers(-1, len(WANTED) - 1), max_size=6),
    pauses=st.lists(st.floats(0.5, 12.0), min_size=1, max_size=5),
)


class Wanting(OpenAI):
    """A model that asks for tools beside what it says."""

    def __init__(self, behaviour: Behaviour, wants: list[int]) -> None:
        super().__init__(behaviour)
        self._wants = [*wants]

    async def _chat(self, client: Client, reply: Reply) -> None:
        want = self._wants.pop(0) if self._wants else -1
        await client.head(200, "text/event-stream")
        async for piece in self.paced(reply.text):
            await client.delta(piece)
        if want >= 0:
            name, arguments = WANTED[want]
            function = {"name": name, "arguments": arguments}
            call = {"index": 0, "id": "c1", "type": "function", "function": function}
            choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}
            await client.event({"object": "chat.completion.chunk", "choices": [choice]})
        await client.delta("", "tool_calls" if want >= 0 else "stop")
        await client.event("[DONE]")
        await client.end()


class ToolServer(HttpVendor):
    """The customer's own."""

    path = "/tools/"

    def key_of(self, asked: Asked) -> str | None:
        return KEY

    async def answer(self, client: Client, asked: Asked) -> None:
        fault = self.behaviour.next_fault()
        if await self.suffer(client, fault):
            return
        if fault is not None:
            await client.error(500, "out of order")
            return
        await client.whole(200, "application/json", json.dumps({"booked": True}).encode())


class OwnVoice:
    """The voice that comes with Strowger: always there."""

    async def warm(self, settings: VoiceSettings, *, language: str) -> None:
        """It always is."""

    async def speak(
        self, text: str, settings: VoiceSettings, *, language: str
    ) -> AsyncIterator[bytes | Word]:
        await asyncio.sleep(0.1)
        yield speech_like(text)


class House(ConfiguredProviders):
    def fallback_voice(self) -> TextToSpeech | None:
        return OwnVoice()


class NoSecrets:
    async def secrets(self, workspace: WorkspaceId, names: Sequence[str]) -> Mapping[str, str]:
        return {}


async def literally(host: str, port: int) -> list[str]:
    """Addresses need no resolver, whose threads know nothing of virtual time."""
    return [host]


@asynccontextmanager
async def services(plan: Plan) -> AsyncIterator[tuple[ProviderSettings, str]]:
    """The settings that lead to fakes which fail as planned, and where the tools are."""

    def behaviour(name: str) -> Behaviour:
        return Behaviour(
            turns=["so what is that then"], replies=["Well. Let me see what I can do."],
            faults=[*plan.faults[name]], real_time=0.2,
        )  # fmt: skip

    sockets = [
        DeepgramNova(behaviour("nova")), DeepgramFlux(behaviour("flux")),
        DeepgramAura(behaviour("aura")), AssemblyAI(behaviour("assemblyai")),
        Soniox(behaviour("soniox")), OpenAIRealtime(behaviour("realtime")),
        ElevenLabs(behaviour("elevenlabs")), Cartesia(behaviour("cartesia")),
    ]  # fmt: skip
    requests = [
        ToolServer(behaviour("tools")), Anthropic(behaviour("anthropic")),
        Google(behaviour("google")), Wanting(behaviour("openai"), plan.wants),
    ]  # fmt: skip
    async with (
        serving(*sockets) as streaming,
        answering(*requests) as http,
        saying_nothing() as silence,
    ):

        def base(name: str, url: str) -> str:
            dead = {"refuses": "http://127.0.0.1:1", "says nothing": silence}
            return dead[plan.gone[name]] if name in plan.gone else url

        yield (
            ProviderSettings(
                deepgram=DeepgramSettings(base_url=base("deepgram", streaming), api_key=KEY),
                assemblyai=AssemblyAISettings(base_url=base("assemblyai", streaming), api_key=KEY),
                soniox=SonioxSettings(base_url=base("soniox", streaming), api_key=KEY),
                elevenlabs=ElevenLabsSettings(base_url=base("elevenlabs", streaming), api_key=KEY),
                cartesia=CartesiaSettings(base_url=base("cartesia", streaming), api_key=KEY),
                anthropic=AnthropicSettings(base_url=base("anthropic", f"{http}/v1"), api_key=KEY),
                google=GoogleSettings(base_url=base("google", f"{http}/v1beta"), api_key=KEY),
                openai=OpenAISettings(base_url=base("openai", f"{http}/v1"), api_key=KEY),
            ),
            f"{http}/tools/",
        )


@asynccontextmanager
async def saying_nothing() -> AsyncIterator[str]:
    """A server that takes connections, and that is all."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(65536):
                pass
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


def agent_of(plan: Plan, tools: str) -> AgentDefinition:
    ear, *ears = plan.ears
    voice, *voices = plan.voices
    model, *models = plan.models
    return AgentDefinition(
        name="desk",
        prompt="Be brief.",
        first_message="Hello, how can I help?",
        limits=LIMITS,
        turn_taking=TAKING,
        transcriber=TranscriberSettings(
            provider=ear, fallbacks=tuple(Fallback(provider=name) for name in ears)
        ),
        voice=VoiceSettings(
            provider=voice, fallbacks=tuple(VoiceFallback(provider=name) for name in voices)
        ),
        model=ModelSettings(
            provider=model, fallbacks=tuple(Fallback(provider=name) for name in models)
        ),
        tools=(
            HttpTool(
                type="http", name="book", description="Book.", url=f"{tools}book",
                parameters=PLACES, deadline=3.0, progress=QUICK,
            ),
            HttpTool(
                type="http", name="peek", description="Look.", url="http://10.1.2.3/secret",
                deadline=3.0, progress=QUICK,
            ),
            TransferTool(
                type="transfer", deadline=6.0, progress=QUICK,
                targets=(TransferTarget(name="sales", to="+14155550111"),),
            ),
            EndCallTool(type="end_call"),
        ),
    )  # fmt: skip


async def talk(line: VirtualLine, pauses: list[float]) -> None:
    for pause in pauses:
        await asyncio.sleep(pause)
        await line.speak(0.9)


async def noted(use: int, name: str, arguments: str) -> bool:
    return True


async def nobody(agent: str) -> AgentDefinition:
    raise NotFound(agent)


@dataclass
class Held:
    """What became of a call."""

    reason: EndReason
    silence: float
    transfers: list[str]
    left_over: list[str]
    """Tasks that were the call's and still run."""
    story: list[str]


async def hold(plan: Plan) -> Held:
    loop = asyncio.get_running_loop()
    async with (
        services(plan) as (settings, tools),
        House(settings) as providers,
        guarded_client((ip_network("127.0.0.0/8"),), resolve=literally) as client,
        GuardedToolboxes(client, NoSecrets()).opened(
            ToolContext(workspace_id=DEFAULT_WORKSPACE, variables={})
        ) as toolbox,
    ):
        agent = agent_of(plan, tools)
        line, turns = VirtualLine(), list[str]()
        senses = Senses(
            ear=ear_of(agent, providers),
            voice=voice_of(agent, providers),
            mind=mind_of(agent, providers),
            hands=Hands(toolbox, "call_1", noted, nobody, nullcontext),
        )
        machine = KeptConversation(agent, {}, lambda turn: None)
        session = CallSession(line, machine, senses)
        began = loop.time()
        async with asyncio.TaskGroup() as tasks:
            callee = tasks.create_task(talk(line, plan.pauses), name="callee")
            reason = await session.run()
            callee.cancel()
        ended = loop.time()
        turns = [f"{turn.role}: {turn.text}" for turn in machine.conversation.transcript]
        running = {task.get_name() for task in asyncio.all_tasks()}
        ours = ("line", "listener", "speaker", "reply", "turn ", "utterance", "tool", "results")
        return Held(
            reason=reason,
            silence=longest_silence(line.sounds, began, ended),
            transfers=line.transfers,
            left_over=sorted(name for name in running if name.startswith(ours)),
            story=[f"{ended - began:.1f} s", *turns],
        )


@settings(
    max_examples=CALLS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.reuse, Phase.generate] + ([Phase.shrink] if CALLS > IN_THE_SUITE else []),
)
@given(PLANS)
def test_whatever_the_providers_do_the_call_goes_on_or_ends_with_a_reason(plan: Plan) -> None:
    held = run_in_virtual_time(hold(plan))
    note("\n".join([str(held.reason), f"silent for {held.silence:.2f} s", *held.story]))
    assert held.reason in EndReason
    assert held.silence <= LONGEST
    assert not held.left_over
    assert set(held.transfers) <= {"+14155550111"}
