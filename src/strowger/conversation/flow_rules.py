"""What makes a flow sound: it leads on from every answer, and to an end. Reports all at once."""

import json
import re
from collections.abc import Iterator
from itertools import chain

from strowger.agent import (
    AskNode,
    BranchNode,
    EndNode,
    Expectation,
    Flow,
    Node,
    SayNode,
    SetNode,
    TalkNode,
)
from strowger.conversation.answers import words_of
from strowger.conversation.expressions import BadExpression, parse
from strowger.conversation.spoken_numbers import LARGEST
from strowger.conversation.template import malformed_in
from strowger.errors import FieldProblem

MOST_NODES = 1000
MOST_DIGITS = 32
LARGEST_COLLECT = 16_384
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_WAY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def validate_flow(flow: Flow) -> tuple[FieldProblem, ...]:
    """Everything that is wrong with a flow, each with its dotted path below `flow`."""
    if len(flow.nodes) > MOST_NODES:
        return (FieldProblem("flow.nodes", f"expected at most {MOST_NODES} nodes"),)
    found = chain(
        _start_problems(flow),
        _anywhere_problems(flow),
        _problems_of_nodes(flow),
        _path_problems(flow),
    )
    return tuple(FieldProblem(f"flow.{path}", message) for path, message in found)


_Problems = Iterator[tuple[str, str]]
"""Dotted path, message."""


def _start_problems(flow: Flow) -> _Problems:
    if not flow.nodes:
        yield "nodes", "expected at least one node"
    elif flow.start not in flow.nodes:
        yield "start", f"there is no node {flow.start!r}"


def _problems_of_nodes(flow: Flow) -> _Problems:
    for name, node in flow.nodes.items():
        for path, message in _node_problems(node, flow):
            yield f"nodes.{name}.{path}", message


def _node_problems(node: Node, flow: Flow) -> _Problems:
    for path, following in _ways(node):
        if following not in flow.nodes:
            yield path, f"there is no node {following!r}"
    for path, text in texts_of(node):
        for place in malformed_in(text):
            yield path, f"{place!r} names no variable: expected {{{{name}}}}"
    if isinstance(node, SayNode | AskNode) and not node.text.strip():
        yield "text", "expected something to say"
    yield from _condition_problems(node)
    if isinstance(node, TalkNode):
        yield from _talk_problems(node)
    for path, variable in _variables(node):
        if not _VARIABLE.fullmatch(variable):
            yield path, f"{variable!r} is no name for a variable"
    if isinstance(node, AskNode):
        if node.attempts < 1:
            yield "attempts", f"expected at least 1, got {node.attempts}"
        yield from _expectation_problems(node.expect)
        yield from _answer_problems(node)


def _ways(node: Node) -> Iterator[tuple[str, str]]:
    """Where a node leads: the field that says so, and the next node's name."""
    if isinstance(node, SayNode | SetNode):
        yield "next", node.next
    elif isinstance(node, TalkNode):
        for name, way in node.ways.items():
            yield f"ways.{name}.next", way.next
    elif isinstance(node, AskNode | BranchNode):
        if isinstance(node, BranchNode):
            for index, condition in enumerate(node.conditions):
                yield f"conditions.{index}.next", condition.next
        for value, following in node.branches.items():
            yield f"branches.{value}", following
        if node.otherwise is not None:
            yield "otherwise", node.otherwise
        if isinstance(node, AskNode) and node.next is not None:
            yield "next", node.next


def texts_of(node: Node) -> Iterator[tuple[str, str]]:
    """The templates of a node: the field, and its text."""
    match node:
        case SayNode(text=text):
            yield "text", text
        case AskNode(text=text, retry_text=retry_text):
            yield "text", text
            yield "retry_text", retry_text or ""
        case TalkNode(text=text, prompt=prompt):
            yield "text", text
            yield "prompt", prompt
        case SetNode(value=str(value)):
            yield "value", value
        case EndNode(text=text, outcome=outcome):
            yield "text", text
            yield "outcome", outcome or ""
        case _:
            pass


