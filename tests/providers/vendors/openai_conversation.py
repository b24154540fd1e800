"""OpenAI's Realtime API in a session that converses, as its reference describes it.

https://developers.openai.com/api/reference/resources/realtime/server-events

It hears by loudness, answers what is heard with the next of its replies, speaks sooner than can be
played, and is interrupted by the callee's voice. Messages that the service would refuse it refuses.
"""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from websockets.http11 import Request

from strowger.media import g711
from strowger.media.events import Codec
from tests.providers.vendors.behaviour import RATE, Behaviour, Fault
from tests.providers.vendors.loudness import Listening
from tests.providers.vendors.sockets import Client, Vendor, bearer

CALL = "call "
"""A reply that begins so is a function call: its name, and its arguments."""


@dataclass
class Session:
    """One connection."""

    client: Client
    settings: Mapping[str, object] = field(default_factory=dict)
    items: dict[str, float] = field(default_factory=dict)
    """The agent's messages, with the seconds of sound of each."""
    calls: set[str] = field(default_factory=set)
    active: asyncio.Task[None] | None = None
    response: str = ""
    """The id of the active one."""
    listening: Listening = field(default_factory=Listening)
    speech: str = ""
    """The id of what the callee says."""
    numbers: int = 0

    def number(self, kind: str) -> str:
        self.numbers += 1
        return f"{kind}_{self.numbers}"


