"""Whole conversations of agents that use tools, each told as it is heard."""

import json
from dataclasses import replace

import pytest

from strowger.agent import (
    AgentDefinition,
    DigitsTool,
    EndCallTool,
    HandoffTarget,
    HandoffTool,
    HttpTool,
    McpTool,
    Progress,
    Tool,
    TransferTarget,
    TransferTool,
    TurnTaking,
    VoicemailPolicy,
    VoicemailTool,
)
from strowger.conversation import phrases
from strowger.conversation.agent_side import MOST_ROUNDS
from strowger.conversation.dialogue import Message, Role, ToolCall
from strowger.conversation.events import (
    AgentFetched,
    Become,
    DropTool,
    Event,
    FetchAgent,
    FindTools,
    FoundTool,
    Generate,
    HungUp,
    ReplyFinished,
    ReplySentence,
    SendDigits,
    ToolFinished,
    ToolRequested,
    ToolsFound,
    Transfer,
    TransferAccepted,
    UseTool,
)
from strowger.conversation.journal import parse_journal, replay
from strowger.conversation.tool_desk import ToolDesk
from strowger.conversation.transcript import STILL_RUNNING
from tests.conversation.stage import Scene, generated, modelled, play, says, scripted

BOOK = HttpTool(
    type="http",
    name="book",
    description="Book a table.",
    url="https://example.com/book",
    parameters={
        "type": "object",
        "properties": {"day": {"type": "string"}},
        "required": ["day"],
    },
    deadline=10.0,
    progress=Progress(after=1.0, every=4.0, texts=("One moment.", "Still looking.")),
)
SALES = TransferTool(
    type="transfer",
    targets=(TransferTarget(name="sales", to="+14155550111", description="Who buys."),),
    deadline=20.0,
)
FRIDAY = '{"day": "friday"}'


def agent(*tools: Tool, **others: object) -> AgentDefinition:
    return replace(modelled(), tools=tools, **others)  # type: ignore[arg-type]


def asks(
    at: float, reply: int, name: str, arguments: str, *sentences: str, id: str = "c1"
) -> list[tuple[float, Event]]:
    """The model says something, perhaps, and asks for a tool."""
    said = [(at, ReplySentence(reply, sentence)) for sentence in sentences]
    return [*said, (at, ToolRequested(reply, id, name, arguments)), (at, ReplyFinished(reply))]


def answers(at: float, reply: int, *sentences: str) -> list[tuple[float, Event]]:
    return [*((at, ReplySentence(reply, text)) for text in sentences), (at, ReplyFinished(reply))]


def tools_of(scene: Scene) -> list[tuple[str, str, bool]]:
    return [
        (turn.tool.name, turn.text, turn.tool.ok)
        for turn in scene.conversation.transcript
        if turn.tool is not None
    ]


def test_a_tool_runs_beside_speech_and_the_model_speaks_to_what_came_of_it() -> None:
    scene = play(
        agent(BOOK),
        says(3.0, "a table for friday"),
        asks(4.75, 1, "book", FRIDAY, "Let me see."),
        (5.0, ToolFinished(1, True, '{"table": 4}')),
        answers(6.0, 2, "Table four is yours."),
        until=10.0,
    )
    assert scene.of(UseTool) == [(4.75, UseTool(1, BOOK, "", FRIDAY))]
    first, second = scene.of(Generate)
    # "Let me see." is over at 5.625: only then does the model go on
    assert (first[0], second[0]) == (4.125, 5.625)
    call = ToolCall("c1", "book", FRIDAY)
    assert generated(scene)[1].dialogue[-3:] == (
        Message(Role.USER, "a table for friday"),
        Message(Role.ASSISTANT, "Let me see.", (call,)),
        Message(Role.TOOL, '{"table": 4}', tool_call_id="c1"),
    )
    assert [tool.name for tool in generated(scene)[0].tools] == ["book"]
    assert scene.dialogue[1:] == [
        "callee: a table for friday",
        "agent: Let me see.",
        'tool: {"table": 4}',
        "agent: Table four is yours.",
    ]
    assert tools_of(scene) == [("book", '{"table": 4}', True)]