def _variables(node: Node) -> Iterator[tuple[str, str]]:
    if isinstance(node, SetNode) or (isinstance(node, BranchNode) and node.branches):
        yield "variable", node.variable
    elif isinstance(node, TalkNode):
        for name, way in node.ways.items():
            for variable in way.collect:
                yield f"ways.{name}.collect.{variable}", variable
    elif isinstance(node, AskNode) and node.save_as is not None:
        yield "save_as", node.save_as


def _condition_problems(node: Node) -> _Problems:
    conditions: list[tuple[str, str]] = []
    if isinstance(node, BranchNode):
        conditions = [
            (f"conditions.{index}.when", condition.when)
            for index, condition in enumerate(node.conditions)
        ]
        if not node.branches and not node.conditions:
            yield "conditions", "expected conditions or branches"
    elif isinstance(node, TalkNode):
        conditions = [
            (f"ways.{name}.condition", way.condition)
            for name, way in node.ways.items()
            if way.condition
        ]
    for path, text in conditions:
        try:
            parse(text)
        except BadExpression as problem:
            yield path, str(problem)


def _talk_problems(node: TalkNode) -> _Problems:
    if not node.prompt.strip():
        yield "prompt", "expected what the model is to do here"
    if not node.ways:
        yield "ways", "expected at least one way on"
    for name, way in node.ways.items():
        if not _WAY.fullmatch(name):
            yield f"ways.{name}", "expected a name of letters, digits, _ and -, at most 64"
        if not (way.when.strip() or way.condition or way.collect):
            yield f"ways.{name}.when", "expected when to take it"
        if len(json.dumps(way.collect)) > LARGEST_COLLECT:
            yield f"ways.{name}.collect", f"expected at most {LARGEST_COLLECT} characters of JSON"


def _anywhere_problems(flow: Flow) -> _Problems:
    for name, way in flow.anywhere.items():
        if not _WAY.fullmatch(name):
            yield f"anywhere.{name}", "expected a name of letters, digits, _ and -, at most 64"
        if way.next not in flow.nodes:
            yield f"anywhere.{name}.next", f"there is no node {way.next!r}"
        if not way.phrases and not way.when.strip():
            yield f"anywhere.{name}", "expected phrases, or when to take it"
        for index, phrase in enumerate(way.phrases):
            if not words_of(phrase):
                yield f"anywhere.{name}.phrases.{index}", f"expected words, got {phrase!r}"


def _expectation_problems(expect: Expectation) -> _Problems:
    if expect.type == "number":
        if not 0 <= expect.minimum <= LARGEST:
            yield "expect.minimum", f"expected 0 to {LARGEST}, got {expect.minimum}"
        if not expect.minimum <= expect.maximum <= LARGEST:
            yield (
                "expect.maximum",
                f"expected {expect.minimum} to {LARGEST}, got {expect.maximum}",
            )
    if expect.length is not None and not 1 <= expect.length <= MOST_DIGITS:
        yield "expect.length", f"expected 1 to {MOST_DIGITS}, got {expect.length}"
    if expect.type == "keywords":
        yield from _keyword_problems(expect)
    elif expect.keywords:
        yield "expect.keywords", f"an answer of type {expect.type} has no keywords"


def _keyword_problems(expect: Expectation) -> _Problems:
    if not expect.keywords:
        yield "expect.keywords", "expected at least one keyword"
    meanings: dict[tuple[str, ...], str] = {}
    for index, item in enumerate(expect.keywords):
        path = f"expect.keywords.{index}"
        if not item.value.strip():
            yield f"{path}.value", "expected a value"
        if not item.phrases:
            yield f"{path}.phrases", "expected at least one phrase"
        for place, phrase in enumerate(item.phrases):
            words = words_of(phrase)
            if not words:
                yield f"{path}.phrases.{place}", f"expected words, got {phrase!r}"
            elif meanings.setdefault(words, item.value) != item.value:
                message = f"{phrase!r} already means {meanings[words]!r}"
                yield f"{path}.phrases.{place}", message


