"""What of a service is made ready while the telephone rings, and for whom."""

import asyncio

import pytest

from strowger.agent import AgentDefinition, SpeechToSpeechFallback, SpeechToSpeechSettings
from strowger.calls.equipping import Equipment, Equipper
from strowger.calls.speech_to_speech.session import Means
from strowger.calls.speech_to_speech.standby import Standby
from strowger.conversation.speech_to_speech.machine import first_brief
from strowger.errors import ProviderError
from strowger.simulate.virtual_time import run_in_virtual_time
from tests.calls.test_runner import FakeProviders
from tests.calls.test_standby import Service


class Services:
    """One service of each name."""

    def __init__(self, **services: Service) -> None:
        self._services = services

    def speech_to_speech(self, name: str) -> Service:
        return self._services[name]


def agent_with(*fallbacks: SpeechToSpeechFallback) -> AgentDefinition:
    service = SpeechToSpeechSettings(provider="openai", fallbacks=fallbacks)
    return AgentDefinition(name="desk", prompt="Be brief.", speech_to_speech=service)


def equipped(agent: AgentDefinition, services: Services) -> tuple[Equipment, Means]:
    providers = FakeProviders()
    equipper = Equipper(providers, services, None, lambda _: None)  # type: ignore[arg-type]  # no model
    equipment = equipper.equip(agent, {})
    assert isinstance(equipment.held_with, Means)
    return equipment, equipment.held_with


class Greeter(Service):
    greets = True


def test_a_service_that_greets_by_itself_is_not_connected_before_the_answer() -> None:
    equipment, _ = equipped(agent_with(), Services(openai=Greeter()))
    assert equipment.prepared is None


def test_only_the_first_service_of_a_call_stands_ready() -> None:
    first, second = Service(), Service()
    agent = agent_with(SpeechToSpeechFallback(provider="second"))
    equipment, means = equipped(agent, Services(openai=first, second=second))
    assert agent.speech_to_speech is not None
    wanted, other = agent.speech_to_speech.chain
    assert isinstance(equipment.prepared, Standby)
    assert means.find(wanted) is equipment.prepared
    assert means.find(other) is second


@pytest.mark.parametrize(
    ("fallbacks", "waited_for"), [((), True), ((SpeechToSpeechFallback(provider="second"),), False)]
)
def test_one_that_could_not_be_connected_is_waited_for_only_where_there_is_no_other(
    *, fallbacks: tuple[SpeechToSpeechFallback, ...], waited_for: bool
) -> None:
    first, agent = Service(refuses=1), agent_with(*fallbacks)
    equipment, means = equipped(agent, Services(openai=first, second=Service()))

    async def main() -> bool:
        brief, standby = first_brief(agent, {}), equipment.prepared
        assert isinstance(standby, Standby)
        async with asyncio.TaskGroup() as tasks:
            preparing = tasks.create_task(standby.prepare())
            standby.ring()
            await asyncio.sleep(2.0)
            try:
                async with means.find(brief.settings).converse(brief):
                    return True
            except ProviderError:
                return False
            finally:
                preparing.cancel()

    assert run_in_virtual_time(main()) is waited_for