def test_an_answer_without_a_word_before_counts_its_tool_to_the_models_time() -> None:
    scene = play(
        agent(BOOK),
        says(3.0, "a table for friday"),
        asks(4.75, 1, "book", FRIDAY),
        (5.0, ToolFinished(1, True, "ok")),
        answers(5.25, 2, "Done."),
        until=8.0,
    )
    latency = scene.conversation.transcript[-1].latency
    assert latency is not None
    assert (latency.endpointing, latency.model, latency.speech) == (0.5, 0.75, 0.125)
    assert latency.total == 1.375


def test_while_a_tool_takes_its_time_the_agent_says_so_again_and_again() -> None:
    scene = play(agent(BOOK), says(3.0, "a table"), asks(4.75, 1, "book", FRIDAY), until=14.5)
    # each is counted from when the one before was over
    assert scene.spoken[1:] == [
        (5.75, "One moment."), (10.375, "Still looking."),
    ]  # fmt: skip


def test_a_tool_that_never_answers_is_given_up_and_the_model_is_told() -> None:
    scene = play(agent(BOOK), says(3.0, "a table"), asks(4.75, 1, "book", FRIDAY), until=17.0)
    assert scene.of(DropTool) == [(14.75, DropTool(1))]
    result = generated(scene)[1].dialogue
    assert any("no answer within 10 s" in message.text for message in result)
    assert tools_of(scene)[0][2] is False


def test_broken_arguments_are_answered_to_the_model_and_nothing_is_done() -> None:
    for arguments, problem in (
        ("{broken", "the arguments are not a JSON object"),
        ("[]", "the arguments are not a JSON object"),
        ("{}", "day: missing"),
        ('{"day": 5}', "day: expected string"),
    ):
        scene = play(agent(BOOK), says(3.0, "hello"), asks(4.75, 1, "book", arguments), until=5.0)
        assert not scene.of(UseTool)
        assert generated(scene)[1].dialogue[-1] == Message(Role.TOOL, problem, tool_call_id="c1")
        assert scene.said == ["Hello, how can I help?"], "the callee hears nothing of it"


def test_a_tool_of_the_models_invention_is_refused() -> None:
    scene = play(agent(BOOK), says(3.0, "hello"), asks(4.75, 1, "rm_rf", "{}"), until=5.0)
    assert not scene.of(UseTool)
    assert tools_of(scene) == [("rm_rf", "there is no tool 'rm_rf'; there are: book", False)]


def test_a_model_that_asks_for_tools_without_end_has_none_in_the_last_round() -> None:
    script = [
        event
        for round in range(1, MOST_ROUNDS + 3)
        for event in asks(4.5 + round, round, "nothing", "{}", id=f"c{round}")
    ]
    scene = play(agent(BOOK), says(3.0, "hello"), script, until=18.0)
    offered = [len(effect.tools) for effect in generated(scene)]
    assert offered[:MOST_ROUNDS] == [1] * (MOST_ROUNDS - 1) + [0]


def test_several_tools_of_one_reply_are_waited_for_together() -> None:
    scene = play(
        agent(BOOK),
        says(3.0, "friday or monday"),
        (4.75, ToolRequested(1, "c1", "book", FRIDAY)),
        (4.75, ToolRequested(1, "c2", "book", '{"day": "monday"}')),
        (4.75, ReplyFinished(1)),
        (5.0, ToolFinished(2, True, "two")),
        (5.25, ToolFinished(1, False, "one")),
        until=5.5,
    )
    assert [at for at, _ in scene.of(Generate)] == [4.125, 5.25]
    asked, one, two = generated(scene)[1].dialogue[-3:]
    assert [call.id for call in asked.tool_calls] == ["c1", "c2"]
    assert (one.text, two.text) == ("one", "two")


