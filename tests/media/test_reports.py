from strowger.media.reception import Reception
from strowger.media.reports import Reports
from strowger.media.rtcp import ReceiverReport, ReportBlock, SenderReport, ntp_time, parse_rtcp


def heard(reception: Reception, sequences: list[int]) -> Reception:
    reception.ssrc = 8
    for sequence in sequences:
        reception.count(sequence & 0xFFFF)
    return reception


def block(reports: Reports, reception: Reception, now: float) -> ReportBlock:
    compound = reports.compose(reception, packets=3, timestamp=480, now=now)
    report = parse_rtcp(compound)[0]
    assert isinstance(report, SenderReport)
    (only,) = report.blocks
    return only


def reports() -> Reports:
    return Reports(5, "cname", seed=1, now=0.0)


def test_losses_are_reported_in_all_and_as_a_part_of_what_came_since_the_last_report() -> None:
    subject, reception = reports(), Reception()
    heard(reception, [n for n in range(65530, 65530 + 100) if n % 4])
    first = block(subject, reception, 5.0)
    assert (first.ssrc, first.lost, first.highest_sequence) == (8, 25, 65629)
    assert first.fraction_lost == 256 * 25 // 100
    heard(reception, list(range(65630, 65700)))
    second = block(subject, reception, 10.0)
    assert (second.lost, second.fraction_lost) == (25, 0)


def test_duplicates_are_no_gain() -> None:
    subject, reception = reports(), Reception()
    heard(reception, [0, 1, 1, 2, 2, 2, 3])
    assert (reception.unique, reception.lost) == (4, 0)
    assert block(subject, reception, 5.0).lost == 0


def test_a_sender_that_counts_anew_has_lost_nothing() -> None:
    reception = heard(Reception(), [*range(100), *range(30000, 30100)])
    assert (reception.expected, reception.lost) == (200, 0)


def test_the_far_ends_report_is_named_with_the_time_since() -> None:
    subject = reports()
    report = SenderReport(ssrc=8, ntp=ntp_time(77.5), timestamp=0, packets=1, octets=160)
    subject.receive(bytes(report), now=6.0)
    told = block(subject, heard(Reception(), [1]), 7.5)
    assert told.last_report == ntp_time(77.5) >> 16 & 0xFFFFFFFF
    assert told.delay == int(1.5 * 65536)


def test_before_the_first_packet_there_is_nothing_to_report_of() -> None:
    compound = reports().compose(Reception(), packets=0, timestamp=0, now=5.0)
    report = parse_rtcp(compound)[0]
    assert report == ReceiverReport(ssrc=5)


def test_what_is_said_of_others_or_cannot_be_read_is_passed_over() -> None:
    subject = reports()
    other = ReportBlock(
        ssrc=999, fraction_lost=0, lost=0, highest_sequence=0, jitter=0, last_report=1, delay=0
    )
    subject.receive(bytes(ReceiverReport(ssrc=8, blocks=(other,))), now=6.0)
    subject.receive(b"\x80\xc8", now=6.0)
    assert subject.round_trip is None
