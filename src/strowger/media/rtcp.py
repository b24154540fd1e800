"""RTCP packets as bytes and back, RFC 3550 section 6.

Reads leniently: a compound packet is read as far as it makes sense, and packet types that tell
nothing here are passed over. Decides nothing about when reports are sent.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from strowger.errors import MalformedMessage

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, GOODBYE = 200, 201, 202, 203
TYPES: Final = range(192, 224)
"""Second byte of what is RTCP where it shares a port with RTP (RFC 5761 section 4)."""
COMMON = struct.Struct("!BBH")
SENDER = struct.Struct("!IQIII")
BLOCK = struct.Struct("!IIIIII")
CNAME: Final = 1
TEXT_LIMIT: Final = 255
SOURCES_LIMIT: Final = 31
PACKETS_LIMIT: Final = 32
NTP_FRACTION: Final = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportBlock:
    """How one stream reaches its receiver."""

    ssrc: int
    fraction_lost: int
    """In 256ths, since the report before."""
    lost: int
    """Since the beginning; negative where duplicates outnumber losses."""
    highest_sequence: int
    jitter: int
    """In timestamp units."""
    last_report: int
    """Middle 32 bits of the NTP time in the last sender report, 0 for none."""
    delay: int
    """Since that report came, in 65536ths of a second."""

    def __bytes__(self) -> bytes:
        lost = max(-0x800000, min(self.lost, 0x7FFFFF)) & 0xFFFFFF
        return BLOCK.pack(
            self.ssrc, self.fraction_lost << 24 | lost, self.highest_sequence, self.jitter,
            self.last_report, self.delay,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderReport:
    ssrc: int
    ntp: int
    """64 bits; see `ntp_time`."""
    timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()

    def __bytes__(self) -> bytes:
        body = SENDER.pack(self.ssrc, self.ntp, self.timestamp, self.packets, self.octets)
        return _packet(SENDER_REPORT, len(self.blocks), body + b"".join(map(bytes, self.blocks)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverReport:
    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()

    def __bytes__(self) -> bytes:
        body = self.ssrc.to_bytes(4, "big") + b"".join(map(bytes, self.blocks))
        return _packet(RECEIVER_REPORT, len(self.blocks), body)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDescription:
    """Of one source, its canonical name alone."""

    ssrc: int
    cname: str

    def __bytes__(self) -> bytes:
        name = self.cname.encode()[:TEXT_LIMIT]
        chunk = self.ssrc.to_bytes(4, "big") + bytes((CNAME, len(name))) + name + b"\0"
        return _packet(SOURCE_DESCRIPTION, 1, chunk + bytes(-len(chunk) % 4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodbye:
    ssrcs: tuple[int, ...]
    reason: str = ""

    def __bytes__(self) -> bytes:
        body = b"".join(ssrc.to_bytes(4, "big") for ssrc in self.ssrcs)
        if self.reason:
            text = self.reason.encode()[:TEXT_LIMIT]
            body += bytes((len(text),)) + text
        return _packet(GOODBYE, len(self.ssrcs), body + bytes(-len(body) % 4))


RtcpPacket = SenderReport | ReceiverReport | SourceDescription | Goodbye


def parse_rtcp(compound: bytes) -> tuple[RtcpPacket, ...]:
    """Read a compound packet up to its first unreadable part.

    Raises MalformedMessage where already the first one is that.
    """
    packets: list[RtcpPacket] = []
    start = 0
    for number in range(PACKETS_LIMIT):
        if start >= len(compound):
            break
        try:
            kind, count, body = _split(compound, start)
            packet = _read(kind, count, body)
        except MalformedMessage:
            if number == 0:
                raise
            break
        if packet is not None:
            packets.append(packet)
        start += COMMON.size + _length(compound, start)
    if start == 0:
        raise MalformedMessage("empty RTCP packet")
    return tuple(packets)


def serialise(packets: Sequence[RtcpPacket]) -> bytes:
    """A compound packet; its first has to be a report (section 6.1)."""
    return b"".join(bytes(packet) for packet in packets)


def ntp_time(seconds: float) -> int:
    """Seconds as 64-bit NTP fixed point.

    Reports only ever compare it with itself, so any clock that runs evenly serves (section 4).
    """
    return int(seconds * NTP_FRACTION) & 0xFFFFFFFFFFFFFFFF


def middle_bits(ntp: int) -> int:
    """The 32 bits that reports send back."""
    return ntp >> 16 & 0xFFFFFFFF


def round_trip(block: ReportBlock, ntp: int) -> float | None:
    """Seconds to the far end and back, from a block about us that came at `ntp` (section 6.4.1).

    None where it has had no report of ours, or reports a time to come.
    """
    if block.last_report == 0:
        return None
    units = (middle_bits(ntp) - block.last_report - block.delay) & 0xFFFFFFFF
    return units / 65536 if units < 0x80000000 else None


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return COMMON.pack(0x80 | count, kind, len(body) // 4) + body


def _length(compound: bytes, start: int) -> int:
    return 4 * int.from_bytes(compound[start + 2 : start + 4], "big")


def _split(compound: bytes, start: int) -> tuple[int, int, bytes]:
    """Type, count field and body of the packet at `start`."""
    if len(compound) < start + COMMON.size:
        raise MalformedMessage(f"RTCP header of 4 bytes expected, got {len(compound) - start}")
    first, kind, _ = COMMON.unpack_from(compound, start)
    if first >> 6 != 2:
        raise MalformedMessage(f"RTCP version 2 expected, got {first >> 6}")
    end = start + COMMON.size + _length(compound, start)
    if end > len(compound):
        raise MalformedMessage("RTCP packet ends before its announced length")
    return kind, first & 0x1F, compound[start + COMMON.size : end]


def _read(kind: int, count: int, body: bytes) -> RtcpPacket | None:
    match kind:
        case 200:
            return _read_sender_report(count, body)
        case 201:
            _need(body, 4)
            return ReceiverReport(ssrc=_word(body, 0), blocks=_blocks(body, 4, count))
        case 202:
            return _read_description(count, body)
        case 203:
            _need(body, 4 * count)
            return Goodbye(
                ssrcs=struct.unpack_from(f"!{count}I", body), reason=_reason(body, count)
            )
        case _:
            return None


def _read_sender_report(count: int, body: bytes) -> SenderReport:
    _need(body, SENDER.size)
    ssrc, ntp, timestamp, packets, octets = SENDER.unpack_from(body)
    return SenderReport(
        ssrc=ssrc,
        ntp=ntp,
        timestamp=timestamp,
        packets=packets,
        octets=octets,
        blocks=_blocks(body, SENDER.size, count),
    )


def _blocks(body: bytes, start: int, count: int) -> tuple[ReportBlock, ...]:
    _need(body, start + BLOCK.size * count)
    blocks = []
    for offset in range(start, start + BLOCK.size * count, BLOCK.size):
        ssrc, losses, highest, jitter, last_report, delay = BLOCK.unpack_from(body, offset)
        lost = losses & 0xFFFFFF
        blocks.append(
            ReportBlock(
                ssrc=ssrc,
                fraction_lost=losses >> 24,
                lost=lost - 0x1000000 if lost & 0x800000 else lost,
                highest_sequence=highest,
                jitter=jitter,
                last_report=last_report,
                delay=delay,
            )
        )
    return tuple(blocks)


def _read_description(count: int, body: bytes) -> SourceDescription | None:
    """The first source's canonical name, where the first item is that."""
    if count == 0:
        return None
    _need(body, 6)
    if body[4] != CNAME:
        return None
    _need(body, 6 + body[5])
    return SourceDescription(ssrc=_word(body, 0), cname=_text(body[6 : 6 + body[5]]))


def _reason(body: bytes, count: int) -> str:
    rest = body[4 * count :]
    if not rest or len(rest) < 1 + rest[0]:
        return ""
    return _text(rest[1 : 1 + rest[0]])


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _word(body: bytes, start: int) -> int:
    return int.from_bytes(body[start : start + 4], "big")


def _need(body: bytes, size: int) -> None:
    if len(body) < size:
        raise MalformedMessage(f"RTCP body of {size} bytes expected, got {len(body)}")