def test_names_of_uses_are_made_different_where_a_model_repeats_them() -> None:
    scene = play(
        agent(BOOK),
        says(3.0, "hello"),
        asks(4.75, 1, "nothing", "{}", id="same"),
        asks(5.0, 2, "nothing", "{}", id="same"),
        until=5.5,
    )
    ids = [m.tool_call_id for m in generated(scene)[-1].dialogue if m.role is Role.TOOL]
    assert len(set(ids)) == 2


def test_a_callee_who_speaks_while_a_tool_runs_is_answered_and_told_the_result_later() -> None:
    scene = play(
        agent(BOOK),
        says(3.0, "a table for friday"),
        asks(4.75, 1, "book", FRIDAY),
        says(5.0, "and hurry up"),
        answers(6.75, 2, "I do."),
        (7.5, ToolFinished(1, True, "table 4")),
        answers(8.0, 3, "Table four."),
        until=12.0,
    )
    middle, last = generated(scene)[1:]
    assert [m.text for m in middle.dialogue if m.role is Role.TOOL] == [STILL_RUNNING]
    assert [m.text for m in last.dialogue if m.role is Role.TOOL] == ["table 4"]
    assert len(scene.of(UseTool)) == 1, "what was asked for goes on and is not asked for again"
    assert scene.said[1:] == ["I do.", "Table four."]


def test_a_result_that_comes_after_a_reply_was_begun_early_is_known_to_the_reply() -> None:
    scene = play(
        agent(BOOK),
        says(3.0, "a table for friday"),
        asks(4.75, 1, "book", FRIDAY),
        says(5.0, "and hurry up"),
        (6.25, ToolFinished(1, True, "table 4")),  # a draft was begun at 6.125
        answers(7.0, 3, "Table four."),
        until=12.0,
    )
    assert [at for at, _ in scene.of(Generate)] == [4.125, 6.125, 6.5]
    last = generated(scene)[-1]
    assert [m.text for m in last.dialogue if m.role is Role.TOOL] == ["table 4"]
    assert scene.said[1:] == ["Table four."]


def test_a_tool_of_a_reply_that_is_not_wanted_any_more_is_never_used() -> None:
    scene = play(
        agent(BOOK),
        says(3.0, "a table"),
        says(4.75, "no wait"),
        (5.5, ToolRequested(1, "c1", "book", FRIDAY)),
        until=8.0,
    )
    assert not scene.of(UseTool)


def test_a_turn_that_goes_on_after_a_tool_was_used_is_a_new_turn() -> None:
    scene = play(
        agent(BOOK),
        says(3.0, "a table"),
        asks(4.6, 1, "book", FRIDAY),
        says(4.75, "for two please"),
        until=7.0,
    )
    users = [m.text for m in generated(scene)[-1].dialogue if m.role is Role.USER]
    assert users == ["a table", "for two please"]


def test_a_result_that_comes_when_the_call_is_over_changes_nothing() -> None:
    scene = play(
        agent(BOOK),
        says(3.0, "a table"),
        asks(4.75, 1, "book", FRIDAY),
        (5.0, HungUp()),
        (5.1, ToolFinished(1, True, "too late")),
    )
    assert tools_of(scene) == [("book", "the call ended before an answer came", False)]


# ── ends ─────────────────────────────────────────────────────────────────────────────────────


def test_the_model_ends_the_call_once_its_goodbye_was_heard() -> None:
    ends = EndCallTool(type="end_call", outcomes=("booked", "lost"))
    scene = play(
        agent(ends),
        says(3.0, "thank you"),
        asks(4.75, 1, "end_call", '{"outcome": "booked"}', "Goodbye then."),
    )
    assert scene.dialogue[-1] == "tool: the call ends"
    assert scene.hung_up == (5.375, "agent_hangup")
    assert scene.conversation.outcome == "booked"


