"""RTP sockets on loopback: where packets go, and whose are taken."""

import errno
import select
import socket
from collections.abc import Iterator

import pytest

from strowger.errors import ConfigurationError, Unavailable
from strowger.telephony.sockets import Arrivals, LineSockets, PortPool

HOST = "127.0.0.1"
RTP = bytes([0x80, 0]) + bytes(170)
Sockets = tuple[LineSockets, socket.socket, socket.socket]


@pytest.fixture
def line() -> Iterator[Sockets]:
    """A line, the far end its SDP names, and a stranger."""
    sockets = LineSockets(PortPool(HOST, 21000, 21099))
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as named,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        for peer in (named, stranger):
            peer.bind((HOST, 0))
            peer.settimeout(2)
        host, port = named.getsockname()
        sockets.aim((host, port), (host, port + 1))
        yield sockets, named, stranger
        sockets.close()


def arrived(sockets: LineSockets) -> list[bytes]:
    select.select([sockets.fileno()], [], [], 2)
    return list(sockets.received())


def say(peer: socket.socket, sockets: LineSockets, packet: bytes) -> None:
    peer.sendto(packet, (HOST, sockets.port))


def test_packets_go_where_the_sdp_says_until_one_comes(line: Sockets) -> None:
    sockets, named, _ = line
    sockets.send(RTP)
    assert named.recv(2048) == RTP


def test_packets_go_back_to_where_the_first_one_came_from(line: Sockets) -> None:
    sockets, _, translated = line
    say(translated, sockets, RTP)
    assert arrived(sockets) == [RTP]
    sockets.send(RTP)
    assert translated.recv(2048) == RTP


def test_once_the_peer_is_known_strangers_are_not_heard(line: Sockets) -> None:
    sockets, named, stranger = line
    say(named, sockets, RTP)
    assert arrived(sockets) == [RTP]
    say(stranger, sockets, b"\x80" + bytes(99))
    say(named, sockets, RTP)
    assert arrived(sockets) == [RTP]


def test_what_is_no_rtp_does_not_make_a_peer(line: Sockets) -> None:
    sockets, named, stranger = line
    say(stranger, sockets, b"hello")
    assert arrived(sockets) == []
    sockets.send(RTP)
    assert named.recv(2048) == RTP


def test_a_peer_that_moves_is_heard_from_where_it_says(line: Sockets) -> None:
    sockets, named, elsewhere = line
    say(named, sockets, RTP)
    assert arrived(sockets) == [RTP]
    sockets.aim(elsewhere.getsockname(), (HOST, 9))
    say(elsewhere, sockets, RTP)
    assert arrived(sockets) == [RTP]
    sockets.send(RTP)
    assert elsewhere.recv(2048) == RTP


def test_a_port_that_is_lost_while_the_peer_moves_is_said_and_leaves_the_line_deaf(
    line: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets, named, elsewhere = line
    say(named, sockets, RTP)
    assert arrived(sockets) == [RTP]

    def taken(host: str, port: int) -> socket.socket:
        raise OSError(errno.EADDRINUSE, "Address already in use")

    monkeypatch.setattr("strowger.telephony.sockets._bind", taken)
    with pytest.raises(Unavailable, match=f"{sockets.port} could not be opened again: Address"):
        sockets.aim(elsewhere.getsockname(), (HOST, 9))
    sockets.send(RTP)
    assert list(sockets.received()) == []


def test_before_the_answer_nothing_is_taken() -> None:
    sockets = LineSockets(PortPool(HOST, 21100, 21199))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        say(stranger, sockets, RTP)
        assert arrived(sockets) == []
    sockets.close()


def test_an_unreachable_peer_is_a_lost_packet_not_an_error(line: Sockets) -> None:
    sockets, named, _ = line
    named.close()
    for _ in range(3):
        sockets.send(RTP)
        assert list(sockets.received()) == []


def test_strangers_do_not_hold_up_the_peer_where_packets_are_read_one_at_a_time() -> None:
    arrivals = Arrivals()
    sockets = LineSockets(PortPool(HOST, 21400, 21499, arrivals))
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as named,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        named.bind((HOST, 0))
        host, port = named.getsockname()
        sockets.aim((host, port), (host, port + 1))
        for _ in range(10):
            say(stranger, sockets, b"hello")
        say(named, sockets, RTP)
        say(named, sockets, RTP)
        select.select([sockets.fileno()], [], [], 2)
        assert arrivals.look()
        assert sockets.received() == [RTP], "the first that is the peer's"
        assert sockets.received() == [RTP], "one at a time"
    sockets.close()
    arrivals.close()


def test_a_socket_that_was_closed_does_not_speak_for_the_next_with_its_number() -> None:
    arrivals = Arrivals()
    pool = PortPool(HOST, 21400, 21499, arrivals)
    before = LineSockets(pool)
    number = before.fileno()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((HOST, 0))
        say(peer, before, RTP)
        select.select([before.fileno()], [], [], 2)
        assert arrivals.look()
        before.close()
        after = LineSockets(pool)
        assert after.fileno() == number, "the system gives out the lowest that is free"
        assert list(after.received()) == [], "asked by what was seen of the one before"
        assert not arrivals.look()
        after.aim(peer.getsockname(), (HOST, 9))
        say(peer, after, RTP)
        select.select([after.fileno()], [], [], 2)
        assert arrivals.look()
        assert after.received() == [RTP]
    after.close()
    arrivals.close()


def test_ports_are_even_distinct_and_come_back() -> None:
    pool = PortPool(HOST, 21201, 21206)
    lines = [LineSockets(pool), LineSockets(pool)]
    assert [line.port for line in lines] == [21202, 21204]
    with pytest.raises(Unavailable, match="STROWGER_RTP_PORTS"):
        LineSockets(pool)
    lines[0].close()
    again = LineSockets(pool)
    assert again.port == 21202
    again.close()
    lines[1].close()


def test_a_port_that_somebody_else_holds_is_passed_over() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, 21301))
        line = LineSockets(PortPool(HOST, 21300, 21310))
        assert line.port == 21302
        line.close()


def test_a_range_without_room_is_the_operators_mistake() -> None:
    with pytest.raises(ConfigurationError):
        PortPool(HOST, 21300, 21301)
