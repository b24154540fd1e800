"""Google's Gemini API, streamed, as its reference describes it.

https://ai.google.dev/api/generate-content
"""

import json
import re

from tests.providers.openai_server import Asked, Client
from tests.providers.vendors.behaviour import Behaviour, Fault
from tests.providers.vendors.requests import HttpVendor


class Google(HttpVendor):
    path = "/v1beta/models"

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        super().__init__(behaviour)
        self.tool_calls: list[tuple[str, dict[str, object], str | None]] = []
        """Name, arguments and thought signature of what the next reply asks for."""
        self._asked_for = 0

    def key_of(self, asked: Asked) -> str | None:
        return asked.headers.get("x-goog-api-key")

    async def answer(self, client: Client, asked: Asked) -> None:
        if asked.path == "/v1beta/models":
            await client.whole(200, "application/json", b'{"models": []}')
            return
        assert asked.path.endswith(":streamGenerateContent?alt=sse"), asked.path
        named = re.match(r"/v1beta/models/gemini-3\.[5-9]", asked.path) is not None
        if (problem := refusal(asked.json(), named=named)) is not None:
            body = {"error": {"code": 400, "message": problem, "status": "INVALID_ARGUMENT"}}
            await client.whole(400, "application/json", json.dumps(body).encode())
            return
        fault = self.behaviour.next_fault()
        if await self.suffer(client, fault):
            return
        await client.head(200, "text/event-stream")
        if fault is Fault.ERROR:
            await client.event({"error": {"code": 503, "message": "The model is overloaded."}})
            await client.end()
            return
        calls, self.tool_calls = self.tool_calls, []
        if text := self.behaviour.next_reply():
            await client.event(response([{"text": "Thinking…", "thought": True}]))
            async for piece in self.paced(text):
                await client.event(response([{"text": piece}]))
        for name, arguments, signature in calls:
            self._asked_for += 1
            id = {"id": f"fc_{self._asked_for}"} if named else {}
            part: dict[str, object] = {"functionCall": {**id, "name": name, "args": arguments}}
            if signature is not None:
                part["thoughtSignature"] = signature
            await client.event(response([part]))
        await client.event(response([{"text": ""}], "STOP"))
        await client.end()


def response(parts: list[dict[str, object]], reason: str | None = None) -> dict[str, object]:
    candidate: dict[str, object] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    usage = {"promptTokenCount": 120, "candidatesTokenCount": 9, "cachedContentTokenCount": 100}
    return {"candidates": [candidate], "usageMetadata": usage}


def refusal(request: dict[str, object], *, named: bool) -> str | None:
    """What the service finds wrong with a request, to a model whose calls are named by ids."""
    contents = request.get("contents")
    if not isinstance(contents, list) or not contents:
        return "contents is not specified"
    if contents[0]["role"] != "user":
        return "function call turn comes immediately after a user turn"
    asked, waiting = 0, list[object]()
    for content in contents:
        if content["role"] not in {"user", "model"} or not content["parts"]:
            return "contents: role or parts are not valid"
        calls = [part for part in content["parts"] if "functionCall" in part]
        answers = [part for part in content["parts"] if "functionResponse" in part]
        if len(answers) != asked:
            return "the number of function response parts must equal the function call parts"
        if any("thoughtSignature" not in part for part in calls[:1]):
            return "function call is missing a thought_signature"
        ids = [part["functionCall"].get("id") for part in calls]
        answered = [part["functionResponse"].get("id") for part in answers]
        if named and (None in ids or answered != waiting):
            return "function response: id does not match that of the function call"
        if not named and any([*ids, *answered]):
            return 'Unknown name "id" at contents: Cannot find field.'
        waiting = ids
        asked = len(calls)
    return None