def test_an_outcome_that_is_not_listed_does_not_end_the_call() -> None:
    ends = EndCallTool(type="end_call", outcomes=("booked", "lost"))
    refused = asks(4.75, 1, "end_call", '{"outcome": "rich"}')
    scene = play(agent(ends), says(3.0, "thank you"), refused, until=6.0)
    assert scene.hung_up is None
    assert len(generated(scene)) == 2


def test_voicemail_is_left_a_message_or_hung_up_on() -> None:
    box = VoicemailTool(type="voicemail")
    policy = VoicemailPolicy(action="leave_message", message="Please call back.")
    reached = asks(4.75, 1, "voicemail_reached", "{}")
    left = play(agent(box, voicemail=policy), says(3.0, "after the tone"), reached)
    assert left.said[-1] == "Please call back."
    assert left.hung_up == (5.625, "voicemail")
    assert play(agent(box), says(3.0, "after the tone"), reached).hung_up == (4.75, "voicemail")


def test_keys_are_pressed_and_only_keys() -> None:
    keys = DigitsTool(type="digits")
    pressed = play(
        agent(keys), says(3.0, "press one"), asks(4.75, 1, "press_keys", '{"digits": "1#"}'),
        until=5.0,
    )  # fmt: skip
    assert pressed.of(SendDigits) == [(4.75, SendDigits("1#"))]
    refused = play(
        agent(keys), says(3.0, "press one"), asks(4.75, 1, "press_keys", '{"digits": "one"}'),
        until=5.0,
    )  # fmt: skip
    assert not refused.of(SendDigits)


# ── transfers ────────────────────────────────────────────────────────────────────────────────

TO_SALES = '{"target": "sales"}'


def test_the_callee_is_put_through_once_the_agent_has_said_so() -> None:
    scene = play(
        agent(SALES),
        says(3.0, "I want to buy"),
        asks(4.75, 1, "transfer_call", TO_SALES, "One moment."),
        (5.5, TransferAccepted(1)),
        (6.0, ToolFinished(1, True, "put through")),
    )
    assert scene.of(Transfer) == [(5.375, Transfer(1, "+14155550111"))]
    assert scene.hung_up == (6.0, "transferred")


BOSS = replace(SALES.targets[0], name="boss", attended=True)
ATTENDED = replace(SALES, targets=(*SALES.targets, BOSS))


@pytest.mark.parametrize(
    ("arguments", "briefing"),
    [
        ('{"target": "boss", "briefing": "Ann wants to buy."}', "Ann wants to buy."),
        ('{"target": "boss"}', phrases.SOMEBODY_FOR_YOU),
        ('{"target": "sales", "briefing": "Ann wants to buy."}', None),
    ],
)
def test_who_is_called_before_is_told_what_the_model_says(
    arguments: str, briefing: str | None
) -> None:
    scene = play(
        agent(ATTENDED),
        says(3.0, "I want to buy"),
        asks(4.75, 1, "transfer_call", arguments),
        (6.0, ToolFinished(1, False, "who was called did not answer: 486 Busy Here")),
        answers(6.5, 2, "They are busy."),
        (8.0, HungUp()),
    )
    assert scene.of(Transfer) == [(4.75, Transfer(1, "+14155550111", briefing))]
    assert scene.said[-1] == "They are busy."
    assert scene.hung_up == (8.0, "callee_hangup"), "the callee has stayed with the agent"


def test_a_briefing_is_only_asked_for_where_somebody_is_called_before() -> None:
    def asked_for(tool: TransferTool) -> object:
        (offered,) = ToolDesk((tool,)).offered()
        properties = offered.parameters["properties"]
        assert isinstance(properties, dict)
        return set(properties)

    assert asked_for(SALES) == {"target"}
    assert asked_for(ATTENDED) == {"target", "briefing"}


def test_a_far_end_that_takes_the_call_away_has_put_it_through() -> None:
    scene = play(
        agent(SALES),
        says(3.0, "I want to buy"),
        asks(4.75, 1, "transfer_call", TO_SALES),
        (5.0, TransferAccepted(1)),
        (5.5, HungUp()),
    )
    assert scene.hung_up == (5.5, "transferred")