def _answer_problems(node: AskNode) -> _Problems:
    """Every value an answer can have needs a way on, and every branch a value."""
    values = _values(node.expect)
    for branch in node.branches:
        if not _can_be(node.expect, branch):
            yield f"branches.{branch}", f"an answer of type {node.expect.type} is never {branch!r}"
    if node.next is None and (values is None or set(values) - set(node.branches)):
        missing = (
            "other answers"
            if values is None
            else ", ".join(value for value in values if value not in node.branches)
        )
        yield "next", f"expected where to go on for {missing}"


def _values(expect: Expectation) -> tuple[str, ...] | None:
    """All values an answer can have, where they can be told."""
    match expect.type:
        case "yes_no":
            return ("yes", "no")
        case "keywords":
            return tuple(item.value for item in expect.keywords)
        case "number" if expect.maximum - expect.minimum <= LARGEST:
            return tuple(str(value) for value in range(expect.minimum, expect.maximum + 1))
        case _:
            return None


def _can_be(expect: Expectation, value: str) -> bool:
    match expect.type:
        case "yes_no" | "keywords":
            return value in (_values(expect) or ())
        case "number":
            return value.isdecimal() and expect.minimum <= int(value) <= expect.maximum
        case "date":
            return _DAY.fullmatch(value) is not None
        case "digits":
            whole = value.isdigit() and value.isascii()
            return whole and expect.length in (None, len(value))
        case "anything":
            return True


def _by_itself(node: Node) -> set[str]:
    """Where a node can lead before anybody has said anything."""
    match node:
        case AskNode():
            return set()
        case TalkNode():
            return {way.next for way in node.ways.values() if way.condition}
        case _:
            return {following for _, following in _ways(node)}


_Ways = dict[str, set[str]]
"""Where each node leads."""


def _path_problems(flow: Flow) -> _Problems:
    """Ways through the flow as a whole: can it end, and can it go on for ever by itself?"""
    ways = {
        name: {following for _, following in _ways(node) if following in flow.nodes}
        for name, node in flow.nodes.items()
    }
    for name, node in flow.nodes.items():
        if isinstance(node, AskNode | TalkNode):
            ways[name] |= {way.next for way in flow.anywhere.values()} & set(flow.nodes)
    ends = [name for name, node in flow.nodes.items() if isinstance(node, EndNode)]
    ending = _reached_from(ends, _turned_round(ways))
    for name in _reached_from([flow.start] if flow.start in ways else [], ways):
        if name not in ending:
            yield f"nodes.{name}", "no end can be reached from here"
    by_itself = {name: _by_itself(node) & set(flow.nodes) for name, node in flow.nodes.items()}
    circling = _without_dead_ends(_turned_round(_without_dead_ends(by_itself)))
    for name in flow.nodes:
        if name in circling:
            yield f"nodes.{name}", "goes round in a circle without asking anything"


def _reached_from(starts: list[str], ways: _Ways) -> dict[str, None]:
    """The nodes and all they lead to, in the order they are met."""
    reached = dict.fromkeys(starts)
    waiting = list(reached)
    while waiting:
        for following in sorted(ways[waiting.pop()]):
            if following not in reached:
                reached[following] = None
                waiting.append(following)
    return reached


def _turned_round(ways: _Ways) -> _Ways:
    """The same ways, walked backwards."""
    back: _Ways = {name: set() for name in ways}
    for name, following in ways.items():
        for after in following:
            back[after].add(name)
    return back


def _without_dead_ends(ways: _Ways) -> _Ways:
    """The nodes from which one can walk for ever."""
    back = _turned_round(ways)
    left = {name: len(following) for name, following in ways.items()}
    dead = [name for name, count in left.items() if count == 0]
    for name in dead:  # grows while it is walked through
        for before in back[name]:
            left[before] -= 1
            if left[before] == 0:
                dead.append(before)
    alive = set(ways) - set(dead)
    return {name: ways[name] & alive for name in ways if name in alive}
