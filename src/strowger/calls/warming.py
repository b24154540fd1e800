"""Connections, children and models that a call will need, made ready before it needs them: while
the telephone rings, and once more at the answer for what has gone cold meanwhile.

What costs something while it stands ready is left out until somebody has answered. Nothing that
fails here is a failure of the call: who needs it will be told.
"""

import asyncio

from strowger.calls.greeting import Greeting
from strowger.calls.listening import Ear
from strowger.calls.replying import Mind
from strowger.calls.speaking import Voice


class Warming:
    """Of the providers of one call, from the first ring on."""

    def __init__(
        self, ear: Ear, voice: Voice, mind: Mind | None, greeting: Greeting | None
    ) -> None:
        """`greeting` is what can be spoken beforehand."""
        self._ear = ear
        self._voice = voice
        self._mind = mind
        self._greeting = greeting
        self._ringing = asyncio.Event()

    def ring(self) -> None:
        """The callee's telephone rings: from here on the call may begin at any moment."""
        self._ringing.set()
        if self._greeting is not None:
            self._greeting.ring()

    async def prepare(self) -> None:
        """Get ready, once it rings."""
        await self._ringing.wait()
        async with asyncio.TaskGroup() as tasks:
            if self._greeting is not None:
                tasks.create_task(self._greeting.prepare(), name="greeting")
            tasks.create_task(warm(self._voice, self._mind), name="warm voice and model")
            if not self._ear.recogniser.metered:
                listening = self._ear.recogniser.warm(
                    self._ear.settings, language=self._ear.language
                )
                tasks.create_task(listening, name="warm recogniser")


async def warm(voice: Voice, mind: Mind | None) -> None:
    """Have the agent's voice and model ready."""
    async with asyncio.TaskGroup() as tasks:
        speaking = voice.speech.warm(voice.settings, language=voice.language)
        tasks.create_task(speaking, name="warm voice")
        if mind is not None:
            tasks.create_task(mind.model.warm(mind.settings), name="warm model")