@pytest.mark.parametrize(
    ("meanwhile", "reason"), [([], "transferred"), (says(31.0, "are you there"), "callee_hangup")]
)
def test_who_talks_on_after_the_time_for_a_transfer_has_not_been_put_through(
    meanwhile: list[tuple[float, Event]], reason: str
) -> None:
    scene = play(
        agent(SALES),
        says(3.0, "I want to buy"),
        asks(4.75, 1, "transfer_call", TO_SALES),
        (5.0, TransferAccepted(1)),
        answers(25.0, 2, "It takes a while."),
        meanwhile,
        (33.0, HungUp()),
    )
    assert scene.hung_up == (33.0, reason)


def test_another_transfer_that_is_refused_meanwhile_changes_nothing_about_the_first() -> None:
    scene = play(
        agent(SALES),
        says(3.0, "I want to buy"),
        asks(4.75, 1, "transfer_call", TO_SALES),
        (5.0, TransferAccepted(1)),
        says(6.0, "hurry up please"),
        asks(7.75, 2, "transfer_call", TO_SALES),
        (8.0, ToolFinished(2, False, "the callee is being put through already")),
        (8.1, HungUp()),
    )
    assert [effect for _, effect in scene.of(Transfer)] == [
        Transfer(use, "+14155550111") for use in (1, 2)
    ]
    assert scene.hung_up == (8.1, "transferred")


def test_a_transfer_that_fails_goes_back_to_the_model() -> None:
    scene = play(
        agent(SALES),
        says(3.0, "I want to buy"),
        asks(4.75, 1, "transfer_call", TO_SALES),
        (5.0, TransferAccepted(1)),
        (5.5, ToolFinished(1, False, "not put through: 486 Busy Here")),
        answers(6.0, 2, "They are busy."),
        (8.0, HungUp()),
    )
    assert scene.said[-1] == "They are busy."
    assert scene.hung_up == (8.0, "callee_hangup")


def test_a_target_of_the_models_own_is_never_called() -> None:
    for target in ("+19005550100", "sip:evil@example.com", "Sales", ""):
        arguments = json.dumps({"target": target})
        scene = play(
            agent(SALES), says(3.0, "hello"), asks(4.75, 1, "transfer_call", arguments), until=9.0
        )
        assert not scene.of(Transfer)
        assert tools_of(scene) == [("transfer_call", "target: expected one of ['sales']", False)]


def test_a_callee_who_speaks_before_he_is_put_through_is_listened_to() -> None:
    scene = play(
        agent(SALES),
        says(3.0, "I want to buy"),
        asks(4.75, 1, "transfer_call", TO_SALES, "I will put you through to our people in sales."),
        says(5.75, "no wait"),
        until=9.0,
    )
    assert not scene.of(Transfer)
    assert tools_of(scene) == [("transfer_call", "the callee spoke before that", False)]


# ── other agents, and MCP servers ────────────────────────────────────────────────────────────


def test_another_agent_takes_over_with_its_own_prompt_and_what_is_known() -> None:
    hand = HandoffTool(type="handoff", agents=(HandoffTarget(name="billing", agent_id="agent_2"),))
    billing = replace(
        modelled("Billing here, {{lead}}."), prompt="Count money.", tools=(SALES,), name="Billing"
    )
    scene = play(
        agent(hand),
        says(3.0, "my invoice"),
        asks(4.75, 1, "hand_off", '{"agent": "billing"}'),
        (5.0, AgentFetched(1, billing)),
        says(8.0, "it is too high"),
        variables={"lead": "Ann"},
        until=10.0,
    )
    assert scene.of(FetchAgent) == [(4.75, FetchAgent(1, "agent_2"))]
    assert scene.of(Become) == [(5.0, Become(billing))]
    assert scene.said[-2:] == ["Billing here, Ann."][-1:] or scene.said[-1] == "Billing here, Ann."
    last = generated(scene)[-1]
    assert last.dialogue[0] == Message(Role.SYSTEM, "Count money.")
    assert [tool.name for tool in last.tools] == ["transfer_call"]


