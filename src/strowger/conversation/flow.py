"""A scripted conversation: walks the graph of a flow by the answers the callee gives.

The same answers always lead the same way, but where the flow has the language model talk: there the
model chooses among the ways on, and among nothing else.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from strowger.agent import (
    AgentDefinition,
    AskNode,
    BranchNode,
    EndNode,
    Flow,
    SayNode,
    Scalar,
    SetNode,
    TalkNode,
    Way,
)
from strowger.conversation.answers import recognise, recognise_digits, words_of
from strowger.conversation.dialogue import Message, OfferedTool, Role
from strowger.conversation.expressions import holds, parse
from strowger.conversation.flow_rules import validate_flow
from strowger.conversation.phrases import ARE_YOU_THERE, NOT_UNDERSTOOD, SAY_IT_AGAIN
from strowger.conversation.responder import Response
from strowger.conversation.spoken_dates import today_from
from strowger.conversation.template import render, render_speech

__all__ = ["FlowRunner", "needs_model", "validate_flow"]


def needs_model(definition: AgentDefinition) -> bool:
    """Whether an agent asks a language model at all."""
    flow = definition.flow
    return flow is None or any(isinstance(node, TalkNode) for node in flow.nodes.values())


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the flow the conversation stands."""

    node: str
    variables: Mapping[str, Scalar]
    changed: Mapping[str, Scalar] = field(default_factory=dict)
    """The variables that the conversation itself has set."""
    misunderstood: int = 0
    """Answers to the question of this node that were none."""
    outcome: str | None = None

    def at(self, node: str) -> "_Place":
        return replace(self, node=node, misunderstood=0)

    def keep(self, variable: str, value: Scalar) -> "_Place":
        return replace(
            self,
            variables={**self.variables, variable: value},
            changed={**self.changed, variable: value},
        )


