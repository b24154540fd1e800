"""ElevenLabs' agents over their websocket, as its schema and reference describe it.

https://elevenlabs.io/docs/eleven-agents/api-reference/eleven-agents/websocket

The agent greets, hears by loudness, answers what is heard with the next of its replies, and cuts
itself where the callee speaks while it takes its own sound to be played.
"""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from websockets.http11 import Request

from strowger.media import g711
from strowger.media.events import Codec
from strowger.media.resample import Resampler
from tests.providers.vendors.behaviour import RATE, Behaviour, Fault
from tests.providers.vendors.loudness import Listening
from tests.providers.vendors.sockets import KEY, Client, Vendor

CALL = "call "
"""A reply that begins so is a tool call: its name, and its parameters."""
LEAVE = "leave"
"""A reply that ends the conversation."""
SIGNATURE = "cvtkn_planted"


@dataclass
class Session:
    client: Client
    listening: Listening = field(default_factory=Listening)
    events: int = 0
    active: asyncio.Task[None] | None = None
    speaks_until: float = 0.0
    said: str = ""
    calls: dict[str, asyncio.Event] = field(default_factory=dict)

    def number(self) -> int:
        self.events += 1
        return self.events


class ElevenLabsConversations(Vendor):
    path = "/v1/convai/conversation"

    def __init__(
        self,
        behaviour: Behaviour | None = None,
        *,
        greeting: str = "Hi, this is Eleven.",
        audio: str = "ulaw_8000",
        aligned: bool = True,
        overridable: bool = True,
    ) -> None:
        super().__init__(behaviour)
        self.audio = audio
        self.results: list[Mapping[str, object]] = []
        self.messages: list[tuple[str, str]] = []
        """Kind and text of what was written to the agent."""
        self.pongs: list[int] = []
        self.initiated: list[Mapping[str, object]] = []
        self._greeting = greeting
        self._aligned = aligned
        self._overridable = overridable

    def key_of(self, request: Request) -> str | None:
        parts = urlsplit(request.path)
        if parts.path.endswith("/get-signed-url"):
            return request.headers.get("xi-api-key")
        query = dict(parse_qsl(parts.query))
        signed = query.get("conversation_signature") == SIGNATURE
        return KEY if signed or query.get("agent_id") == "agent_public" else None

    def answer(self, request: Request) -> str | None:
        parts = urlsplit(request.path)
        if not parts.path.endswith("/get-signed-url"):
            return None
        agent = dict(parse_qsl(parts.query))["agent_id"]
        query = f"agent_id={agent}&conversation_signature={SIGNATURE}"
        return json.dumps({"signed_url": f"ws://{request.headers['Host']}{self.path}?{query}"})

    async def serve(self, client: Client) -> None:
        first = await client.next_frame()
        assert isinstance(first, str)
        initiation = json.loads(first)
        assert initiation["type"] == "conversation_initiation_client_data"
        self.initiated.append(initiation)
        override = initiation["conversation_config_override"]
        if override and not self._overridable:
            problem = "Override for field 'first_message' is not allowed by config."
            error = {"code": 1008, "error_type": "override_error", "message": problem}
            await client.send(type="error", error_event=error)
            await client.close(1008, problem)
            return
        if self.behaviour.faults and self.behaviour.faults[0] is Fault.WRONG_RATE:
            await client.suffer(Fault.HANG)
        await client.send(
            type="conversation_initiation_metadata",
            conversation_initiation_metadata_event={
                "conversation_id": "conv_1",
                "agent_output_audio_format": self.audio,
                "user_input_audio_format": self.audio,
            },
        )
        session = Session(client)
        await client.send(type="ping", ping_event={"event_id": 77, "ping_ms": None})
        greeting = override.get("agent", {}).get("first_message", self._greeting)
        if greeting:
            session.active = client.beside(partial(self._say, session, greeting))
        decode = self._decoder()
        async for frame in client.frames():
            message = json.loads(frame)
            if "user_audio_chunk" in message:
                pcm = decode(b64decode(message["user_audio_chunk"], validate=True))
                for started in session.listening.feed(pcm):
                    await (self._interrupted(session) if started else self._heard(session))
                continue
            await self._told(session, message)

    async def _told(self, session: Session, message: Mapping[str, object]) -> None:
        match message:
            case {"type": "pong", "event_id": int(id)}:
                self.pongs.append(id)
            case {"type": "client_tool_result", "tool_call_id": str(id), "result": str()}:
                assert isinstance(message["is_error"], bool)
                self.results.append(message)
                session.calls[id].set()
            case {"type": "contextual_update", "text": str(text)}:
                self.messages.append(("contextual_update", text))
            case {"type": "user_message", "text": str(text)}:
                self.messages.append(("user_message", text))
                exactly = text.partition("nothing else: ")[2].removesuffix(")")
                reply = str(json.loads(exactly)) if exactly else None
                session.active = session.client.beside(partial(self._respond, session, reply))
            case _:
                raise AssertionError(f"no such message: {message}")

    # ── sound ────────────────────────────────────────────────────────────────────────────────

    def _decoder(self) -> Callable[[bytes], bytes]:
        if self.audio == "ulaw_8000":
            return lambda codes: (
                g711.decode(Codec.PCMU, np.frombuffer(codes, np.uint8)).astype("<i2").tobytes()
            )
        return Resampler(int(self.audio.partition("_")[2]), RATE).process

    def _pieces(self, sound: bytes) -> Iterator[bytes]:
        """Of sound at 8 kHz, in the format that was told."""
        rate = 8000 if self.audio == "ulaw_8000" else int(self.audio.partition("_")[2])
        resampler = Resampler(RATE, rate)
        whole = resampler.process(sound) + resampler.flush()
        step = round(self.behaviour.chunk * rate) * 2
        for start in range(0, len(whole), step):
            piece = whole[start : start + step]
            if self.audio == "ulaw_8000":
                piece = g711.encode(Codec.PCMU, np.frombuffer(piece, "<i2")).tobytes()
            yield piece

    # ── turns ────────────────────────────────────────────────────────────────────────────────

    async def _interrupted(self, session: Session) -> None:
        speaks = asyncio.get_running_loop().time() < session.speaks_until
        if not speaks:
            return
        session.speaks_until = 0.0
        if session.active is not None:
            session.active.cancel()
        client, id = session.client, session.events
        await client.send(type="interruption", interruption_event={"event_id": id})
        corrected = {
            "original_agent_response": session.said,
            "corrected_agent_response": session.said[: len(session.said) // 2] + "...",
            "event_id": id,
        }
        kind = "agent_response_correction"
        await client.send(type=kind, agent_response_correction_event=corrected)

    async def _heard(self, session: Session) -> None:
        told = {"user_transcript": self.behaviour.next_turn(), "event_id": session.number()}
        await session.client.send(type="user_transcript", user_transcription_event=told)
        session.active = session.client.beside(partial(self._respond, session, None))

    async def _respond(self, session: Session, reply: str | None) -> None:
        if await session.client.suffer(self.behaviour.next_fault()):
            return
        await asyncio.sleep(self.behaviour.first_token)
        text = self.behaviour.next_reply() if reply is None else reply
        for part in text.split("\n"):
            if part == LEAVE:
                await session.client.close(1000, "the agent has ended the conversation")
            elif part.startswith(CALL):
                await self._call(session, part.removeprefix(CALL))
                await self._respond(session, None)
            elif part:
                await self._say(session, part)

    async def _call(self, session: Session, what: str) -> None:
        name, _, parameters = what.partition(" ")
        id = f"toolcall_{session.number()}"
        session.calls[id] = asyncio.Event()
        call = {
            "tool_name": name,
            "tool_call_id": id,
            "parameters": json.loads(parameters),
            "event_id": session.events,
        }
        await session.client.send(type="client_tool_call", client_tool_call=call)
        await session.calls[id].wait()

    async def _say(self, session: Session, text: str) -> None:
        client = session.client
        session.said = text
        told = {"agent_response": text, "event_id": session.number()}
        await client.send(type="agent_response", agent_response_event=told)
        sound = self.behaviour.speak(text)
        lasts = len(sound) / 2 / RATE
        now = asyncio.get_running_loop().time()
        session.speaks_until = max(now, session.speaks_until) + lasts
        pieces = list(self._pieces(sound))
        per_character = 1000 * lasts / max(1, len(text))
        for number, piece in enumerate(pieces):
            event: dict[str, object] = {
                "audio_base_64": b64encode(piece).decode(),
                "event_id": session.number(),
            }
            if self._aligned:
                first, last = (round(len(text) * at / len(pieces)) for at in (number, number + 1))
                event["alignment"] = {
                    "chars": list(text[first:last]),
                    "char_start_times_ms": [
                        round(per_character * place) for place in range(last - first)
                    ],
                    "char_durations_ms": [round(per_character)] * (last - first),
                }
            await client.send(type="audio", audio_event=event)
            await asyncio.sleep(self.behaviour.real_time * lasts / len(pieces))
