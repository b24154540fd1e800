"""What one call is held with: three providers or one service, and what of it is ready early.

The providers are the first of the agent's that are there. What can be begun while the telephone
rings, so that nobody waits for it at the answer, is prepared beside it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from strowger.agent import AgentDefinition, Scalar, SpeechToSpeechSettings
from strowger.calls.choosing import ear_of, mind_of, service_of, voice_of
from strowger.calls.greeting import Greeting
from strowger.calls.replying import Mind
from strowger.calls.session import Senses
from strowger.calls.speaking import Voice
from strowger.calls.speech_to_speech.session import Means
from strowger.calls.speech_to_speech.standby import Standby
from strowger.calls.switching import Switches
from strowger.calls.warming import Warming
from strowger.conversation.conversation import first_sentence
from strowger.conversation.speech_to_speech.briefing import settings_of
from strowger.conversation.speech_to_speech.machine import first_brief
from strowger.errors import ProviderError
from strowger.model import ProviderSwitch
from strowger.ports import SpeechServices, SpeechToSpeech, TurnJudge, WatchedProviders


@dataclass(frozen=True, slots=True)
class Equipment:
    definition: AgentDefinition
    """The agent as the call begins with it: held by a service that is there."""
    held_with: Senses | Means
    prepared: Warming | Standby | None = None
    """What is made ready while it rings, if anything is."""


class Equipper:
    """Finds what a call needs among what is configured."""

    def __init__(
        self,
        providers: WatchedProviders,
        services: SpeechServices | None,
        judge: TurnJudge | None,
        tell: Callable[[ProviderSwitch], None],
    ) -> None:
        """`services` of speech to speech are None where no agent can be held by one; `tell` hears
        of each change of a provider."""
        self._providers = providers
        self._found_services = services
        self._judge = judge
        self._tell = tell
        self._switches = Switches(tell)
        """Of the voice and the model of the agent that has the call."""

    def equip(self, agent: AgentDefinition, variables: Mapping[str, Scalar]) -> Equipment:
        """For a call of this agent. Raises ProviderError where none that it names is there."""
        if agent.speech_to_speech is None:
            return self._with_senses(agent, variables)
        switches = Switches(self._tell)
        settings = service_of(agent.speech_to_speech, self._services(), switches=switches)
        return self._with_service(replace(agent, speech_to_speech=settings), variables, switches)

    def voice_and_mind(self, agent: AgentDefinition) -> tuple[Voice, Mind | None]:
        """Raises ProviderError where none of those that the agent names is there."""
        switches = Switches(self._tell)
        providers = self._providers.watched(switches)
        voice = voice_of(agent, providers, switches=switches)
        mind = mind_of(agent, providers, switches=switches)
        self._switches.end()
        self._switches = switches
        return voice, mind

    def _with_senses(self, agent: AgentDefinition, variables: Mapping[str, Scalar]) -> Equipment:
        voice, mind = self.voice_and_mind(agent)
        switches = Switches(self._tell)
        providers = self._providers.watched(switches)
        ear = ear_of(agent, providers, self._judge, switches=switches)
        text = first_sentence(agent, variables)
        greeting = None if text is None else Greeting(voice, text)
        warming = Warming(ear, voice, mind, greeting)
        greets = voice if greeting is None else greeting.voice
        return Equipment(agent, Senses(ear=ear, voice=greets, mind=mind), warming)

    def _with_service(
        self, agent: AgentDefinition, variables: Mapping[str, Scalar], switches: Switches
    ) -> Equipment:
        fallback = self._providers.fallback_voice()
        means = Means(self._service, fallback, agent.language, switches=switches)
        brief = first_brief(agent, variables)
        service = self._service(brief.settings)
        if service.greets:
            return Equipment(agent, means)
        chain = settings_of(agent).chain
        standby = Standby(service, brief, replaceable=len(chain) > 1)

        def find(wanted: SpeechToSpeechSettings) -> SpeechToSpeech:
            return standby if wanted == brief.settings else self._service(wanted)

        return Equipment(agent, replace(means, find=find), standby)

    def _services(self) -> SpeechServices:
        if self._found_services is None:
            raise ProviderError("no speech-to-speech service is configured", retryable=False)
        return self._found_services

    def _service(self, wanted: SpeechToSpeechSettings) -> SpeechToSpeech:
        return self._services().speech_to_speech(wanted.provider)
