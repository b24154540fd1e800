"""What is wrong with the tools of an agent, field by field."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain

from strowger.agent import (
    DigitsTool,
    EndCallTool,
    HandoffTool,
    HttpTool,
    McpTool,
    Progress,
    Tool,
    TransferTool,
    VoicemailTool,
)
from strowger.calls.numbers import destination_problem
from strowger.conversation.places import leads_elsewhere, malformed_places, places_in, texts_within

MOST_TOOLS = 64
MOST_TARGETS = 50
MOST_HEADERS = 50
LARGEST_JSON = 16_384
"""Characters of a schema or of a body."""
LONGEST_DESCRIPTION = 4096
LONGEST_TEXT = 1000
LONGEST_URL = 2048
MOST_PROGRESS = 10
TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
SERVER_NAME = re.compile(r"[A-Za-z0-9_-]{1,24}")
SECRET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
OURS = frozenset({
    "host", "content-length", "transfer-encoding", "connection", "idempotency-key", "upgrade",
})  # fmt: skip
"""Headers that a tool cannot set."""
DEADLINES = (0.5, 60.0)
"""Seconds."""
PROGRESS = {"after": (0.2, 30.0), "every": (1.0, 60.0)}

_Problems = Iterator[tuple[str, str]]
"""Dotted path below the tool, message."""


def tool_problems(tools: tuple[Tool, ...]) -> _Problems:
    """(path, message) for everything that is wrong."""
    if len(tools) > MOST_TOOLS:
        yield "tools", f"expected at most {MOST_TOOLS} tools, got {len(tools)}"
        return
    names: set[str] = set()
    for index, tool in enumerate(tools):
        for path, message in _one(tool):
            yield f"tools.{index}.{path}", message
        if tool.name in names:
            yield f"tools.{index}.name", f"there is another tool {tool.name}"
        names.add(tool.name)


def _one(tool: Tool) -> _Problems:
    pattern = SERVER_NAME if isinstance(tool, McpTool) else TOOL_NAME
    if not pattern.fullmatch(tool.name):
        longest = 24 if isinstance(tool, McpTool) else 64
        yield "name", f"expected letters, digits, _ and -, at most {longest}"
    if not isinstance(tool, McpTool):
        if not tool.description.strip():
            yield "description", "expected what the tool does: the model chooses by it"
        elif len(tool.description) > LONGEST_DESCRIPTION:
            yield "description", f"expected at most {LONGEST_DESCRIPTION} characters"
    match tool:
        case HttpTool():
            yield from _http(tool)
        case McpTool():
            yield from _server(tool)
        case TransferTool():
            yield from _transfer(tool)
        case HandoffTool():
            yield from _handoff(tool)
        case EndCallTool():
            yield from _text("message", tool.message)
            if len(set(tool.outcomes)) < len(tool.outcomes) or len(tool.outcomes) > MOST_TARGETS:
                yield "outcomes", f"expected at most {MOST_TARGETS} that differ"
            for index, outcome in enumerate(tool.outcomes):
                if not outcome.strip() or len(outcome) > LONGEST_TEXT:
                    yield f"outcomes.{index}", f"expected 1 to {LONGEST_TEXT} characters"
        case DigitsTool() | VoicemailTool():
            pass


def _http(tool: HttpTool) -> _Problems:
    yield from _url(tool.url, kinds={"arguments", "variable", "secrets"})
    yield from _headers(tool.headers, kinds={"arguments", "variable", "secrets"})
    if len(tool.query) > MOST_HEADERS:
        yield "query", f"expected at most {MOST_HEADERS}"
    for name, text in tool.query.items():
        yield from _places(f"query.{name}", text)
    yield from _json("parameters", tool.parameters)
    if tool.parameters.get("type", "object") != "object":
        yield "parameters.type", "expected the schema of an object"
    if tool.body is not None:
        yield from _json("body", tool.body)
        for text in texts_within(tool.body):
            yield from _places("body", text)
    if tool.signature is not None:
        yield from _header_name("signature.header", tool.signature.header)
        if not SECRET_NAME.fullmatch(tool.signature.secret):
            yield "signature.secret", "expected the name of a secret"
    yield from _deadline(tool.deadline)
    yield from _progress(tool.progress)


def _server(tool: McpTool) -> _Problems:
    yield from _url(tool.url, kinds={"secrets"})
    yield from _headers(tool.headers, kinds={"secrets"})
    yield from _deadline(tool.deadline)
    yield from _progress(tool.progress)
    if len(tool.tools) > MOST_TOOLS:
        yield "tools", f"expected at most {MOST_TOOLS} names"


def _transfer(tool: TransferTool) -> _Problems:
    yield from _text("message", tool.message)
    yield from _deadline(tool.deadline)
    yield from _targets("targets", [target.name for target in tool.targets])
    for index, target in enumerate(tool.targets[:MOST_TARGETS]):
        problem = destination_problem(target.to)
        if problem is not None:
            yield f"targets.{index}.to", problem
        yield from _text(f"targets.{index}.description", target.description)


def _handoff(tool: HandoffTool) -> _Problems:
    yield from _targets("agents", [target.name for target in tool.agents])
    for index, target in enumerate(tool.agents[:MOST_TARGETS]):
        if not TOOL_NAME.fullmatch(target.agent_id):
            yield f"agents.{index}.agent_id", "expected the id of an agent"
        yield from _text(f"agents.{index}.description", target.description)


def _targets(path: str, names: list[str]) -> _Problems:
    if not 1 <= len(names) <= MOST_TARGETS:
        yield path, f"expected 1 to {MOST_TARGETS}, got {len(names)}"
        return
    for index, name in enumerate(names):
        if not name.strip() or len(name) > 64:
            yield f"{path}.{index}.name", "expected 1 to 64 characters"
        elif name in names[:index]:
            yield f"{path}.{index}.name", f"there is another {name}"


def _url(url: str, *, kinds: set[str]) -> _Problems:
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or "#" in url:
        yield "url", f"expected ASCII without a #fragment, at most {LONGEST_URL} characters"
    elif leads_elsewhere(url):
        yield "url", "expected http(s)://host/…, with nothing to fill in before the path"
    elif "@" in url.split("/")[2]:
        yield "url", "expected a URL without user name and password: use a header and a secret"
    else:
        yield from _places("url", url, kinds=kinds)


def _headers(headers: Mapping[str, str], *, kinds: set[str]) -> _Problems:
    if len(headers) > MOST_HEADERS:
        yield "headers", f"expected at most {MOST_HEADERS}"
    for name, text in headers.items():
        yield from _header_name(f"headers.{name}", name)
        if not text.isascii() or not text.isprintable():
            yield f"headers.{name}", "expected printable ASCII"
        yield from _places(f"headers.{name}", text, kinds=kinds)


def _header_name(path: str, name: str) -> _Problems:
    if not HEADER_NAME.fullmatch(name):
        yield path, "this is no name of a header"
    elif name.lower() in OURS:
        yield path, "this header is not yours to set"


def _places(path: str, text: str, *, kinds: set[str] | None = None) -> _Problems:
    for place in malformed_places(text):
        yield (
            path,
            f"{place!r} is none of {{{{variable}}}}, {{{{arguments.name}}}}, {{{{secrets.NAME}}}}",
        )
    for kind, name in places_in(text):
        if kinds is not None and kind not in kinds:
            yield path, f"{name}: only secrets can be filled in here"


def _json(path: str, value: Mapping[str, object]) -> _Problems:
    if len(json.dumps(value)) > LARGEST_JSON:
        yield path, f"expected at most {LARGEST_JSON} characters of JSON"


def _deadline(seconds: float) -> _Problems:
    least, most = DEADLINES
    if not least <= seconds <= most:  # false for NaN as well
        yield "deadline", f"expected {least:g} to {most:g}, got {seconds:.12g}"


def _progress(progress: Progress) -> _Problems:
    for name, (least, most) in PROGRESS.items():
        seconds = progress.after if name == "after" else progress.every
        if not least <= seconds <= most:
            yield f"progress.{name}", f"expected {least:g} to {most:g}, got {seconds:.12g}"
    if len(progress.texts) > MOST_PROGRESS:
        yield "progress.texts", f"expected at most {MOST_PROGRESS}"
    for index, text in enumerate(progress.texts):
        if not any(letter.isalnum() for letter in text):
            yield f"progress.texts.{index}", "expected something to say"
    yield from chain.from_iterable(
        _text(f"progress.texts.{index}", text) for index, text in enumerate(progress.texts)
    )


def _text(path: str, text: str) -> _Problems:
    if len(text) > LONGEST_TEXT:
        yield path, f"expected at most {LONGEST_TEXT} characters, got {len(text)}"
