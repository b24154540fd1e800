"""What stands ready when a callee answers: against vendors' services on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from strowger.agent import AgentDefinition, ModelSettings, TranscriberSettings, VoiceSettings
from strowger.calls.runner import CallRunner
from strowger.ports import DialRequest
from strowger.providers.assemblyai import AssemblyAISettings
from strowger.providers.cartesia import CartesiaSettings
from strowger.providers.deepgram import DeepgramSettings
from strowger.providers.registry import ConfiguredProviders
from strowger.providers.settings import OpenAISettings, ProviderSettings
from strowger.simulate.virtual_time import run_in_virtual_time
from tests.calls.test_runner import CALL, FakeStore, workplace
from tests.calls.virtual_line import VirtualLine
from tests.providers.vendors.assemblyai import AssemblyAI
from tests.providers.vendors.behaviour import Behaviour
from tests.providers.vendors.cartesia import Cartesia
from tests.providers.vendors.deepgram import DeepgramNova
from tests.providers.vendors.openai import OpenAI
from tests.providers.vendors.requests import answering
from tests.providers.vendors.sockets import KEY, Visit, serving

THINKS = AgentDefinition(
    name="thinks before it greets",
    prompt="You call about an appointment.",
    voice=VoiceSettings(provider="cartesia"),
    model=ModelSettings(provider="openai"),
    transcriber=TranscriberSettings(provider="deepgram"),
)


class House:
    """The vendors, and a telephone; whoever answers says something after three seconds."""

    def __init__(self, *, rings_for: float | None = 3.0) -> None:
        self.ears, self.metered_ears = DeepgramNova(Behaviour()), AssemblyAI(Behaviour())
        self.voice, self.model = Cartesia(Behaviour()), OpenAI(Behaviour())
        self.at_the_answer: list[int] = []
        self.before_the_callee_speaks: list[int] = []
        self._rings_for = rings_for

    def opened(self) -> list[int]:
        """Connections so far, to either recogniser, the voice and the model."""
        sockets = [len(each.visits) for each in (self.ears, self.metered_ears, self.voice)]
        return [*sockets, len(self.model.connections)]

    @asynccontextmanager
    async def dial(
        self, request: DialRequest, on_ringing: Callable[[int], None]
    ) -> AsyncIterator[VirtualLine]:
        if self._rings_for is not None:
            on_ringing(180)
            await asyncio.sleep(self._rings_for)
        self.at_the_answer = self.opened()
        async with asyncio.TaskGroup() as tasks:
            line = VirtualLine()
            talking = tasks.create_task(self._talk(line))
            yield line
            talking.cancel()

    async def _talk(self, line: VirtualLine) -> None:
        await asyncio.sleep(3.0)
        self.before_the_callee_speaks = self.opened()
        await line.speak(0.9)

    async def hold(self, agent: AgentDefinition) -> None:
        call = replace(CALL, agent=agent, max_duration=7.0)
        async with (
            serving(self.ears, self.metered_ears, self.voice) as streaming,
            answering(self.model) as http,
            ConfiguredProviders(
                ProviderSettings(
                    deepgram=DeepgramSettings(base_url=streaming, api_key=KEY),
                    assemblyai=AssemblyAISettings(base_url=streaming, api_key=KEY),
                    cartesia=CartesiaSettings(base_url=streaming, api_key=KEY),
                    openai=OpenAISettings(base_url=f"{http}/v1", api_key=KEY),
                )
            ) as providers,
        ):
            store = FakeStore(call)
            at = workplace(store, self)  # type: ignore[arg-type]
            await CallRunner(call, replace(at, providers=providers)).run()
            said = [turn.role for turn in store.results[call.id].transcript]
            assert said[:3] == ["agent", "callee", "agent"], "they talked"


def sound_in(visit: Visit) -> bool:
    return any(isinstance(frame, bytes) or '"audio' in frame for frame in visit.received)


def test_what_the_first_words_and_turn_go_over_stands_ready_before_anybody_answers() -> None:
    house = House()
    run_in_virtual_time(house.hold(THINKS))
    assert house.at_the_answer == [1, 0, 1, 2]
    assert house.voice.visits[0].received, "the greeting"
    assert sound_in(house.ears.visits[0])
    assert house.model.asked_over[0] in house.model.connections[:2]


def test_where_it_never_rang_all_is_made_ready_at_the_answer_before_it_is_needed() -> None:
    house = House(rings_for=None)
    run_in_virtual_time(house.hold(THINKS))
    assert house.at_the_answer == [0, 0, 0, 0]
    assert house.before_the_callee_speaks[0] == 1
    assert sound_in(house.ears.visits[0])


def test_what_costs_while_it_waits_is_made_ready_only_for_who_has_answered() -> None:
    house = House()
    metered = replace(THINKS, transcriber=TranscriberSettings(provider="assemblyai"))
    run_in_virtual_time(house.hold(metered))
    assert house.at_the_answer == [0, 0, 1, 2]
    assert house.before_the_callee_speaks[:2] == [0, 1]
    assert len(house.metered_ears.visits) == 1
    assert sound_in(house.metered_ears.visits[0])


def test_a_greeting_that_is_known_is_spoken_and_the_model_ready_for_the_reply_after_it() -> None:
    house = House()
    run_in_virtual_time(house.hold(replace(THINKS, first_message="Good morning.")))
    assert house.at_the_answer[3] == 2
    assert house.model.asked_over[0] in house.model.connections[:2]
    assert house.voice.visits[0].received
