"""Anthropic's Messages API, streamed, as its reference describes it.

https://docs.claude.com/en/docs/build-with-claude/streaming
"""

import json

from tests.providers.openai_server import Asked, Client
from tests.providers.vendors.behaviour import Behaviour, Fault
from tests.providers.vendors.requests import HttpVendor


class Anthropic(HttpVendor):
    path = "/v1/m"
    """`/v1/messages` and `/v1/models`."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        super().__init__(behaviour)
        self.tool_calls: list[tuple[str, str, list[str]]] = []
        """Id, name and pieces of arguments of what the next reply asks for after its text."""

    def key_of(self, asked: Asked) -> str | None:
        return asked.headers.get("x-api-key")

    async def answer(self, client: Client, asked: Asked) -> None:
        if asked.path == "/v1/models":
            await client.whole(200, "application/json", b'{"data": []}')
            return
        request = asked.json()
        problem = refusal(request)
        if asked.headers.get("anthropic-version") != "2023-06-01":
            problem = "anthropic-version: header is required"
        if problem is not None:
            body = {"type": "error", "error": {"type": "invalid_request_error", "message": problem}}
            await client.whole(400, "application/json", json.dumps(body).encode())
            return
        fault = self.behaviour.next_fault()
        if await self.suffer(client, fault):
            return
        await self._reply(client, fault)

    async def _reply(self, client: Client, fault: Fault | None) -> None:
        await client.head(200, "text/event-stream; charset=utf-8")
        usage = {"input_tokens": 20, "cache_read_input_tokens": 100, "output_tokens": 1}
        await tell(client, "message_start", message={"id": "msg", "content": [], "usage": usage})
        if fault is Fault.ERROR:
            error = {"type": "overloaded_error", "message": "Overloaded"}
            await tell(client, "error", error=error)
            await client.end()
            return
        calls, self.tool_calls = self.tool_calls, []
        text = self.behaviour.next_reply()
        if text:
            await tell(
                client, "content_block_start", index=0, content_block={"type": "text", "text": ""}
            )
            await tell(client, "ping")
            async for piece in self.paced(text):
                delta = {"type": "text_delta", "text": piece}
                await tell(client, "content_block_delta", index=0, delta=delta)
            await tell(client, "content_block_stop", index=0)
        for index, (id, name, pieces) in enumerate(calls, start=1):
            block = {"type": "tool_use", "id": id, "name": name, "input": {}}
            await tell(client, "content_block_start", index=index, content_block=block)
            for piece in pieces:
                part = {"type": "input_json_delta", "partial_json": piece}
                await tell(client, "content_block_delta", index=index, delta=part)
            await tell(client, "content_block_stop", index=index)
        reason = "tool_use" if calls else "end_turn"
        await tell(
            client, "message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 9}
        )
        await tell(client, "message_stop")
        await client.end()


async def tell(client: Client, kind: str, **fields: object) -> None:
    data = json.dumps({"type": kind, **fields})
    await client.piece(f"event: {kind}\ndata: {data}\n\n".encode())


def refusal(request: dict[str, object]) -> str | None:
    """What the service finds wrong with a request."""
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        return "messages: at least one message is required"
    if not isinstance(request.get("max_tokens"), int):
        return "max_tokens: Field required"
    if messages[0]["role"] != "user":
        return "messages: first message must use the user role"
    if messages[-1]["role"] != "user":
        return "This model does not support assistant message prefill"
    asked: list[str] = []
    for message in messages:
        blocks = message["content"]
        if message["role"] not in {"user", "assistant"}:
            return "messages: unexpected role"
        if any(block["type"] == "text" and not block["text"].strip() for block in blocks):
            return "messages: text content blocks must be non-empty"
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if sorted(answered) != sorted(asked):
            return f"tool_use ids were found without tool_result blocks: {asked}"
        asked = [block["id"] for block in blocks if block["type"] == "tool_use"]
    if not all(
        isinstance(block.get("input"), dict)
        for message in messages
        for block in message["content"]
        if block["type"] == "tool_use"
    ):
        return "input: Input should be a valid dictionary"
    return None
