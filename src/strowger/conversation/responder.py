"""What the agent answers: from a flow, or from a language model.

The conversation decides when somebody speaks; a responder decides what the agent says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from strowger.agent import AgentDefinition, Expectation, Scalar, TurnOverride
from strowger.conversation.dialogue import Message, OfferedTool, Role
from strowger.conversation.phrases import ARE_YOU_THERE, SAY_IT_AGAIN
from strowger.conversation.template import render, render_speech


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The agent's next turn. Without texts and without a model's reply the agent stays silent."""

    texts: tuple[str, ...] = ()
    expect: Expectation | None = None
    """The answers it leads to; None for any."""
    ends: bool = False
    """Whether the agent hangs up when it has been heard."""
    understood: bool = True
    """Whether what the callee said was an answer."""
    generate: bool = False
    """Whether the language model is to be asked for it."""
    turn_taking: TurnOverride | None = None
    """How turns are taken until the next response."""


class Responder(Protocol):
    @property
    def drafts(self) -> bool:
        """Whether the model answers what is said next, so that a reply can be begun early."""

    @property
    def drafts_again(self) -> bool:
        """The same of words that go on with those answered last."""

    @property
    def outcome(self) -> str | None: ...
    @property
    def extracted(self) -> Mapping[str, Scalar]:
        """The variables that the conversation has set."""

    @property
    def ways(self) -> tuple[OfferedTool, ...]:
        """Ways on that the model may take, offered to it as tools."""

    @property
    def tools(self) -> tuple[str, ...] | None:
        """Which of the agent's tools the model has now; None for all."""

    def follow(self, way: str, arguments: Mapping[str, object]) -> Response:
        """The model takes one of the ways."""

    def open(self) -> Response:
        """The agent's first turn."""

    def answer(self, text: str, digits: str) -> Response: ...

    def not_understood(self) -> Response:
        """The callee spoke, but there were no words in it."""

    def take_back(self) -> None:
        """Undo the last answer: the callee was not done speaking."""

    def repeat(self) -> Response:
        """Say again what the callee is to answer."""

    def are_you_there(self, before: int) -> Response:
        """Break a silence, that has been broken so often `before`."""

    def instructions(self) -> tuple[Message, ...]:
        """What a language model is told before the dialogue."""


class ModelResponder:
    """Has the language model answer everything but the greeting."""

    def __init__(self, definition: AgentDefinition, variables: Mapping[str, Scalar]) -> None:
        self._greeting = render_speech(definition.first_message, variables)
        self._prompt = render(definition.prompt, variables)
        self._reprompts = tuple(
            render_speech(text, variables) for text in definition.turn_taking.reprompts
        )

    @property
    def drafts(self) -> bool:
        return True

    @property
    def drafts_again(self) -> bool:
        return True

    @property
    def ways(self) -> tuple[OfferedTool, ...]:
        return ()

    @property
    def tools(self) -> tuple[str, ...] | None:
        return None

    def follow(self, way: str, arguments: Mapping[str, object]) -> Response:
        return Response(generate=True)

    @property
    def outcome(self) -> str | None:
        return None

    @property
    def extracted(self) -> Mapping[str, Scalar]:
        return {}

    def open(self) -> Response:
        return Response(texts=(self._greeting,)) if self._greeting else Response(generate=True)

    def answer(self, text: str, digits: str) -> Response:
        return Response(generate=True)

    def not_understood(self) -> Response:
        return Response()

    def take_back(self) -> None:
        """The dialogue is kept by what was heard; nothing else has to be undone."""

    def repeat(self) -> Response:
        return Response(texts=(SAY_IT_AGAIN,))

    def are_you_there(self, before: int) -> Response:
        texts = self._reprompts or (ARE_YOU_THERE,)
        return Response(texts=(texts[min(before, len(texts) - 1)],))

    def instructions(self) -> tuple[Message, ...]:
        return (Message(Role.SYSTEM, self._prompt),) if self._prompt else ()
