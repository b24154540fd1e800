"""One line's RTCP: what it reports of itself and of the far end, and when (RFC 3550 section 6)."""

from typing import Final

from strowger.errors import MalformedMessage
from strowger.media.reception import RATE, Reception
from strowger.media.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    middle_bits,
    ntp_time,
    parse_rtcp,
    round_trip,
    serialise,
)

INTERVAL: Final = 5.0
"""Seconds between reports, on average."""
PAYLOAD_OCTETS: Final = 160


class Reports:
    """The reports of one line."""

    __slots__ = (
        "_chance", "_cname", "_expected_before", "_far_ntp", "_far_report_at", "_received_before",
        "next_at", "round_trip", "ssrc",
    )  # fmt: skip

    def __init__(self, ssrc: int, cname: str, *, seed: int, now: float) -> None:
        self.ssrc = ssrc
        self.round_trip: float | None = None
        """Seconds, by the far end's last report."""
        self._cname = cname
        self._chance = (seed * 0x9E3779B97F4A7C15 + ssrc + 1) & 0xFFFFFFFFFFFFFFFF
        self._far_ntp = 0
        self._far_report_at = 0.0
        self._expected_before = 0
        self._received_before = 0
        self.next_at = now + self._interval() / 2

    def receive(self, packet: bytes, *, now: float) -> None:
        """Note what the far end reports; what cannot be read is passed over."""
        try:
            packets = parse_rtcp(packet)
        except MalformedMessage:
            return
        for each in packets:
            if isinstance(each, SenderReport):
                self._far_ntp, self._far_report_at = each.ntp, now
            if isinstance(each, SenderReport | ReceiverReport):
                for block in each.blocks:
                    if block.ssrc == self.ssrc:
                        measured = round_trip(block, ntp_time(now))
                        self.round_trip = self.round_trip if measured is None else measured

    def compose(self, reception: Reception, *, packets: int, timestamp: int, now: float) -> bytes:
        """The report that is due; `timestamp` is that of what is sent at `now`."""
        self.next_at = now + self._interval()
        return serialise(self._report(reception, packets=packets, timestamp=timestamp, now=now))

    def farewell(self, reception: Reception, *, packets: int, timestamp: int, now: float) -> bytes:
        """The last report, with BYE (section 6.6)."""
        report = self._report(reception, packets=packets, timestamp=timestamp, now=now)
        return serialise([*report, Goodbye(ssrcs=(self.ssrc,))])

    def _report(
        self, reception: Reception, *, packets: int, timestamp: int, now: float
    ) -> list[RtcpPacket]:
        description = SourceDescription(ssrc=self.ssrc, cname=self._cname)
        blocks = self._blocks(reception, now)
        if packets == 0:
            return [ReceiverReport(ssrc=self.ssrc, blocks=blocks), description]
        report = SenderReport(
            ssrc=self.ssrc,
            ntp=ntp_time(now),
            timestamp=timestamp & 0xFFFFFFFF,
            packets=packets & 0xFFFFFFFF,
            octets=packets * PAYLOAD_OCTETS & 0xFFFFFFFF,
            blocks=blocks,
        )
        return [report, description]

    def _blocks(self, reception: Reception, now: float) -> tuple[ReportBlock, ...]:
        """What is to be said of the far end's stream, once there is one (appendix A.3)."""
        if reception.ssrc is None:
            return ()
        expected = reception.expected - self._expected_before
        lost = expected - (reception.unique - self._received_before)
        self._expected_before, self._received_before = reception.expected, reception.unique
        delay = now - self._far_report_at if self._far_ntp else 0.0
        return (
            ReportBlock(
                ssrc=reception.ssrc,
                fraction_lost=min(255, 256 * lost // expected) if 0 < lost <= expected else 0,
                lost=reception.expected - reception.unique,
                highest_sequence=reception.highest_sequence & 0xFFFFFFFF,
                jitter=int(reception.jitter) & 0xFFFFFFFF,
                last_report=middle_bits(self._far_ntp),
                delay=int(delay * 65536) & 0xFFFFFFFF,
            ),
        )

    def _interval(self) -> float:
        """Half to one and a half intervals, evenly (section 6.2), by a congruential generator."""
        self._chance = (self._chance * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return INTERVAL * (0.5 + (self._chance >> 33) / (1 << 31))


def seconds_of_jitter(reception: Reception) -> float:
    return reception.jitter / RATE
