"""Which variables an agent uses that nothing but the call itself can give a value.

No error: a call may bring them along. But one that nobody ever sets is said as nothing at all.
"""

from collections.abc import Iterator, Mapping

from strowger.agent import AgentDefinition, AskNode, Scalar, SetNode, TalkNode
from strowger.conversation.flow_rules import texts_of
from strowger.conversation.template import ALWAYS_PRESENT, names_in
from strowger.errors import FieldProblem


def unknown_variables(definition: AgentDefinition) -> tuple[FieldProblem, ...]:
    """Each place where a variable is used that the agent itself never sets."""
    known = {*ALWAYS_PRESENT, *definition.default_variables, *_set_by_flow(definition)}
    return tuple(
        FieldProblem(path, f"nothing sets {{{{{name}}}}} unless the call does")
        for path, text in _texts(definition)
        for name in names_in(text)
        if name not in known
    )


def _texts(definition: AgentDefinition) -> Iterator[tuple[str, str]]:
    yield "prompt", definition.prompt
    yield "first_message", definition.first_message
    yield "voicemail.message", definition.voicemail.message
    if (service := definition.speech_to_speech) is not None:
        yield from _texts_for("speech_to_speech", service.variables)
        for place, fallback in enumerate(service.fallbacks):
            yield from _texts_for(f"speech_to_speech.fallbacks.{place}", fallback.variables)
    if definition.flow is not None:
        for name, node in definition.flow.nodes.items():
            for field, text in texts_of(node):
                yield f"flow.nodes.{name}.{field}", text


def _texts_for(service: str, variables: Mapping[str, Scalar]) -> Iterator[tuple[str, str]]:
    for name, value in variables.items():
        if isinstance(value, str):
            yield f"{service}.variables.{name}", value


def _set_by_flow(definition: AgentDefinition) -> Iterator[str]:
    nodes = {} if definition.flow is None else definition.flow.nodes
    for node in nodes.values():
        if isinstance(node, SetNode):
            yield node.variable
        elif isinstance(node, AskNode) and node.save_as is not None:
            yield node.save_as
        elif isinstance(node, TalkNode):
            for way in node.ways.values():
                yield from way.collect
