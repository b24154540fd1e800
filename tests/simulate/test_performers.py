"""The scenario's providers: scripted models, wrong words, troubles."""

import asyncio
from collections.abc import Sequence

import pytest

from strowger.agent import ModelSettings
from strowger.conversation.dialogue import Message, Role, ToolCall
from strowger.errors import ProviderError
from strowger.ports import ReplyEnd, ReplyPart, ReplyText, Word
from strowger.simulate.performers import ScriptedModel, misheard
from strowger.simulate.scenario import ModelPlan, ScriptedReply, ScriptedTool
from strowger.simulate.virtual_time import START, run_in_virtual_time

PLAN = ModelPlan(
    first_token=0.5,
    tokens_per_second=10,
    replies=(
        ScriptedReply(when="hours|open", say="Nine to five."),
        ScriptedReply(say="First."),
        ScriptedReply(say="Then."),
        ScriptedReply(when="booked", say="Done."),
        ScriptedReply(
            when="book me",
            tools=(
                ScriptedTool(name="book", arguments={"day": 2}),
                ScriptedTool(name="x", arguments="{"),
            ),
        ),
    ),
)  # fmt: skip


def user(text: str) -> Message:
    return Message(Role.USER, text)


def replies(plan: ModelPlan, *dialogues: Sequence[Message]) -> list[list[ReplyPart]]:
    async def main() -> list[list[ReplyPart]]:
        model = ScriptedModel(plan)
        return [
            [part async for part in model.reply(dialogue, ModelSettings())]
            for dialogue in dialogues
        ]

    return run_in_virtual_time(main())


def text_of(parts: Sequence[ReplyPart]) -> str:
    return "".join(part.text for part in parts if isinstance(part, ReplyText))


def test_replies_are_chosen_by_what_the_callee_said_last_else_in_order() -> None:
    said = replies(
        PLAN,
        [user("Hello?")],
        [user("When do you OPEN?"), Message(Role.ASSISTANT, "I'm sorry.")],
        [user("Well.")],
        [user("Well?")],
    )
    assert [text_of(parts) for parts in said] == ["First.", "Nine to five.", "Then.", "Then."]
    assert all(isinstance(parts[-1], ReplyEnd) for parts in said)


def test_tools_are_asked_for_and_what_comes_of_them_is_answered() -> None:
    asked, told = replies(
        PLAN,
        [user("Book me, please.")],
        [user("Book me, please."), Message(Role.TOOL, "booked for two", tool_call_id="call_1_0")],
    )
    assert asked[:-1] == [
        ToolCall("call_1_0", "book", '{"day": 2}'),
        ToolCall("call_1_1", "x", "{"),
    ]
    assert text_of(told) == "Done."


def test_tokens_come_at_the_plans_pace() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        model = ScriptedModel(PLAN)
        parts = model.reply([user("open")], ModelSettings())
        return [loop.time() - START async for part in parts if isinstance(part, ReplyText)]

    assert run_in_virtual_time(main()) == pytest.approx([0.5, 0.6, 0.7, 0.8])


def test_a_model_in_trouble_fails_after_what_it_said() -> None:
    plan = ModelPlan(replies=(ScriptedReply(say="Well", trouble="fail"),))
    with pytest.raises(ProviderError, match="the scenario's model fails"):
        replies(plan, [user("Hello?")])


WORDS = [Word(f"w{n}", n / 2, n / 2 + 0.3, 0.9) for n in range(200)]


def test_words_are_lost_or_taken_for_others_in_the_share_that_is_wanted() -> None:
    assert misheard(WORDS, 0.0, 0.5) == WORDS
    heard = misheard(WORDS, 0.3, 0.5)
    right = [word for word in heard if word in WORDS]
    assert 120 <= len(right) <= 160
    assert len(right) < len(heard) < len(WORDS)
    none = misheard(WORDS, 1.0, 0.5)
    assert not any(word in WORDS for word in none)


def test_a_words_fate_does_not_depend_on_the_words_after_it() -> None:
    assert misheard(WORDS, 0.3, 0.5)[:20] == misheard(WORDS[:100], 0.3, 0.5)[:20]
    assert misheard(WORDS, 0.3, 0.5) != misheard(WORDS, 0.3, 0.6)
