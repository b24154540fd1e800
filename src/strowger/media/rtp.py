"""RTP packets as bytes and back, RFC 3550 section 5.

Decides what is a readable packet; what its payload means is decided where it is used. The engine
peeks at ordinary headers itself and comes here only for those with extras.
"""

import struct
from dataclasses import dataclass
from typing import Self

from strowger.errors import MalformedMessage

HEADER = struct.Struct("!BBHII")
HEADER_SIZE = HEADER.size
PLAIN = 0x80
"""First byte of a header without padding, extension and contributing sources."""
PACKET_LIMIT = 2048
"""Longest packet that is looked at; 20 ms of G.711 takes 172 bytes."""
PADDING, EXTENSION, CSRC_COUNT, MARKER = 0x20, 0x10, 0x0F, 0x80


@dataclass(frozen=True, slots=True)
class HeaderExtension:
    """The one extension of RFC 3550 section 5.3.1; `content` is whole 32-bit words."""

    profile: int
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpPacket:
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False
    contributing: tuple[int, ...] = ()
    extension: HeaderExtension | None = None

    @classmethod
    def parse(cls, packet: bytes) -> Self:
        """Read one packet; padding is removed. Raises MalformedMessage."""
        if not HEADER_SIZE <= len(packet) <= PACKET_LIMIT:
            raise MalformedMessage(
                f"RTP of {HEADER_SIZE} to {PACKET_LIMIT} bytes expected, got {len(packet)}"
            )
        first, second, sequence, timestamp, ssrc = HEADER.unpack_from(packet)
        if first >> 6 != 2:
            raise MalformedMessage(f"RTP version 2 expected, got {first >> 6}")
        start, contributing = _contributing(packet, first & CSRC_COUNT)
        extension = None
        if first & EXTENSION:
            start, extension = _extension(packet, start)
        end = len(packet) - (_padding(packet, start) if first & PADDING else 0)
        return cls(
            payload_type=second & 0x7F,
            sequence=sequence,
            timestamp=timestamp,
            ssrc=ssrc,
            payload=packet[start:end],
            marker=bool(second & MARKER),
            contributing=contributing,
            extension=extension,
        )

    def __bytes__(self) -> bytes:
        first = PLAIN | len(self.contributing) | (EXTENSION if self.extension else 0)
        second = self.payload_type | (MARKER if self.marker else 0)
        parts = [HEADER.pack(first, second, self.sequence, self.timestamp, self.ssrc)]
        parts += [source.to_bytes(4, "big") for source in self.contributing]
        if self.extension is not None:
            words = len(self.extension.content) // 4
            parts += [struct.pack("!HH", self.extension.profile, words), self.extension.content]
        return b"".join([*parts, self.payload])


def _contributing(packet: bytes, count: int) -> tuple[int, tuple[int, ...]]:
    end = HEADER_SIZE + 4 * count
    if len(packet) < end:
        raise MalformedMessage(f"RTP announces {count} contributing sources and ends before them")
    return end, struct.unpack_from(f"!{count}I", packet, HEADER_SIZE)


def _extension(packet: bytes, start: int) -> tuple[int, HeaderExtension]:
    if len(packet) < start + 4:
        raise MalformedMessage("RTP announces a header extension and ends before it")
    profile, words = struct.unpack_from("!HH", packet, start)
    end = start + 4 + 4 * words
    if len(packet) < end:
        raise MalformedMessage(f"RTP ends inside a header extension of {words} words")
    return end, HeaderExtension(profile, packet[start + 4 : end])


def _padding(packet: bytes, start: int) -> int:
    padding = packet[-1]
    if not 1 <= padding <= len(packet) - start:
        raise MalformedMessage(f"RTP padding of {padding} bytes does not fit")
    return padding
