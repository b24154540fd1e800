"""What becomes of a reply that is called off while it is written."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from strowger.agent import ModelSettings
from strowger.calls.replying import Mind, Replier
from strowger.conversation.dialogue import Message, OfferedTool
from strowger.conversation.events import Event, ReplySentence
from strowger.ports import ReplyPart, ReplyText
from strowger.simulate.virtual_time import run_in_virtual_time


class Rambler:
    """A model that never ends, a word every 10 ms, and knows who still listens."""

    def __init__(self) -> None:
        self.listened_to: asyncio.Task[object] | None = None
        self.left_by: asyncio.Task[object] | None = None

    async def warm(self, settings: ModelSettings) -> None: ...

    async def reply(
        self,
        dialogue: Sequence[Message],
        settings: ModelSettings,
        *,
        tools: Sequence[OfferedTool] = (),
    ) -> AsyncIterator[ReplyPart]:
        self.listened_to = asyncio.current_task()
        try:
            yield ReplyText("Well, I see. ")
            while True:
                await asyncio.sleep(0.01)
                yield ReplyText("and ")
        finally:
            self.left_by = asyncio.current_task()


def test_a_model_is_left_at_once_by_who_lets_words_gather_and_is_called_off() -> None:
    async def call_off_after(seconds: float) -> Rambler:
        model, told = Rambler(), list[Event]()
        async with asyncio.TaskGroup() as tasks:
            replier = Replier(Mind(model, ModelSettings()), told.append)
            replier.generate(1, (), (), tasks)
            await asyncio.sleep(seconds)
            replier.cancel()
        assert told == [ReplySentence(1, "Well, I see.")]
        return model

    for milliseconds in range(5, 200, 7):
        model = run_in_virtual_time(call_off_after(milliseconds / 1000))
        assert model.left_by is not None
        assert model.left_by is model.listened_to, "and not by who collects garbage"