class FlowRunner:
    """Answers the callee from a flow that `validate_flow` has found sound."""

    def __init__(self, flow: Flow, variables: Mapping[str, Scalar], prompt: str = "") -> None:
        """`prompt` is what the language model is told at every node that it leads."""
        self._flow = flow
        self._prompt = prompt
        self._place = self._before = _Place(flow.start, variables)

    @property
    def drafts(self) -> bool:
        return isinstance(self._node, TalkNode)

    @property
    def drafts_again(self) -> bool:
        return self.drafts and self._before is self._place

    @property
    def ways(self) -> tuple[OfferedTool, ...]:
        node = self._node
        if not isinstance(node, TalkNode):
            return ()
        own = [
            OfferedTool(
                name=name,
                description=way.when or f"Go on to {way.next}.",
                parameters=_collected(way),
            )
            for name, way in node.ways.items()
            if way.when or way.collect
        ]
        anywhere = [
            OfferedTool(
                name=name, description=way.when, parameters={"type": "object", "properties": {}}
            )
            for name, way in self._flow.anywhere.items()
            if way.when and name not in node.ways
        ]
        return (*own, *anywhere)

    @property
    def tools(self) -> tuple[str, ...] | None:
        node = self._node
        return node.tools if isinstance(node, TalkNode) else ()

    def follow(self, way: str, arguments: Mapping[str, object]) -> Response:
        """Keep what was collected, and go on."""
        self._before = self._place
        node, place = self._node, self._place
        taken = node.ways.get(way) if isinstance(node, TalkNode) else None
        for name in taken.collect if taken is not None else ():
            if name in arguments:
                place = place.keep(name, _scalar(arguments[name]))
        following = taken.next if taken is not None else self._flow.anywhere[way].next
        self._place = place.at(following)
        return self._walk()

    @property
    def outcome(self) -> str | None:
        return self._place.outcome

    @property
    def extracted(self) -> Mapping[str, Scalar]:
        return dict(self._place.changed)

    def open(self) -> Response:
        self._before = self._place
        return self._walk()

    def answer(self, text: str, digits: str) -> Response:
        """Go on by what was said or, where digits were pressed, by those."""
        self._before = self._place
        node = self._node
        if isinstance(node, TalkNode):
            return self._talk(node)
        assert isinstance(node, AskNode), "answers come to questions"
        value = self._value(node, text, digits)
        if value is None:
            elsewhere = self._anywhere(text)
            if elsewhere is None:
                return self._misunderstood(node)
            self._place = self._place.at(elsewhere)
            return self._walk()
        place = self._place if node.save_as is None else self._place.keep(node.save_as, value)
        following = node.branches.get(str(value), node.next)
        assert following is not None, "a sound flow leads on from every answer"
        self._place = place.at(following)
        return self._walk()

    def not_understood(self) -> Response:
        """The callee said something without words in it: ask again, as often as the node allows."""
        self._before = self._place
        node = self._node
        return self._misunderstood(node) if isinstance(node, AskNode) else Response()

    def take_back(self) -> None:
        """The callee was not done: forget the last answer, another will come in its place."""
        self._place = self._before

    def repeat(self) -> Response:
        """Ask the same question again."""
        node = self._node
        match node:
            case AskNode():
                return self._ask(node, node.text)
            case TalkNode():
                return Response(texts=(SAY_IT_AGAIN,), turn_taking=node.turn_taking)
            case _:
                return Response()

    def are_you_there(self, before: int) -> Response:
        node = self._node
        if isinstance(node, TalkNode):
            return Response(texts=(ARE_YOU_THERE,), turn_taking=node.turn_taking)
        return self.repeat()

    def instructions(self) -> tuple[Message, ...]:
        node = self._node
        if not isinstance(node, TalkNode):
            return ()
        texts = (render(text, self._place.variables) for text in (self._prompt, node.prompt))
        told = "\n\n".join(text for text in texts if text.strip())
        return (Message(Role.SYSTEM, told),) if told else ()

    def _anywhere(self, text: str) -> str | None:
        """Where a phrase leads that is understood at every node."""
        said = f" {' '.join(words_of(text))} "
        for way in self._flow.anywhere.values():
            if any(f" {' '.join(words_of(phrase))} " in said for phrase in way.phrases):
                return way.next
        return None

    def _talk(self, node: TalkNode) -> Response:
        return Response(generate=True, turn_taking=node.turn_taking)

    @property
    def _node(self) -> SayNode | AskNode | TalkNode | SetNode | BranchNode | EndNode:
        return self._flow.nodes[self._place.node]

    def _value(self, node: AskNode, text: str, digits: str) -> Scalar:
        if digits:
            return recognise_digits(node.expect, digits)
        return recognise(node.expect, text, today=today_from(self._place.variables.get("now")))

    def _misunderstood(self, node: AskNode) -> Response:
        missed = self._place.misunderstood + 1
        if missed < node.attempts:
            self._place = replace(self._place, misunderstood=missed)
            response = self._ask(node, node.retry_text or node.text)
        elif node.otherwise is None:
            response = Response(texts=(NOT_UNDERSTOOD,), ends=True)
        else:
            self._place = self._place.at(node.otherwise)
            response = self._walk()
        return replace(response, understood=False)

    def _walk(self) -> Response:
        """Go on to the next node that needs the callee, or to the end; say what is on the way."""
        texts: list[str] = []
        while True:
            place, node = self._place, self._node
            match node:
                case SayNode():
                    texts.append(render_speech(node.text, place.variables))
                    self._place = place.at(node.next)
                case SetNode(variable=variable, value=value):
                    if isinstance(value, str):
                        value = render(value, place.variables)
                    self._place = place.keep(variable, value).at(node.next)
                case BranchNode():
                    self._place = place.at(_branch(node, place.variables))
                case TalkNode():
                    following = _by_condition(node, place.variables)
                    if following is None:
                        return self._begin_to_talk(node, texts)
                    self._place = place.at(following)
                case AskNode():
                    question = self._ask(node, node.text)
                    return replace(question, texts=(*texts, *question.texts))
                case EndNode():
                    texts.append(render_speech(node.text, place.variables))
                    outcome = node.outcome and render(node.outcome, place.variables)
                    self._place = replace(place, outcome=outcome)
                    return Response(texts=tuple(texts), ends=True)
                case _:
                    assert_never(node)

    def _ask(self, node: AskNode, text: str) -> Response:
        spoken = render_speech(text, self._place.variables)
        return Response(texts=(spoken,), expect=node.expect, turn_taking=node.turn_taking)

    def _begin_to_talk(self, node: TalkNode, texts: list[str]) -> Response:
        """What was on the way, then the node's own words, or the model's where it has none."""
        own = render_speech(node.text, self._place.variables) if node.text else ""
        said = (*texts, own) if own else tuple(texts)
        return Response(texts=said, generate=not own, turn_taking=node.turn_taking)


def _branch(node: BranchNode, variables: Mapping[str, Scalar]) -> str:
    for condition in node.conditions:
        if holds(parse(condition.when), variables):
            return condition.next
    if not node.branches:
        return node.otherwise
    value = render("{{value}}", {"value": variables.get(node.variable)})
    return node.branches.get(value, node.otherwise)


def _by_condition(node: TalkNode, variables: Mapping[str, Scalar]) -> str | None:
    """Where the variables lead by themselves, before anything is said."""
    for way in node.ways.values():
        if way.condition and holds(parse(way.condition), variables):
            return way.next
    return None


def _collected(way: Way) -> Mapping[str, object]:
    return {
        "type": "object",
        "properties": dict(way.collect),
        "required": list(way.collect),
    }


def _scalar(value: object) -> Scalar:
    """As a variable holds it; what has parts is kept as JSON."""
    return value if isinstance(value, Scalar) else json.dumps(value, ensure_ascii=False)