class OpenAIConversation(Vendor):
    path = "/v1/realtime"

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        super().__init__(behaviour)
        self.truncated: list[tuple[str, float]] = []
        """Items, and the seconds of them that were heard."""
        self.refused: list[str] = []
        self.outputs: list[tuple[str, str]] = []
        """Function calls that were answered, and how."""
        self.messages: list[tuple[str, str]] = []
        """Role and text of what was put into the conversation."""
        self.sessions: list[Mapping[str, object]] = []

    def key_of(self, request: Request) -> str | None:
        return bearer(request)

    async def serve(self, client: Client) -> None:
        assert client.visit.query["model"]
        await client.send(type="session.created", session={"type": "realtime"})
        session = Session(client)
        async for frame in client.frames():
            message = json.loads(frame)
            match message["type"]:
                case "session.update":
                    await self._update(session, message["session"])
                case "input_audio_buffer.append":
                    codes = np.frombuffer(b64decode(message["audio"], validate=True), np.uint8)
                    await self._hear(session, g711.decode(Codec.PCMU, codes))
                case "conversation.item.create":
                    await self._create(session, message["item"])
                case "conversation.item.truncate":
                    await self._truncate(session, message)
                case "response.create":
                    await self._asked(session, message)
                case "response.cancel":
                    if session.active is None:
                        await self._refuse(session, "response_cancel_not_active", message)
                    else:
                        await self._cancel(session, "client_cancelled")
                case other:
                    await self._refuse(session, f"unknown_{other}", message)

    # ── what it is told ──────────────────────────────────────────────────────────────────────

    async def _update(self, session: Session, wanted: dict[str, object]) -> None:
        assert wanted["type"] == "realtime"
        if "audio" in wanted:
            audio = wanted["audio"]
            assert isinstance(audio, dict)
            assert wanted["output_modalities"] == ["audio"]
            assert audio["input"]["format"] == audio["output"]["format"] == {"type": "audio/pcmu"}
            if audio["output"]["voice"] == "no-such-voice":
                await self._refuse(session, "invalid_value", {}, kind="invalid_request_error")
                return
        assert isinstance(wanted.get("tools", []), list)
        session.settings = {**session.settings, **wanted}
        self.sessions.append(session.settings)
        if self.behaviour.faults and self.behaviour.faults[0] is Fault.WRONG_RATE:
            return  # it never becomes ready
        await session.client.send(type="session.updated", session=session.settings)

    async def _create(self, session: Session, item: dict[str, object]) -> None:
        item.setdefault("id", session.number("item"))
        match item:
            case {"type": "message", "role": str(role), "content": [{"type": kind, "text": text}]}:
                assert kind == ("output_text" if role == "assistant" else "input_text")
                self.messages.append((role, str(text)))
            case {"type": "function_call", "call_id": str(call), "name": str(), "arguments": str()}:
                session.calls.add(call)
            case {"type": "function_call_output", "call_id": str(call), "output": str(output)}:
                if call not in session.calls:
                    await self._refuse(session, "invalid_tool_call_id", {})
                    return
                self.outputs.append((call, output))
            case _:
                await self._refuse(session, "invalid_item", {})
                return
        await session.client.send(type="conversation.item.added", item=item)

    async def _truncate(self, session: Session, message: dict[str, object]) -> None:
        item, end = str(message["item_id"]), message["audio_end_ms"]
        assert isinstance(end, int)
        assert message["content_index"] == 0
        if item not in session.items or end > 1000 * session.items[item]:
            await self._refuse(session, "invalid_value", message)
            return
        self.truncated.append((item, end / 1000))
        told = {"item_id": item, "content_index": 0, "audio_end_ms": end}
        await session.client.send(type="conversation.item.truncated", **told)

    async def _refuse(
        self,
        session: Session,
        code: str,
        message: Mapping[str, object],
        kind: str = "invalid_request_error",
    ) -> None:
        self.refused.append(code)
        error = {"type": kind, "code": code, "message": code, "event_id": message.get("event_id")}
        await session.client.send(type="error", error=error)

    # ── what it hears ────────────────────────────────────────────────────────────────────────

    async def _hear(self, session: Session, pcm: g711.Samples) -> None:
        silence = self._detection(session)["silence_duration_ms"]
        assert isinstance(silence, int)
        session.listening.stops_after = silence / 1000
        for started in session.listening.feed(pcm.astype("<i2").tobytes()):
            if started:
                await self._speech_started(session)
            else:
                await self._speech_stopped(session, session.speech)

    @staticmethod
    def _detection(session: Session) -> Mapping[str, object]:
        audio = session.settings["audio"]
        assert isinstance(audio, dict)
        detection: Mapping[str, object] = audio["input"]["turn_detection"]
        assert detection["type"] == "server_vad"
        return detection

    async def _speech_started(self, session: Session) -> None:
        session.speech = item = session.number("item")
        start = round(1000 * session.listening.heard)
        kind = "input_audio_buffer.speech_started"
        await session.client.send(type=kind, item_id=item, audio_start_ms=start)
        if session.active is not None and self._detection(session)["interrupt_response"]:
            await self._cancel(session, "turn_detected")

    async def _speech_stopped(self, session: Session, item: str) -> None:
        client, end = session.client, round(1000 * session.listening.heard)
        kind = "input_audio_buffer.speech_stopped"
        await client.send(type=kind, item_id=item, audio_end_ms=end)
        await client.send(type="input_audio_buffer.committed", item_id=item)
        client.beside(partial(self._transcribe, client, item, self.behaviour.next_turn()))
        if self._detection(session)["create_response"] and session.active is None:
            self._begin(session, {})

    async def _transcribe(self, client: Client, item: str, text: str) -> None:
        await asyncio.sleep(self.behaviour.final_after)
        kind = "conversation.item.input_audio_transcription.completed"
        await client.send(type=kind, item_id=item, content_index=0, transcript=text)

    # ── what it says ─────────────────────────────────────────────────────────────────────────

    async def _asked(self, session: Session, message: dict[str, object]) -> None:
        if session.active is not None:
            await self._refuse(session, "conversation_already_has_active_response", message)
            return
        wanted = message.get("response") or {}
        assert isinstance(wanted, dict)
        self._begin(session, wanted)

    def _begin(self, session: Session, wanted: Mapping[str, object]) -> None:
        session.response = session.number("resp")
        work = partial(self._respond, session, session.response, wanted)
        session.active = session.client.beside(work)

    async def _cancel(self, session: Session, reason: str) -> None:
        assert session.active is not None
        session.active.cancel()
        session.active = None
        details = {"type": "cancelled", "reason": reason}
        await session.client.send(
            type="response.done",
            response={
                "id": session.response, "status": "cancelled", "status_details": details,
                "output": [],
            },
        )  # fmt: skip

    async def _respond(self, session: Session, id: str, wanted: Mapping[str, object]) -> None:
        client, behaviour = session.client, self.behaviour
        begun = {"id": id, "status": "in_progress", "metadata": wanted.get("metadata")}
        await client.send(type="response.created", response=begun)
        fault = behaviour.next_fault()
        if fault is Fault.ERROR:
            error = {"type": "server_error", "code": "server_error"}
            await self._done(session, id, "failed", {"type": "failed", "error": error})
            return
        if await client.suffer(fault):
            return
        await asyncio.sleep(behaviour.first_token)
        instructions = wanted.get("instructions")
        if isinstance(instructions, str):
            reply = str(json.loads(instructions.partition(": ")[2]))
        else:
            reply = behaviour.next_reply()
        for part in reply.split("\n"):
            if part.startswith(CALL):
                await self._call(session, id, part.removeprefix(CALL))
            elif part:
                await self._say(session, id, part)
        await self._done(session, id, "completed", None)

    async def _done(self, session: Session, id: str, status: str, details: object) -> None:
        session.active = None
        response = {"id": id, "status": status, "status_details": details, "output": []}
        await session.client.send(type="response.done", response=response)

    async def _say(self, session: Session, id: str, text: str) -> None:
        client, item = session.client, session.number("item")
        place = {"response_id": id, "item_id": item, "output_index": 0, "content_index": 0}
        message = {"id": item, "type": "message", "role": "assistant", "content": []}
        session.items[item] = 0.0
        await client.send(type="response.output_item.added", response_id=id, item=message)
        sound = self.behaviour.speak(text)
        step = round(self.behaviour.chunk * RATE) * 2
        pieces = [sound[at : at + step] for at in range(0, len(sound), step)]
        words = text.split(" ")
        for number, piece in enumerate(pieces):
            for word in words[number :: len(pieces)] if number < len(pieces) else ():
                kind = "response.output_audio_transcript.delta"
                await client.send(type=kind, delta=word + " ", **place)
            codes = g711.encode(Codec.PCMU, np.frombuffer(piece, "<i2")).tobytes()
            session.items[item] += len(codes) / RATE
            delta = b64encode(codes).decode()
            await client.send(type="response.output_audio.delta", delta=delta, **place)
            await asyncio.sleep(self.behaviour.real_time * len(codes) / RATE)
        await client.send(type="response.output_audio.done", **place)
        done = "response.output_audio_transcript.done"
        await client.send(type=done, transcript=text, **place)
        message = {**message, "status": "completed"}
        await client.send(type="response.output_item.done", response_id=id, item=message)

    async def _call(self, session: Session, id: str, what: str) -> None:
        client, item, call = session.client, session.number("item"), session.number("call")
        name, _, arguments = what.partition(" ")
        session.calls.add(call)
        function = {"id": item, "type": "function_call", "call_id": call, "name": name}
        begun = {**function, "arguments": "", "status": "in_progress"}
        await client.send(type="response.output_item.added", response_id=id, item=begun)
        place = {"response_id": id, "item_id": item, "output_index": 0, "call_id": call}
        kind = "response.function_call_arguments"
        await client.send(type=f"{kind}.delta", delta=arguments, **place)
        await client.send(type=f"{kind}.done", arguments=arguments, name=name, **place)
        done = {**function, "arguments": arguments, "status": "completed"}
        await client.send(type="response.output_item.done", response_id=id, item=done)
