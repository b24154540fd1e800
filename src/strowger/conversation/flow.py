"""A scripted conversation: walks the graph of a flow by the answers the callee gives.

Needs no language model: the same answers always lead the same way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from strowger.agent import AskNode, BranchNode, EndNode, Flow, SayNode, Scalar, SetNode
from strowger.conversation.answers import recognise, recognise_digits
from strowger.conversation.dialogue import Message
from strowger.conversation.flow_rules import validate_flow
from strowger.conversation.phrases import NOT_UNDERSTOOD
from strowger.conversation.responder import Response
from strowger.conversation.spoken_dates import today_from
from strowger.conversation.template import render, render_speech

__all__ = ["FlowRunner", "validate_flow"]


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

    def __init__(self, flow: Flow, variables: Mapping[str, Scalar]) -> None:
        self._flow = flow
        self._place = self._before = _Place(flow.start, variables)

    @property
    def drafts(self) -> bool:
        return False

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
        assert isinstance(node, AskNode), "answers come to questions"
        value = self._value(node, text, digits)
        if value is None:
            return self._misunderstood(node)
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
        return self._ask(node, node.text) if isinstance(node, AskNode) else Response()

    def are_you_there(self, before: int) -> Response:
        return self.repeat()

    def instructions(self) -> tuple[Message, ...]:
        return ()

    @property
    def _node(self) -> SayNode | AskNode | SetNode | BranchNode | EndNode:
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
                    value = render("{{value}}", {"value": place.variables.get(node.variable)})
                    self._place = place.at(node.branches.get(value, node.otherwise))
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
        return Response(texts=(render_speech(text, self._place.variables),), expect=node.expect)
