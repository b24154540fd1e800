"""Offer and answer, RFC 3264: what both sides of a call agree to send to each other.

One audio stream of G.711, and telephone-event where both have it. Everything else that is offered
is refused politely. Decides about numbers and addresses only; who sends when is the engine's.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from strowger.errors import FarEndError, MalformedMessage
from strowger.media.events import Codec
from strowger.media.session_description import (
    MediaDescription,
    SessionDescription,
    attribute,
    is_address,
    number,
    parse_sdp,
)

__all__ = [
    "TELEPHONE_EVENT", "Direction", "LocalMedia", "MediaAgreement", "NoCommonCodec",
    "SessionDescription", "accept_answer", "answer_offer", "codecs_in", "make_offer", "parse_sdp",
]  # fmt: skip

STATIC: Final = {"0": Codec.PCMU, "8": Codec.PCMA}
"""RFC 3551 table 4: payload types that need no rtpmap."""
PAYLOAD_TYPES: Final = {codec: int(format) for format, codec in STATIC.items()}
TELEPHONE_EVENT: Final = 101
"""The payload type of digits in our offers."""
PTIME: Final = 20
PROTOCOLS: Final = {"RTP/AVP", "RTP/AVPF"}
NOWHERE: Final = "0.0.0.0"  # noqa: S104 - not bound to: RFC 2543's way of saying hold


class NoCommonCodec(FarEndError):
    """The far end can be read, but it has no audio that we can speak."""


class Direction(StrEnum):
    """Seen from our side."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @classmethod
    def between(cls, *, sending: bool, receiving: bool) -> "Direction":
        if sending:
            return cls.SENDRECV if receiving else cls.SENDONLY
        return cls.RECVONLY if receiving else cls.INACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalMedia:
    """Our side: where we listen and what we speak, best first."""

    host: str
    port: int
    session_id: int
    """Below 2**62; with the version it identifies what we said (RFC 8866 section 5.2)."""
    codecs: tuple[Codec, ...] = (Codec.PCMU, Codec.PCMA)
    version: int = 0

    def next_version(self) -> "LocalMedia":
        """For another offer or answer in the same session (RFC 3264 section 8)."""
        return replace(self, version=self.version + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaAgreement:
    """What offer and answer came to, for what we send."""

    remote: tuple[str, int]
    remote_rtcp: tuple[str, int]
    codec: Codec
    payload_type: int
    """What the far end calls the codec."""
    telephone_event: int | None
    """What the far end calls digits; None where it does not take them as events."""
    ptime: int
    """Milliseconds of audio per packet that the far end would like."""
    direction: Direction

    @property
    def sending(self) -> bool:
        return self.direction in {Direction.SENDRECV, Direction.SENDONLY}

    @property
    def receiving(self) -> bool:
        return self.direction in {Direction.SENDRECV, Direction.RECVONLY}


def make_offer(local: LocalMedia) -> bytes:
    """The SDP with which we offer a call, or offer anew within one."""
    formats = {PAYLOAD_TYPES[codec]: codec for codec in local.codecs}
    medium = _our_medium(local, "RTP/AVP", formats, TELEPHONE_EVENT, Direction.SENDRECV)
    return _serialise(local, medium)


def accept_answer(local: LocalMedia, answer: bytes) -> MediaAgreement:
    """What an answer to our offer means. Raises MalformedMessage or NoCommonCodec."""
    description = parse_sdp(answer)
    medium, codec, payload_type = _choose(description, local.codecs)
    muxed = attribute(medium.attributes, "rtcp-mux") is not None
    return _agreement(description, medium, codec, payload_type, muxed=muxed)


def answer_offer(offer: bytes, local: LocalMedia) -> tuple[bytes, MediaAgreement]:
    """Our answer, and what it means. Raises MalformedMessage or NoCommonCodec.

    The offer's order of codecs counts, not ours. RTP and RTCP stay on ports of their own, also
    where the offer would have them share one (RFC 5761 section 5.1.1).
    """
    description = parse_sdp(offer)
    chosen, codec, payload_type = _choose(description, local.codecs)
    agreement = _agreement(description, chosen, codec, payload_type, muxed=False)
    media = [
        _our_medium(
            local,
            medium.protocol,
            {payload_type: codec},
            agreement.telephone_event,
            agreement.direction,
        )
        if medium is chosen
        else [f"m={medium.kind} 0 {medium.protocol} {' '.join(medium.formats)}"]
        for medium in description.media
    ]
    return _serialise(local, *media), agreement


def codecs_in(body: bytes) -> tuple[str, ...]:
    """The names of the audio formats that a description lists. Raises MalformedMessage."""
    audio = (medium for medium in parse_sdp(body).media if medium.kind == "audio")
    names = [name.partition("/")[0] for medium in audio for _, name in _names(medium)]
    return tuple(dict.fromkeys(name for name in names if name != "TELEPHONE-EVENT"))


def _choose(
    description: SessionDescription, codecs: tuple[Codec, ...]
) -> tuple[MediaDescription, Codec, int]:
    """The first audio stream that can be spoken with, and its first codec that we have."""
    audio = [each for each in description.media if each.kind == "audio" and each.port]
    if not audio:
        raise NoCommonCodec("the far end takes no audio")
    for medium in audio:
        if medium.protocol.upper() not in PROTOCOLS:
            continue
        for format, name in _names(medium):
            codec = next((each for each in codecs if name == f"{each}/8000"), None)
            if codec is not None:
                return medium, codec, number(format, 127, "payload type")
    offered = ", ".join(dict.fromkeys(f"{_spoken(each)} on {each.protocol}" for each in audio))
    ours = ", ".join(codecs)
    raise NoCommonCodec(f"the far end speaks {offered[:200]}; we speak {ours} on RTP/AVP")


def _names(medium: MediaDescription) -> list[tuple[str, str]]:
    """The medium's formats in order, each as NAME/RATE; formats nobody explains are left out."""
    names = {format: f"{codec}/8000" for format, codec in STATIC.items()}
    for name, value in medium.attributes:
        if name == "rtpmap":
            format, _, encoding = value.partition(" ")
            # A third part is the number of channels; one is what we have.
            names[format] = encoding.strip().upper().removesuffix("/1")
    return [(format, names[format]) for format in medium.formats if format in names]


def _spoken(medium: MediaDescription) -> str:
    return "/".join(name.partition("/")[0] for _, name in _names(medium)) or "nothing known"


def _agreement(
    description: SessionDescription,
    medium: MediaDescription,
    codec: Codec,
    payload_type: int,
    *,
    muxed: bool,
) -> MediaAgreement:
    host = medium.connection or description.connection
    if host is None or not is_address(host):
        raise MalformedMessage(f"IPv4 address for audio expected, got {str(host)[:60]!r}")
    events = [format for format, name in _names(medium) if name == "TELEPHONE-EVENT/8000"]
    ptime = attribute(medium.attributes, "ptime") or ""
    return MediaAgreement(
        remote=(host, medium.port),
        remote_rtcp=(host, medium.port) if muxed else _rtcp_address(medium, host),
        codec=codec,
        payload_type=payload_type,
        telephone_event=number(events[0], 127, "payload type") if events else None,
        ptime=int(ptime) if ptime in {"10", "20", "30", "40", "60"} else PTIME,
        direction=_our_direction(description, medium, host),
    )


def _rtcp_address(medium: MediaDescription, host: str) -> tuple[str, int]:
    """By a=rtcp (RFC 3605), or on the next port."""
    words = (attribute(medium.attributes, "rtcp") or "").split()
    if not words:
        return host, min(medium.port + 1, 65535)
    own = words[3] if len(words) == 4 and is_address(words[3]) else host
    return own, number(words[0], 65535, "RTCP port")


def _our_direction(
    description: SessionDescription, medium: MediaDescription, host: str
) -> Direction:
    """The far end's direction, turned round (RFC 3264 section 6.1)."""
    theirs = [
        name
        for attributes in (medium.attributes, description.attributes)
        for name, _ in attributes
        if name in list(Direction)
    ]
    direction = theirs[0] if theirs else Direction.SENDRECV
    return Direction.between(
        # The old way to hold a call is an address that nothing can be sent to (section 8.4).
        sending=direction in {Direction.SENDRECV, Direction.RECVONLY} and host != NOWHERE,
        receiving=direction in {Direction.SENDRECV, Direction.SENDONLY},
    )


def _our_medium(
    local: LocalMedia,
    protocol: str,
    formats: dict[int, Codec],
    telephone_event: int | None,
    direction: Direction,
) -> list[str]:
    """The lines of our audio stream."""
    lines = [f"a=rtpmap:{format} {codec}/8000" for format, codec in formats.items()]
    types = [*formats]
    if telephone_event is not None:
        types.append(telephone_event)
        lines += [
            f"a=rtpmap:{telephone_event} telephone-event/8000",
            f"a=fmtp:{telephone_event} 0-15",
        ]
    return [
        f"m=audio {local.port} {protocol} {' '.join(map(str, types))}",
        *lines,
        f"a=ptime:{PTIME}",
        f"a={direction}",
    ]


def _serialise(local: LocalMedia, *media: list[str]) -> bytes:
    address = f"IN {'IP6' if ':' in local.host else 'IP4'} {local.host}"
    lines = [
        "v=0",
        f"o=strowger {local.session_id} {local.version} {address}",
        "s=-",
        f"c={address}",
        "t=0 0",
        *(line for medium in media for line in medium),
    ]
    return "\r\n".join([*lines, ""]).encode()
