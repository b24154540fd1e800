"""Flows that have a language model talk: told as they are heard."""

from dataclasses import replace

from strowger.agent import (
    AgentDefinition,
    Anywhere,
    AskNode,
    BranchNode,
    Condition,
    EndNode,
    Expectation,
    Flow,
    HttpTool,
    Node,
    SetNode,
    TalkNode,
    TurnOverride,
    Way,
)
from strowger.conversation.dialogue import Message, Role
from strowger.conversation.events import (
    Event,
    ReplyFinished,
    ReplySentence,
    ToolRequested,
    UseTool,
)
from strowger.conversation.flow_rules import validate_flow
from tests.conversation.stage import generated, play, says

LOOK = HttpTool(type="http", name="look", description="Look.", url="https://example.com/")
NODES: dict[str, Node] = {
    "name": TalkNode(
        type="talk",
        prompt="Find out the name and the age of {{lead}}.",
        text="Hello, who is there?",
        ways={
            "known": Way(
                next="grown",
                when="Name and age are known.",
                collect={"name": {"type": "string"}, "age": {"type": "integer"}},
            )
        },
        tools=(),
    ),
    "grown": BranchNode(
        type="branch",
        conditions=(Condition(when="age >= 18", next="offer"),),
        otherwise="young",
    ),
    "offer": AskNode(
        type="ask",
        text="Shall I book you, {{name}}?",
        expect=Expectation(type="yes_no"),
        branches={"yes": "booked", "no": "lost"},
    ),
    "booked": EndNode(type="end", text="Done. Goodbye.", outcome="booked {{name}}"),
    "lost": EndNode(type="end", text="Goodbye.", outcome="lost"),
    "young": EndNode(type="end", text="You are too young.", outcome="young"),
    "person": EndNode(type="end", text="Somebody will call you.", outcome="person"),
}
FLOW = Flow(
    start="name",
    nodes=NODES,
    anywhere={"person": Anywhere(next="person", phrases=("a person",), when="Wants a person.")},
)


def agent(flow: Flow = FLOW) -> AgentDefinition:
    return AgentDefinition(name="desk", prompt="Be kind.", flow=flow, tools=(LOOK,))


def asks(at: float, reply: int, name: str, arguments: str, *said: str) -> list[tuple[float, Event]]:
    written: list[tuple[float, Event]] = [(at, ReplySentence(reply, text)) for text in said]
    return [*written, (at, ToolRequested(reply, "c", name, arguments)), (at, ReplyFinished(reply))]


def test_the_flow_is_sound() -> None:
    assert validate_flow(FLOW) == ()


def test_the_model_is_told_of_its_node_and_chooses_among_its_ways() -> None:
    scene = play(agent(), says(3.0, "Ann here"), variables={"lead": "Ann"}, until=6.0)
    (asked,) = generated(scene)
    told = "Be kind.\n\nFind out the name and the age of Ann."
    assert asked.dialogue[0] == Message(Role.SYSTEM, told)
    assert [tool.name for tool in asked.tools] == ["known", "person"]
    assert asked.tools[0].parameters["required"] == ["name", "age"]


def test_a_way_keeps_what_was_collected_and_conditions_lead_on() -> None:
    scene = play(
        agent(),
        says(3.0, "Ann, thirty"),
        asks(4.75, 1, "known", '{"name": "Ann", "age": 30}', "Thank you."),
        says(8.0, "yes please"),
    )
    assert scene.dialogue == [
        "agent: Hello, who is there?",
        "callee: Ann, thirty",
        "agent: Thank you.",
        "tool: it goes on from here",
        "agent: Shall I book you, Ann?",
        "callee: yes please",
        "agent: Done. Goodbye.",
    ]
    assert scene.conversation.outcome == "booked Ann"
    assert scene.conversation.extracted == {"name": "Ann", "age": 30}


def test_another_answer_leads_another_way() -> None:
    young = asks(4.75, 1, "known", '{"name": "Tim", "age": 9}')
    assert play(agent(), says(3.0, "Tim, nine"), young).conversation.outcome == "young"


def test_a_way_without_what_it_collects_is_not_taken_and_no_tool_but_those_of_the_node() -> None:
    for name, arguments in (("known", '{"name": "Ann"}'), ("look", "{}"), ("offer", "{}")):
        scene = play(agent(), says(3.0, "hello"), asks(4.75, 1, name, arguments), until=5.0)
        assert not scene.of(UseTool)
        assert scene.conversation.extracted == {}
        assert len(generated(scene)) == 2


def test_some_ways_are_open_anywhere_by_words_or_by_the_model() -> None:
    by_model = play(agent(), says(3.0, "hm"), asks(4.75, 1, "person", "{}"))
    assert by_model.conversation.outcome == "person"
    by_words = play(
        agent(),
        says(3.0, "Ann, thirty"),
        asks(4.75, 1, "known", '{"name": "Ann", "age": 30}'),
        says(8.0, "give me a person"),
    )
    assert by_words.conversation.outcome == "person"


def test_a_condition_of_a_way_leads_on_by_itself() -> None:
    known = replace(NODES["name"], ways={"done": Way(next="lost", condition="lead == 'Ann'")})  # type: ignore[arg-type]
    flow = replace(FLOW, nodes={**NODES, "name": known})
    assert play(agent(flow), variables={"lead": "Ann"}).conversation.outcome == "lost"
    assert play(agent(flow), variables={"lead": "Bob"}, until=3.0).hung_up is None


def test_a_node_may_take_turns_in_its_own_manner() -> None:
    patient = replace(NODES["offer"], turn_taking=TurnOverride(endpointing_delay=1.25))  # type: ignore[arg-type]
    flow = Flow(
        start="set",
        nodes={
            "set": SetNode(type="set", variable="name", value="Ann", next="offer"),
            "offer": patient,
            "booked": NODES["booked"],
            "lost": NODES["lost"],
        },
    )
    scene = play(agent(flow), says(3.0, "yes"), until=8.0)
    assert scene.spoken[1][0] == 5.25


def test_what_is_wrong_with_such_a_flow_is_told_field_by_field() -> None:
    bad = Flow(
        start="talk",
        nodes={
            "talk": TalkNode(
                type="talk",
                prompt=" ",
                ways={
                    "on on": Way(next="end", when="Always."),
                    "x": Way(next="nowhere", condition="age >"),
                    "y": Way(next="end"),
                },
            ),
            "branch": BranchNode(type="branch", otherwise="end"),
            "end": EndNode(type="end"),
        },
        anywhere={"z": Anywhere(next="gone")},
    )
    fields = {problem.field for problem in validate_flow(bad)}
    assert fields == {
        "flow.anywhere.z",
        "flow.anywhere.z.next",
        "flow.nodes.talk.prompt",
        "flow.nodes.talk.ways.on on",
        "flow.nodes.talk.ways.x.next",
        "flow.nodes.talk.ways.x.condition",
        "flow.nodes.talk.ways.y.when",
        "flow.nodes.branch.conditions",
    }


def test_ways_that_conditions_alone_lead_round_in_a_circle_are_refused() -> None:
    circle = TalkNode(type="talk", prompt="Talk.", ways={"again": Way(next="talk", condition="1")})
    flow = Flow(start="talk", nodes={"talk": circle, "end": EndNode(type="end")})
    assert any("circle" in problem.message for problem in validate_flow(flow))
