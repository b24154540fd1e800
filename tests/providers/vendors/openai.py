"""OpenAI's HTTP services: chat, speech and transcription, as its reference describes them."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tests.providers.openai_server import Asked, Client
from tests.providers.vendors.behaviour import Fault, with_fault
from tests.providers.vendors.requests import HttpVendor, bearer


@dataclass(frozen=True, slots=True)
class Reply:
    text: str = ""
    tool: str | None = None
    """The name of one that is asked for after the text."""
    arguments: Mapping[str, object] = field(default_factory=dict)


class OpenAI(HttpVendor):
    path = "/v1/"

    def reply_to(self, asked: Asked) -> Reply:
        """What the model says to a request for a chat completion."""
        return Reply(self.behaviour.next_reply())

    def key_of(self, asked: Asked) -> str | None:
        return bearer(asked)

    async def answer(self, client: Client, asked: Asked) -> None:
        fault = None if asked.path == "/v1/models" else self.behaviour.next_fault()
        if await self.suffer(client, fault):
            return
        if fault is Fault.ERROR:
            await client.error(500, "the server had an error")
            return
        match asked.path:
            case "/v1/models":
                await client.whole(200, "application/json", b'{"data": []}')
            case "/v1/chat/completions":
                await self._chat(client, self.reply_to(asked))
            case "/v1/audio/speech":
                await self._speak(client, str(asked.json()["input"]), fault)
            case "/v1/audio/transcriptions":
                await asyncio.sleep(self.behaviour.final_after)
                text = json.dumps({"text": self.behaviour.next_turn()}).encode()
                await client.whole(200, "application/json", text)
            case _:
                await client.error(404, "no such address")

    async def _chat(self, client: Client, reply: Reply) -> None:
        await client.head(200, "text/event-stream")
        async for piece in self.paced(reply.text):
            await client.delta(piece)
        if reply.tool is not None:
            function = {"name": reply.tool, "arguments": json.dumps(dict(reply.arguments))}
            call = {"index": 0, "id": f"call_{len(self.asked)}", "type": "function"}
            delta = {"tool_calls": [{**call, "function": function}]}
            await client.event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        await client.delta("", "stop" if reply.tool is None else "tool_calls")
        await client.event("[DONE]")
        await client.end()

    async def _speak(self, client: Client, text: str, fault: Fault | None) -> None:
        behaviour = self.behaviour
        await asyncio.sleep(behaviour.first_sound)
        pcm = with_fault(behaviour.speak(text), fault)
        wide = np.repeat(np.frombuffer(pcm, "<i2"), 3).tobytes()  # 24 kHz
        await client.head(200, "audio/pcm")
        step = round(behaviour.chunk * 24000) * 2
        for start in range(0, len(wide), step):
            await client.piece(wide[start : start + step])
            await asyncio.sleep(behaviour.chunk * behaviour.real_time)
        await client.end()
