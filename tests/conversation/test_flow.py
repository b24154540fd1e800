"""Which flows are sound, and how a sound one is walked."""

from dataclasses import replace

import pytest

from strowger.agent import (
    AskNode,
    BranchNode,
    EndNode,
    Expectation,
    Flow,
    Node,
    Phrases,
    SayNode,
    SetNode,
)
from strowger.conversation.flow import FlowRunner, validate_flow
from tests.conversation.stage import FLOW

YES_NO = Expectation(type="yes_no")
END = EndNode(type="end", text="Bye.")
ASK = AskNode(type="ask", text="Well?", expect=YES_NO, next="end")


def problems(nodes: dict[str, Node], start: str = "a") -> dict[str, str]:
    return {found.field: found.message for found in validate_flow(Flow(start=start, nodes=nodes))}


def test_a_sound_flow_has_no_problems() -> None:
    assert validate_flow(FLOW) == ()


def test_everything_is_reported_at_once_with_its_path() -> None:
    found = problems(
        {
            "a": SayNode(type="say", text=" ", next="nowhere"),
            "b": AskNode(
                type="ask",
                text="{{x",
                expect=Expectation(type="number", minimum=5, maximum=3, length=0),
                branches={"7": "end", "x": "end"},
                attempts=0,
                save_as="no name",
            ),
            "c": BranchNode(type="branch", variable="", branches={"1": "gone"}, otherwise="end"),
            "end": END,
        },
        start="start",
    )
    assert sorted(found) == [
        "flow.nodes.a.next",
        "flow.nodes.a.text",
        "flow.nodes.b.attempts",
        "flow.nodes.b.branches.7",
        "flow.nodes.b.branches.x",
        "flow.nodes.b.expect.length",
        "flow.nodes.b.expect.maximum",
        "flow.nodes.b.save_as",
        "flow.nodes.b.text",
        "flow.nodes.c.branches.1",
        "flow.nodes.c.variable",
        "flow.start",
    ]
    assert found["flow.nodes.a.next"] == "there is no node 'nowhere'"


@pytest.mark.parametrize(
    ("expect", "branches", "missing"),
    [
        (YES_NO, {"yes": "end"}, "expected where to go on for no"),
        (Expectation(type="date"), {}, "expected where to go on for other answers"),
        (Expectation(type="number", maximum=1), {"0": "end"}, "expected where to go on for 1"),
    ],
)
def test_every_answer_leads_on(expect: Expectation, branches: dict[str, str], missing: str) -> None:
    ask = AskNode(type="ask", text="Well?", expect=expect, branches=branches)
    assert problems({"a": ask, "end": END})["flow.nodes.a.next"] == missing
    assert problems({"a": replace(ask, next="end"), "end": END}) == {}


def test_branches_are_values_that_an_answer_can_have() -> None:
    pin, day, free = (
        replace(ASK, expect=expect)
        for expect in (
            Expectation(type="digits", length=2),
            Expectation(type="date"),
            Expectation(type="anything"),
        )
    )
    nodes: dict[str, Node] = {
        "a": replace(pin, branches={"12": "b", "123": "b", "x": "b"}),
        "b": replace(day, branches={"2026-03-04": "c", "monday": "c"}),
        "c": replace(free, branches={"whatever": "d"}),
        "d": replace(ASK, expect=Expectation(type="number", minimum=-1)),
        "end": END,
    }
    assert sorted(problems(nodes)) == [
        "flow.nodes.a.branches.123",
        "flow.nodes.a.branches.x",
        "flow.nodes.b.branches.monday",
        "flow.nodes.d.expect.minimum",
    ]


def test_keywords_have_phrases_that_mean_one_thing() -> None:
    keywords = (
        Phrases(value="tea", phrases=("Tea", "hot drink")),
        Phrases(value="coffee", phrases=("hot drink!", "...")),
        Phrases(value="", phrases=()),
    )
    ask = replace(ASK, expect=Expectation(type="keywords", keywords=keywords))
    assert problems({"a": ask, "end": END}) == {
        "flow.nodes.a.expect.keywords.1.phrases.0": "'hot drink!' already means 'tea'",
        "flow.nodes.a.expect.keywords.1.phrases.1": "expected words, got '...'",
        "flow.nodes.a.expect.keywords.2.value": "expected a value",
        "flow.nodes.a.expect.keywords.2.phrases": "expected at least one phrase",
    }
    none = replace(ASK, expect=Expectation(type="keywords"))
    assert problems({"a": none, "end": END}) == {
        "flow.nodes.a.expect.keywords": "expected at least one keyword"
    }
    needless = replace(ASK, expect=replace(YES_NO, keywords=keywords[:1]))
    assert "flow.nodes.a.expect.keywords" in problems({"a": needless, "end": END})


