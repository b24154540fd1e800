"""Tools used on a customer's server on loopback, over the guarded client that calls use."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network

import pytest

from strowger.agent import BodySignature, HttpTool, McpTool, Scalar
from strowger.errors import ToolFailed
from strowger.model import DEFAULT_WORKSPACE, WorkspaceId
from strowger.ports import Toolbox, ToolContext
from strowger.toolbox.box import GuardedToolboxes
from strowger.webhooks.egress import guarded_client
from tests.webhooks.server import Answer, Endpoint, Received, listening, says

LOOPBACK = (ip_network("127.0.0.0/8"),)
TOOL = HttpTool(type="http", name="book", description="Book.", url="")
SECRET = "k-123456"
SIGNING = base64.b64encode(b"0123456789abcdef").decode()


class FixedSecrets:
    async def secrets(self, workspace: WorkspaceId, names: Sequence[str]) -> Mapping[str, str]:
        known = {"CRM_KEY": SECRET, "BAD": "line\nbreak", "SIGNING": SIGNING}
        return {name: known[name] for name in names if name in known}


def answer(status: int, body: bytes, kind: str = "application/json", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode() + body


@asynccontextmanager
async def at_work(
    reply: Answer, *, networks: tuple[object, ...] = LOOPBACK, **variables: Scalar
) -> AsyncIterator[tuple[Toolbox, Endpoint]]:
    context = ToolContext(workspace_id=DEFAULT_WORKSPACE, variables=variables)
    async with (
        asyncio.timeout(20),
        listening(reply) as endpoint,
        guarded_client(networks) as client,  # type: ignore[arg-type]
        GuardedToolboxes(client, FixedSecrets()).opened(context) as box,
    ):
        yield box, endpoint


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    asyncio.run(main())


def test_places_are_filled_in_wherever_they_stand_and_the_answer_comes_back() -> None:
    async def main() -> None:
        async with at_work(says(answer(200, b'{"table": 4}')), lead="Ann Bee") as (box, server):
            tool = replace(
                TOOL,
                url=f"http://127.0.0.1:{server.port}/tables/{{{{arguments.day}}}}?v=1",
                headers={"Authorization": "Bearer {{secrets.CRM_KEY}}"},
                query={"for": "{{lead}}", "none": "{{nobody}}"},
                body={"guests": "{{arguments.guests}}", "note": "for {{lead}}", "fixed": [1]},
            )
            given = '{"day": "fri/../day", "guests": 2}'
            assert await box.use(tool, "", given, key="call_1-1") == '{"table": 4}'
            (received,) = server.received
        assert received.request_line == ("POST /tables/fri%2F..%2Fday?v=1&for=Ann+Bee HTTP/1.1")
        assert received.headers["authorization"] == f"Bearer {SECRET}"
        assert received.headers["idempotency-key"] == "call_1-1"
        assert json.loads(received.body) == {"guests": 2, "note": "for Ann Bee", "fixed": [1]}

    run(main)


def test_without_a_body_of_its_own_a_tool_sends_its_arguments_and_a_get_sends_none() -> None:
    async def main() -> None:
        async with at_work(says(answer(200, b"ok"))) as (box, server):
            tool = replace(TOOL, url=server.url)
            await box.use(tool, "", '{"day": "friday"}', key="k")
            await box.use(replace(tool, method="GET"), "", '{"day": "friday"}', key="k")
            posted, got = server.received
        assert json.loads(posted.body) == {"day": "friday"}
        assert (got.request_line[:4], got.body) == ("GET ", b"")

    run(main)


def test_a_body_is_signed_as_it_is_sent_and_may_hold_all_arguments() -> None:
    async def main() -> None:
        async with at_work(says(answer(200, b"ok")), call_uuid="0192") as (box, server):
            tool = replace(
                TOOL,
                url=server.url,
                body={"call": "{{call_uuid}}", "payload": "{{arguments}}"},
                signature=BodySignature(header="X-Signature", secret="SIGNING"),
            )
            await box.use(tool, "", '{"day": "friday", "guests": 2}', key="k")
            (received,) = server.received
            unknown = replace(tool, signature=BodySignature(header="X", secret="GONE"))
            with pytest.raises(ToolFailed, match="there is no secret GONE"):
                await box.use(unknown, "", "{}", key="k")
            unfit = replace(tool, signature=BodySignature(header="X", secret="CRM_KEY"))
            with pytest.raises(ToolFailed, match="not base64"):
                await box.use(unfit, "", "{}", key="k")
            assert len(server.received) == 1
        assert json.loads(received.body) == {
            "call": "0192",
            "payload": {"day": "friday", "guests": 2},
        }
        code = hmac.digest(b"0123456789abcdef", received.body, hashlib.sha256)
        assert base64.b64decode(received.headers["x-signature"]) == code

    run(main)


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (answer(500, b"out of tables"), "the server answered 500: out of tables"),
        (answer(401, f"no {SECRET}".encode()), r"the server answered 401: no \*\*\*"),
        (answer(302, b"", location="http://127.0.0.1/other"), "the server answered 302"),
        (answer(200, b"x" * 300_000), "the server answered more than 262144 bytes"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf", "broke off"),
        (b"nonsense\r\n\r\n", "cannot be asked"),
    ],
)
def test_a_server_that_fails_is_told_of_in_words_and_asked_once(reply: bytes, problem: str) -> None:
    async def main() -> None:
        async with at_work(says(reply)) as (box, server):
            tool = replace(TOOL, url=server.url, headers={"x": "{{secrets.CRM_KEY}}"})
            with pytest.raises(ToolFailed, match=problem):
                await box.use(tool, "", "{}", key="k")
            assert len(server.received) == 1

    run(main)


def test_a_server_that_hangs_is_given_up_by_the_deadline() -> None:
    async def hang(received: Received, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async def main() -> None:
        async with at_work(hang) as (box, server):
            with pytest.raises(ToolFailed, match=r"no answer within 0\.2 s"):
                await box.use(replace(TOOL, url=server.url, deadline=0.2), "", "{}", key="k")

    run(main)


def test_an_address_that_customers_may_not_reach_is_not_reached() -> None:
    async def main() -> None:
        async with at_work(says(answer(200, b"ok")), networks=()) as (box, server):
            with pytest.raises(ToolFailed, match="not allowed"):
                await box.use(replace(TOOL, url=server.url), "", "{}", key="k")
            assert server.received == []

    run(main)


def test_a_secret_that_is_missing_or_cannot_stand_in_a_header_stops_the_tool() -> None:
    async def main() -> None:
        async with at_work(says(answer(200, b"ok"))) as (box, server):
            missing = replace(TOOL, url=server.url, headers={"x": "{{secrets.GONE}}"})
            with pytest.raises(ToolFailed, match="there is no secret GONE"):
                await box.use(missing, "", "{}", key="k")
            broken = replace(TOOL, url=server.url, headers={"x": "{{secrets.BAD}}"})
            with pytest.raises(ToolFailed, match="characters no header has"):
                await box.use(broken, "", "{}", key="k")
            assert server.received == []

    run(main)


# ── the Model Context Protocol ───────────────────────────────────────────────────────────────


class McpServer:
    """Speaks as a server of the specification 2025-06-18 does, by JSON or by events."""

    def __init__(self, *, events: bool = False, sessions: bool = True) -> None:
        self.events = events
        self.sessions = sessions
        self.live: set[str] = set()
        self.begun = 0
        self.called: list[dict[str, object]] = []
        self.methods: list[str] = []

    async def __call__(self, received: Received, writer: asyncio.StreamWriter) -> None:
        session = received.headers.get("mcp-session-id", "")
        if received.request_line.startswith("DELETE"):
            self.live.discard(session)
            writer.write(answer(200, b""))
            return
        message = json.loads(received.body)
        self.methods.append(message["method"])
        known = not self.sessions or session in self.live or message["method"] == "initialize"
        if not known:
            writer.write(answer(404, b"no such session"))
            return
        assert received.headers["mcp-protocol-version"] == "2025-06-18"
        if "id" not in message:
            writer.write(answer(202, b""))
            return
        result, headers = self.result(message), {}
        if message["method"] == "initialize" and self.sessions:
            self.begun += 1
            headers = {"mcp_session_id": f"s{self.begun}"}
            self.live.add(f"s{self.begun}")
        reply = {"jsonrpc": "2.0", "id": message["id"], **result}
        if not self.events:
            writer.write(answer(200, json.dumps(reply).encode(), **headers))
            return
        note = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}
        stream = f": hello\r\n\r\nevent: message\ndata: {json.dumps(note)}\n\n"
        stream += f"data: {json.dumps(reply)}\n\n"
        writer.write(answer(200, stream.encode(), "text/event-stream", **headers))

    def result(self, message: dict[str, object]) -> dict[str, object]:
        parameters = message["params"]
        assert isinstance(parameters, dict)
        match message["method"]:
            case "initialize":
                return {"result": {"protocolVersion": "2025-06-18", "capabilities": {}}}
            case "tools/list" if "cursor" not in parameters:
                stock = {"name": "stock", "description": "How many.", "inputSchema": {"a": 1}}
                return {"result": {"tools": [stock, {"name": "no schema"}], "nextCursor": "2"}}
            case "tools/list":
                return {"result": {"tools": [{"name": "buy", "inputSchema": {}}]}}
            case "tools/call" if parameters["name"] == "stock":
                self.called.append(parameters)
                parts = [{"type": "text", "text": "three"}, {"type": "image", "data": ""}]
                return {"result": {"content": parts}}
            case "tools/call" if parameters["name"] == "broken":
                text = [{"type": "text", "text": "out of order"}]
                return {"result": {"content": text, "isError": True}}
            case _:
                return {"error": {"code": -32602, "message": "unknown tool"}}


def server_at(endpoint: Endpoint) -> McpTool:
    return McpTool(
        type="mcp", name="shop", url=endpoint.url, headers={"x-key": "{{secrets.CRM_KEY}}"}
    )


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("sessions", [False, True])
def test_tools_are_found_page_by_page_and_used(events: bool, sessions: bool) -> None:
    async def main() -> None:
        mcp = McpServer(events=events, sessions=sessions)
        async with at_work(mcp) as (box, endpoint):
            server = server_at(endpoint)
            found = await box.find(server)
            assert [(tool.name, tool.description) for tool in found] == [
                ("stock", "How many."), ("buy", ""),
            ]  # fmt: skip
            assert json.loads(found[0].parameters) == {"a": 1}
            assert await box.use(server, "stock", '{"item": "tea"}', key="k-1") == "three"
            assert mcp.called == [
                {
                    "name": "stock",
                    "arguments": {"item": "tea"},
                    "_meta": {"idempotencyKey": "k-1"},
                }
            ]
            assert {one.headers["x-key"] for one in endpoint.received} == {SECRET}
        assert mcp.methods.count("initialize") == 1
        assert mcp.live == set(), "the session ends with the call"

    run(main)


def test_a_tool_that_reports_an_error_or_is_not_there_has_failed() -> None:
    async def main() -> None:
        async with at_work(McpServer()) as (box, endpoint):
            server = server_at(endpoint)
            with pytest.raises(ToolFailed, match="out of order"):
                await box.use(server, "broken", "{}", key="k")
            with pytest.raises(ToolFailed, match="unknown tool"):
                await box.use(server, "gone", "{}", key="k")

    run(main)


def test_a_session_that_the_server_has_forgotten_is_begun_again() -> None:
    async def main() -> None:
        mcp = McpServer()
        async with at_work(mcp) as (box, endpoint):
            server = server_at(endpoint)
            await box.find(server)
            mcp.live.clear()
            assert await box.use(server, "stock", "{}", key="k") == "three"
            assert (mcp.begun, len(mcp.called)) == (2, 1)

    run(main)


@pytest.mark.parametrize(
    "reply",
    [
        answer(200, b"not JSON"),
        answer(200, b'{"jsonrpc": "2.0", "id": 99, "result": {}}'),
        answer(200, b'{"jsonrpc": "2.0", "id": 1}'),
        answer(200, b"[]"),
        answer(200, b"data: {}\n\n", "text/event-stream"),
        answer(500, b"broken"),
    ],
)
def test_a_server_that_does_not_speak_the_protocol_has_failed(reply: bytes) -> None:
    async def main() -> None:
        async with at_work(says(reply)) as (box, endpoint):
            with pytest.raises(ToolFailed):
                await box.find(server_at(endpoint))

    run(main)