def test_an_agent_with_a_flow_can_take_over() -> None:
    hand = HandoffTool(type="handoff", agents=(HandoffTarget(name="form", agent_id="agent_2"),))
    scene = play(
        agent(hand),
        says(3.0, "move my appointment"),
        asks(4.75, 1, "hand_off", '{"agent": "form"}'),
        (5.0, AgentFetched(1, scripted())),
        says(9.0, "yes"),
    )
    assert scene.conversation.outcome == "confirmed"
    assert scene.hung_up is not None
    assert len(generated(scene)) == 1  # a flow has no model that could be told of the tool


def test_an_agent_that_is_not_there_leaves_the_call_with_the_one_before() -> None:
    hand = HandoffTool(type="handoff", agents=(HandoffTarget(name="billing", agent_id="agent_2"),))
    scene = play(
        agent(hand),
        says(3.0, "my invoice"),
        asks(4.75, 1, "hand_off", '{"agent": "billing"}'),
        (5.0, ToolFinished(1, False, "no such agent")),
        answers(5.5, 2, "I cannot reach them."),
        until=8.0,
    )
    assert scene.said[-1] == "I cannot reach them."


def test_the_tools_of_an_mcp_server_are_found_offered_and_used() -> None:
    shop = McpTool(type="mcp", name="shop", url="https://example.com/mcp", tools=("stock", "buy"))
    schema = '{"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]}'
    found = tuple(FoundTool(name, "d", schema) for name in ("stock", "delete_everything"))
    scene = play(
        agent(shop),
        (0.5, ToolsFound("shop", found)),
        says(3.0, "tea"),
        asks(4.75, 1, "shop_stock", '{"item": "tea"}'),
        asks(4.75, 1, "shop_delete_everything", "{}"),
        until=5.0,
    )
    assert scene.of(FindTools) == [(0.0, FindTools(shop))]
    assert [tool.name for tool in generated(scene)[0].tools] == ["shop_stock"]
    assert scene.of(UseTool) == [(4.75, UseTool(1, shop, "stock", '{"item": "tea"}'))]


def test_tools_of_mcp_servers_are_offered_as_models_services_take_them() -> None:
    shop = McpTool(type="mcp", name="shop", url="https://example.com/mcp")
    found = (
        FoundTool("stock.of item", "d" * 5000, '{"properties": {"item": {"type": "string"}}}'),
        FoundTool("list", "d", '{"type": "array"}'),
        FoundTool("broken", "d", "{no schema"),
    )
    scene = play(
        agent(shop),
        (0.5, ToolsFound("shop", found)),
        says(3.0, "tea"),
        asks(4.75, 1, "shop_stock_of_item", '{"item": "tea"}'),
        until=5.0,
    )
    offered = generated(scene)[0].tools
    assert [tool.name for tool in offered] == ["shop_stock_of_item", "shop_list", "shop_broken"]
    assert all(tool.parameters["type"] == "object" for tool in offered)
    assert len(offered[0].description) == 1024
    assert scene.of(UseTool) == [(4.75, UseTool(1, shop, "stock.of item", '{"item": "tea"}'))]


def test_a_call_with_tools_is_told_again_by_its_journal_and_nothing_is_done_twice() -> None:
    scene = play(
        agent(BOOK, SALES, turn_taking=TurnTaking(silence_timeout=5.0)),
        (0.5, ToolsFound("nobody", (FoundTool("x", "y", "{}"),))),
        says(3.0, "a table"),
        asks(4.75, 1, "book", FRIDAY, "Well."),
        (6.0, ToolFinished(1, True, "ok")),
        answers(7.0, 2, "Done."),
    )
    journal = parse_journal(scene.journal.to_lines())
    assert [(at - 1000.0, effect) for at, effect in replay(journal)] == scene.effects
    assert len([effect for _, effect in scene.effects if isinstance(effect, UseTool)]) == 1