def test_an_end_can_be_reached_from_everywhere() -> None:
    stuck = replace(ASK, next="a", otherwise="a")
    assert problems({"a": stuck}) == {"flow.nodes.a": "no end can be reached from here"}
    assert problems({}) == {"flow.nodes": "expected at least one node"}


def test_a_flow_does_not_go_round_in_circles_by_itself() -> None:
    round_: dict[str, Node] = {
        "a": SayNode(type="say", text="And", next="b"),
        "b": SetNode(type="set", variable="x", value=1, next="c"),
        "c": BranchNode(type="branch", variable="x", branches={"2": "end"}, otherwise="a"),
        "end": END,
    }
    circle = "goes round in a circle without asking anything"
    assert problems(round_) == {f"flow.nodes.{name}": circle for name in "abc"}
    led_in = {**round_, "z": SayNode(type="say", text="Now", next="a")}
    assert "flow.nodes.z" not in problems(led_in)
    asked = {**round_, "b": replace(ASK, next="c")}
    assert problems(asked) == {}


def test_a_walk_says_what_is_on_the_way_to_the_next_question() -> None:
    nodes: dict[str, Node] = {
        "a": SetNode(type="set", variable="who", value="{{name}} Smith", next="b"),
        "b": SayNode(type="say", text="Hello {{who}}.", next="c"),
        "c": BranchNode(type="branch", variable="vip", branches={"yes": "d"}, otherwise="end"),
        "d": AskNode(
            type="ask",
            text="How many seats?",
            expect=Expectation(type="number", minimum=1, maximum=9),
            branches={"1": "one"},
            next="many",
            save_as="seats",
        ),
        "one": EndNode(type="end", outcome="single"),
        "many": EndNode(type="end", text="{{seats}} seats.", outcome="{{seats}} for {{who}}"),
        "end": END,
    }
    assert problems(nodes) == {}
    runner = FlowRunner(Flow(start="a", nodes=nodes), {"name": "Ann", "vip": True})
    assert runner.open().texts == ("Hello Ann Smith.", "How many seats?")
    assert runner.answer("four please", "").texts == ("4 seats.",)
    assert runner.outcome == "4 for Ann Smith"
    assert runner.extracted == {"who": "Ann Smith", "seats": 4}
    runner.take_back()
    assert runner.extracted == {"who": "Ann Smith"}
    assert runner.answer("", "1").ends
    assert runner.outcome == "single"


def test_after_too_many_answers_not_understood_the_flow_ends_where_it_has_no_other_way() -> None:
    runner = FlowRunner(Flow(start="a", nodes={"a": ASK, "end": END}), {})
    runner.open()
    answers = [runner.answer("what", ""), runner.not_understood(), runner.answer("", "7")]
    assert [answer.texts for answer in answers[:2]] == [("Well?",), ("Well?",)]
    assert answers[2].ends
    assert answers[2].texts[0].startswith("I'm sorry")


def test_a_date_is_kept_as_a_date_and_said_as_people_say_it() -> None:
    ask = replace(ASK, expect=Expectation(type="date"), save_as="day")
    end = EndNode(type="end", text="Until {{day}}.", outcome="moved to {{day}}")
    runner = FlowRunner(Flow(start="a", nodes={"a": ask, "end": end}), {"now": "2026-03-04"})
    runner.open()
    assert runner.answer("next friday", "").texts == ("Until Friday, March 6th.",)
    assert runner.outcome == "moved to 2026-03-06"


def test_a_large_flow_is_checked_in_one_go() -> None:
    names = [f"n{place}" for place in range(999)]
    nodes: dict[str, Node] = {
        name: SayNode(type="say", text="And", next=following)
        for name, following in zip(names, [*names[1:], "end"], strict=True)
    }
    nodes["end"] = END
    assert problems(nodes, start="n0") == {}
    nodes["one more"] = END
    assert problems(nodes, start="n0") == {"flow.nodes": "expected at most 1000 nodes"}
