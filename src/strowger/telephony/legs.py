"""The media half of one call: a row of the engine, its sockets and its line, agreed on by SDP.

RFC 3264: who calls offers, who is called answers, and either side may offer anew later.
"""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from strowger.media import sdp
from strowger.media.events import ChangeCodec, CloseLine, Codec, HoldLine, OpenLine
from strowger.telephony.clock import MediaClock
from strowger.telephony.line import LineEngine, SipLine
from strowger.telephony.recording import WavFile
from strowger.telephony.sockets import LineSockets, PortPool, Wire

CLOSING_TIME = 1.0
"""Seconds the engine has to give a row back; it takes a tick."""


class MediaLeg:
    """Offers, answers, opens and closes the media of one call."""

    def __init__(
        self,
        engine: LineEngine,
        clock: MediaClock,
        pool: PortPool,
        *,
        row: int,
        public_host: str,
        now: Callable[[], float],
        wiring: Callable[[LineSockets], Wire],
    ) -> None:
        """Raises Unavailable where no RTP port is free."""
        self.row = row
        self.public_host = public_host
        self.line: SipLine | None = None
        self._engine = engine
        self._clock = clock
        self._sockets = LineSockets(pool)
        self._wiring = wiring
        self._now = now
        self._local = sdp.LocalMedia(
            host=public_host,
            port=self._sockets.port,
            session_id=secrets.randbits(62),
            codecs=(Codec.PCMU, Codec.PCMA),
        )
        self._agreed: sdp.MediaAgreement | None = None

    def offer(self) -> bytes:
        """Our SDP offer; each further one counts the version up (RFC 3264 section 8)."""
        self._local = self._local.next_version()
        return sdp.make_offer(self._local)

    def accept_answer(self, answer: bytes) -> None:
        """Raises MalformedMessage, NoCommonCodec, and Unavailable where the line has become
        deaf over it."""
        self._agree(sdp.accept_answer(self._local, answer))

    def answer(self, offer: bytes) -> bytes:
        """Our answer to an offer. Raises MalformedMessage, NoCommonCodec, and Unavailable where the
        line has become deaf over it."""
        self._local = self._local.next_version()
        answer, agreement = sdp.answer_offer(offer, self._local)
        self._agree(agreement)
        return answer

    def open(self, recording: Path | None) -> SipLine:
        """Start sending and listening, as agreed."""
        assert self._agreed is not None, "a line opens after offer and answer"
        wav = None if recording is None else WavFile(recording)
        self.line = SipLine(self.row, self._engine, self._now, wav)
        agreed = self._agreed
        self._engine.apply(
            OpenLine(
                line=self.row,
                codec=agreed.codec,
                payload_type=agreed.payload_type,
                telephone_event=agreed.telephone_event,
                ssrc=secrets.randbits(32),
                first_sequence=secrets.randbits(15),
                first_timestamp=secrets.randbits(32),
                record=recording is not None,
            ),
            now=self._now(),
        )
        if not agreed.sending:
            self._engine.apply(HoldLine(self.row, held=True), now=self._now())
        self._clock.attach(self.row, self._wiring(self._sockets))
        return self.line

    async def close(self) -> None:
        """Stop, and wait for the last of the recording."""
        try:
            if self.line is not None:
                self._engine.apply(CloseLine(self.row), now=self._now())
                with suppress(TimeoutError):  # a media clock that has stopped closes nothing
                    async with asyncio.timeout(CLOSING_TIME):
                        await self.line.closed.wait()
        finally:  # also where the wait itself is cancelled
            if self.line is not None:
                self.line.finish_recording()
                self._clock.detach(self.row)
            self._sockets.close()

    def _agree(self, agreement: sdp.MediaAgreement) -> None:
        before, self._agreed = self._agreed, agreement
        self._sockets.aim(agreement.remote, agreement.remote_rtcp)
        if self.line is None or before is None:
            return
        now = self._now()
        self._engine.apply(
            ChangeCodec(
                line=self.row,
                codec=agreement.codec,
                payload_type=agreement.payload_type,
                telephone_event=agreement.telephone_event,
            ),
            now=now,
        )
        self._engine.apply(HoldLine(self.row, not agreement.sending), now=now)
