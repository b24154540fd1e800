import asyncio
import ssl
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strowger.webhooks.egress import EgressGuard, allowed, guarded_client, resolve
from tests.webhooks.server import listening, says

pytestmark = pytest.mark.anyio

REFUSED = r"not allowed|cannot be resolved|Invalid IPv4"
LOOPBACK = (ip_network("127.0.0.0/8"),)

FORBIDDEN = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = [
    "8.8.8.8",
    "93.184.216.34",
    "172.32.0.1",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_addresses_that_are_not_public_are_forbidden(address: str) -> None:
    assert not allowed(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert allowed(ip_address(address))


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "2002:a01:203::"]
)
def test_a_network_the_operator_allows_is_open_in_every_spelling(address: str) -> None:
    assert allowed(ip_address(address), (ip_network("10.1.0.0/16"),))
    assert not allowed(ip_address(address), (ip_network("10.2.0.0/16"), ip_network("fd00::/8")))


@given(st.ip_addresses(v=4))
def test_an_address_wrapped_in_ipv6_is_judged_as_itself(address: object) -> None:
    plain = ip_address(str(address))
    number = int(plain)
    for wrapped in (
        ip_address((0xFFFF << 32) + number),
        ip_address((0x64FF9B << 96) + number),
        ip_address((0x2002 << 112) + (number << 80) + 1),
    ):
        assert allowed(wrapped) == allowed(plain)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "0177.1",
        "017700000001",
        "0x7F000001",
        "0x7f.0x0.0x0.0x1",
        "127.0.1",
        "0",
        "0.0.0.0",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:0:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[::]",
    ],
)
async def test_every_spelling_of_this_machine_is_refused(host: str) -> None:
    async with listening() as endpoint, guarded_client() as client:
        # 0177 is refused as a spelling already, the others for where they lead.
        with pytest.raises((httpx2.ConnectError, httpx2.InvalidURL), match=REFUSED):
            await client.post(f"http://{host}:{endpoint.port}/", content=b"x")
        assert endpoint.received == []


async def test_the_address_that_was_checked_is_the_one_connected_to() -> None:
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        """The first answer is harmless, all later ones lead inside."""
        asked.append(host)
        return ["127.0.0.2"] if len(asked) == 1 else ["127.0.0.1"]

    async with listening(host="127.0.0.2") as endpoint:
        networks = (ip_network("127.0.0.2/32"),)
        async with guarded_client(networks, resolve=rebinding) as client:
            url = f"http://customer.example:{endpoint.port}/hook"
            answer = await client.post(url, content=b"x")
        assert answer.status_code == 200
        assert asked == ["customer.example"]
        (received,) = endpoint.received
        assert received.headers["host"] == f"customer.example:{endpoint.port}"


async def test_a_name_that_moves_inside_between_two_deliveries_is_refused() -> None:
    """DNS rebinding over time: each connection is judged anew."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])

    async def moving(host: str, port: int) -> Sequence[str]:
        return next(answers)

    async with listening() as endpoint, guarded_client(LOOPBACK, resolve=moving) as client:
        url = f"http://customer.example:{endpoint.port}/"
        assert (await client.post(url, content=b"x")).status_code == 200
        with pytest.raises(httpx2.ConnectError, match=r"10\.0\.0\.1"):
            await client.post(url, content=b"x")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("inside", ["10.0.0.1", "169.254.169.254", "[::1]", "2130706433"])
async def test_no_kind_of_redirect_leads_inside(status: int, inside: str) -> None:
    redirect = (
        f"HTTP/1.1 {status} Moved\r\nlocation: http://{inside}/\r\n"
        "content-length: 0\r\nconnection: close\r\n\r\n"
    ).encode()
    async with listening(says(redirect)) as endpoint, guarded_client(LOOPBACK) as client:
        assert (await client.post(endpoint.url, content=b"x")).status_code == status
        assert len(endpoint.received) == 1


async def test_one_forbidden_address_among_good_ones_is_enough() -> None:
    async def mixed(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1", "10.0.0.1"]

    async with listening() as endpoint:
        async with guarded_client(LOOPBACK, resolve=mixed) as client:
            with pytest.raises(httpx2.ConnectError, match=r"10\.0\.0\.1"):
                await client.post(f"http://mixed.example:{endpoint.port}/", content=b"x")
        assert endpoint.received == []


async def test_the_next_address_is_tried_where_the_first_does_not_answer() -> None:
    async def two(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.3", "127.0.0.1"]

    async with listening() as endpoint, guarded_client(LOOPBACK, resolve=two) as client:
        answer = await client.post(f"http://two.example:{endpoint.port}/", content=b"x")
        assert answer.text == "ok"


async def test_a_redirect_is_not_followed() -> None:
    redirect = (
        b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\n"
        b"content-length: 0\r\nconnection: close\r\n\r\n"
    )
    async with listening(says(redirect)) as endpoint, guarded_client(LOOPBACK) as client:
        answer = await client.post(endpoint.url, content=b"x")
        assert answer.status_code == 302
        assert len(endpoint.received) == 1


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as proxy, listening() as endpoint:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with guarded_client(LOOPBACK) as client:
            await client.post(endpoint.url, content=b"x")
        assert len(endpoint.received) == 1
        assert proxy.received == []


async def test_a_name_that_does_not_exist_is_a_connection_that_fails() -> None:
    async def nobody(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    async def nothing(host: str, port: int) -> Sequence[str]:
        return []

    for broken in (nobody, nothing):
        async with guarded_client(resolve=broken) as client:
            with pytest.raises(httpx2.ConnectError):
                await client.post("http://nobody.example/", content=b"x")


async def test_the_tls_name_stays_that_of_the_url() -> None:
    """The guard connects to a number, but asks for, and checks, the name's certificate."""
    asked = asyncio.get_running_loop().create_future()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set_result(await reader.read(2000))
        writer.close()

    async def loopback(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        tls = ssl.create_default_context()
        async with guarded_client(LOOPBACK, resolve=loopback, tls=tls) as client:
            with pytest.raises(httpx2.HTTPError):
                await client.post(f"https://customer.example:{port}/", content=b"x")
        assert b"customer.example" in await asked


async def test_unix_sockets_are_closed_to_customers() -> None:
    with pytest.raises(Exception, match="unix socket"):
        await EgressGuard().connect_unix_socket("/run/docker.sock")


async def test_the_systems_resolver_gives_each_address_once() -> None:
    assert await resolve("127.0.0.1", 80) == ["127.0.0.1"]
