"""What an agent may do on a call besides talking. Only what stands here can happen: the model
chooses among these, it never names an address or a number of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from strowger.agent.tagged import STRICT, OneOfByType

NO_PARAMETERS: Mapping[str, object] = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What the agent says while a tool takes its time."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    after: float = 1.5
    """Seconds of silence before the first of `texts`."""
    every: float = 6.0
    """Seconds of silence before each further one."""
    texts: tuple[str, ...] = ("One moment, please.", "I'm still on it, thanks for waiting.")
    """Said one after another, the last one again and again; none to wait in silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodySignature:
    """A header by which your server knows that a request is an agent's of yours."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    header: str
    """Its value is the HMAC-SHA256 of the body as it is sent, in base64."""
    secret: str
    """The name of the secret that holds the key, in base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTool:
    """A request to a server of yours. Its answer goes to the language model."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    type: Literal["http"]
    """Tells the kinds of tool apart."""
    name: str
    """What the model calls it: letters, digits, `_` and `-`."""
    description: str
    """When to use it, and what comes of it; for the model to read."""
    url: str
    """May hold `{{arguments.name}}`, `{{variable}}` and `{{secrets.NAME}}`, but not in its host."""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    """GET and DELETE send no body."""
    parameters: Mapping[str, object] = field(default_factory=lambda: dict(NO_PARAMETERS))
    """JSON schema of the arguments; what the model writes is held against it first."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """May hold the same places as `url`."""
    query: Mapping[str, str] = field(default_factory=dict)
    """Added to the URL; may hold the same places. One that is empty is left out."""
    body: Mapping[str, object] | None = None
    """JSON whose texts may hold the same places; none sends the arguments as they are. A text that
    is nothing but `{{arguments}}` becomes all of them."""
    signature: BodySignature | None = None
    """Signs the body, of whatever sends one."""
    deadline: float = 10.0
    """Seconds the answer may take; then the model is told that it did not come."""
    progress: Progress = field(default_factory=Progress)
    """What to say meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferTarget:
    """Somebody the callee can be put through to."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    name: str
    """What the model calls it, such as `sales`."""
    to: str
    """E.164 number, or a `sip:` URI."""
    description: str = ""
    """When to choose it; for the model to read."""
    attended: bool = False
    """Whether the agent calls first and tells who answers what it is about, in the model's words;
    the callee is put through after that, and stays with the agent where nobody answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferTool:
    """Put the callee through to somebody else and leave the call (SIP REFER)."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    type: Literal["transfer"]
    """Tells the kinds of tool apart."""
    targets: tuple[TransferTarget, ...]
    """The only ones there are, whatever the model says."""
    name: str = "transfer_call"
    """What the model calls it."""
    description: str = "Put the caller through to somebody else. The call is over for you then."
    """When to use it; for the model to read."""
    message: str = ""
    """What to say before; empty for what the model says."""
    deadline: float = 30.0
    """Seconds it may take to be put through; then the model goes on with the callee."""
    progress: Progress = field(default_factory=lambda: Progress(after=4.0, every=8.0))
    """What to say meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCallTool:
    """Hang up."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    type: Literal["end_call"]
    """Tells the kinds of tool apart."""
    name: str = "end_call"
    """What the model calls it."""
    description: str = "End the call. Say goodbye in the same reply."
    """When to use it; for the model to read."""
    message: str = ""
    """What to say before; empty for what the model says."""
    outcomes: tuple[str, ...] = ()
    """What the call can have come to; the model chooses one as the call's `outcome`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsTool:
    """Press keys: for menus of machines that answer."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    type: Literal["digits"]
    """Tells the kinds of tool apart."""
    name: str = "press_keys"
    """What the model calls it."""
    description: str = "Press keys of the telephone, to choose from an automatic menu."
    """When to use it; for the model to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoicemailTool:
    """Do what the agent's `voicemail` says: the model has understood that a machine answered."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    type: Literal["voicemail"]
    """Tells the kinds of tool apart."""
    name: str = "voicemail_reached"
    """What the model calls it."""
    description: str = "An answering machine or voicemail has answered, not a person."
    """When to use it; for the model to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoffTarget:
    """Another agent that can take over."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    name: str
    """What the model calls it, such as `billing`."""
    agent_id: str
    """The agent; its version at the time it takes over counts."""
    description: str = ""
    """When to choose it; for the model to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoffTool:
    """Another agent goes on with the call: its prompt, flow, tools, model and voice."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    type: Literal["handoff"]
    """Tells the kinds of tool apart."""
    agents: tuple[HandoffTarget, ...]
    """The only ones there are, whatever the model says."""
    name: str = "hand_off"
    """What the model calls it."""
    description: str = "Let another agent go on with this call."
    """When to use it; for the model to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class McpTool:
    """All tools of a Model Context Protocol server (streamable HTTP), or those named."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    type: Literal["mcp"]
    """Tells the kinds of tool apart."""
    name: str
    """Goes before the names of its tools: `name_tool`."""
    url: str
    """May hold `{{secrets.NAME}}`, but not in its host."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """May hold `{{secrets.NAME}}`."""
    tools: tuple[str, ...] = ()
    """Those the agent may use; empty for all."""
    deadline: float = 10.0
    """Seconds each use may take."""
    progress: Progress = field(default_factory=Progress)
    """What to say meanwhile."""


Tool = Annotated[
    HttpTool | TransferTool | EndCallTool | DigitsTool | VoicemailTool | HandoffTool | McpTool,
    OneOfByType(),
]
