"""Who is at the other end of a simulated call: a persona with a script, or an agent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from strowger.agent import AgentDefinition
from strowger.calls.choosing import ear_of, mind_of, voice_of
from strowger.calls.kept import KeptConversation
from strowger.calls.session import CallSession, Senses
from strowger.lifecycle import EndReason
from strowger.model import Turn
from strowger.ports import Line, Providers
from strowger.simulate.persona import Answer, Persona
from strowger.simulate.reports import Happening, Heard, HungUp, Said
from strowger.simulate.session import CalleeSenses, CalleeSession

Tell = Callable[[Happening], None]


class Actor(Protocol):
    """Takes a call, or does not, and acts on its line until one side hangs up."""

    @property
    def answer(self) -> Answer:
        """What the telephone does when it is called."""

    async def act(self, line: Line, tell: Tell) -> None: ...


@dataclass(frozen=True, slots=True)
class PersonaActor:
    """A persona acts its script out."""

    persona: Persona
    senses: CalleeSenses

    @property
    def answer(self) -> Answer:
        return self.persona.answer

    async def act(self, line: Line, tell: Tell) -> None:
        await CalleeSession(self.persona, line, self.senses, tell).run()


@dataclass(frozen=True, slots=True)
class AgentActor:
    """An agent plays the callee: a flow, or a language model with a prompt."""

    agent: AgentDefinition
    answer: Answer
    providers: Providers

    async def act(self, line: Line, tell: Tell) -> None:
        def note(turn: Turn) -> None:
            # To this agent the caller is the callee.
            said = Said(turn.text, complete=not turn.interrupted)
            tell(Heard(turn.text) if turn.role == "callee" else said)

        agent, providers = self.agent, self.providers
        senses = Senses(
            ear=ear_of(agent, providers),
            voice=voice_of(agent, providers),
            mind=mind_of(agent, providers),
        )
        session = CallSession(line, KeptConversation(agent, {}, note), senses)
        reason = await session.run()
        by_agent = reason is EndReason.CALLEE_HANGUP
        tell(HungUp("agent" if by_agent else "callee", "" if by_agent else reason.value))
