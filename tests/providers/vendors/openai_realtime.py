"""OpenAI's Realtime API in a transcription session, as its reference describes it.

https://developers.openai.com/api/docs/guides/realtime-transcription
"""

import asyncio
import json
from base64 import b64decode
from collections.abc import Mapping
from functools import partial

from websockets.http11 import Request

from tests.providers.vendors.behaviour import RATE, Behaviour, Fault
from tests.providers.vendors.sockets import Client, Vendor, bearer


class OpenAIRealtime(Vendor):
    path = "/v1/realtime"

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        super().__init__(behaviour)
        self.hints: list[Mapping[str, object]] = []
        """What each session was told of its model and the words to come."""

    def key_of(self, request: Request) -> str | None:
        return bearer(request)

    async def serve(self, client: Client) -> None:
        await client.send(type="session.created", session={"type": "transcription"})
        appended, items = 0.0, 0
        async for frame in client.frames():
            message = json.loads(frame)
            match message["type"]:
                case "session.update":
                    wanted = message["session"]
                    assert wanted["type"] == "transcription"
                    assert wanted["audio"]["input"]["format"] == {"type": "audio/pcmu"}
                    hints = wanted["audio"]["input"]["transcription"]
                    self.hints.append(hints)
                    lists = hints["model"] in {"gpt-transcribe", "gpt-live-transcribe"}
                    if lists == ("language" in hints) or lists != ("languages" in hints):
                        await self._refuse(client, "bad language", "invalid_request_error")
                        continue
                    if any(set("<>\r\n") & set(term) for term in hints.get("keywords", ())):
                        await self._refuse(client, "bad keyword", "invalid_request_error")
                        continue
                    await client.send(type="session.updated", session=wanted)
                case "input_audio_buffer.append":
                    appended += len(b64decode(message["audio"], validate=True)) / RATE
                case "input_audio_buffer.commit":
                    if appended < 0.1:
                        await self._refuse(client, "buffer too small", "invalid_request_error")
                        continue
                    appended, items = 0.0, items + 1
                    item = f"item_{items}"
                    await client.send(type="input_audio_buffer.committed", item_id=item)
                    client.beside(partial(self._transcribe, client, item))

    async def _transcribe(self, client: Client, item: str) -> None:
        behaviour = self.behaviour
        text, fault = behaviour.next_turn(), behaviour.next_fault()
        kind = "conversation.item.input_audio_transcription"
        await asyncio.sleep(behaviour.final_after)
        if fault is Fault.ERROR:
            await self._refuse(client, "the server had an error", "server_error")
            return
        if await client.suffer(fault):
            return
        for word in text.split(" "):
            await client.send(type=f"{kind}.delta", item_id=item, content_index=0, delta=word + " ")
        await client.send(type=f"{kind}.completed", item_id=item, content_index=0, transcript=text)

    @staticmethod
    async def _refuse(client: Client, message: str, kind: str) -> None:
        await client.send(type="error", error={"type": kind, "message": message, "code": None})
