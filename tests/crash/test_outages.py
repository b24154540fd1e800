"""One thing goes wrong at a time, with the real processes."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from strowger.store.cluster import Cluster
from tests.crash.house import House
from tests.crash.load import AGENT
from tests.crash.plan import Kill, Victim
from tests.e2e.server import HOST, Callee, callee

HELLO = str(Path(__file__).parent / "personas" / "hello.yaml")
PATIENCE = 60.0  # seconds
ASKS: dict[str, object] = {
    "name": "waits",
    "flow": {
        "start": "ask",
        "nodes": {
            "ask": {"type": "ask", "text": "Hello?", "expect": {"type": "yes_no"}, "next": "end"},
            "end": {"type": "end", "text": "Goodbye."},
        },
    },
    "turn_taking": {"silence_timeout": 60},
}


class Customer:
    """Speaks to the API, and waits for what has to come."""

    def __init__(self, house: House) -> None:
        headers = {"Authorization": f"Bearer {house.key}"}
        self.client = httpx2.Client(base_url=house.url, headers=headers, trust_env=False)
        self._numbers = iter(range(1, 1000))

    def add_trunk(self, listener: Callee) -> None:
        trunk = {"name": f"{listener.port}", "host": HOST, "port": listener.port}
        answer = self.client.post("/v1/trunks", json=trunk | {"is_default": True})
        assert answer.status_code == 201, answer.text

    def place(self, agent: dict[str, object] = AGENT) -> httpx2.Response:
        number = f"+1415300{next(self._numbers):04}"
        return self.client.post("/v1/calls", json={"to": number, "agent": agent, "record": False})

    def call(self, id: str) -> dict[str, Any]:
        return dict(self.client.get(f"/v1/calls/{id}").json())

    def ended(self, id: str) -> dict[str, Any]:
        until(lambda: self._get(id).get("ended_at") is not None)
        return self.call(id)

    def in_progress(self, id: str) -> None:
        until(lambda: self._get(id).get("status") == "in_progress")

    def _get(self, id: str) -> dict[str, Any]:
        try:
            answer = self.client.get(f"/v1/calls/{id}")
        except httpx2.HTTPError:
            return {}
        return dict(answer.json()) if answer.status_code == 200 else {}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def living(folder: Path, *, workers: int = 1, lines: int = 8) -> Iterator[tuple[House, Customer]]:
    folder.mkdir(parents=True, exist_ok=True)
    house = House(folder, workers=workers, lines=lines)
    house.start()
    try:
        house.wait_until_ready()
        house.make_key()
        customer = Customer(house)
        with customer.client:
            yield house, customer
    finally:
        if house.running():
            house.stop()


@pytest.fixture(scope="module")
def inhabited(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[House, Customer]]:
    """A house with two workers, for who leaves it as it was found."""
    with living(tmp_path_factory.mktemp("house"), workers=2) as house_and_customer:
        yield house_and_customer


def test_a_database_that_dies_answers_503_comes_back_and_has_lost_nothing(
    inhabited: tuple[House, Customer], tmp_path: Path
) -> None:
    house, customer = inhabited
    with callee(tmp_path, HELLO) as listener:
        customer.add_trunk(listener)
        accepted = [customer.place() for _ in range(3)]
        died = house.kill(Kill(0.0, Victim.DATABASE, 1))
        assert died is not None
        answers = [customer.place()]
        while answers[-1].status_code != 201:
            assert answers[-1].status_code == 503, answers[-1].text
            assert answers[-1].json()["code"] == "unavailable"
            assert len(answers) < 200
            time.sleep(0.1)
            answers.append(customer.place())
        assert Cluster(house.data / "postgres").lives()
        until(lambda: "the database is back" in house.said())
        for answer in (*accepted, answers[-1]):
            assert answer.status_code == 201
            assert customer.ended(answer.json()["id"])["status"] == "completed"
        assert listener.rung() == 4, "what was refused with 503 rings nobody"


def test_a_worker_that_was_thought_lost_hangs_up_when_it_is_back(
    inhabited: tuple[House, Customer], tmp_path: Path
) -> None:
    house, customer = inhabited
    with callee(tmp_path, "silent") as listener:
        customer.add_trunk(listener)
        id = customer.place(ASKS).json()["id"]
        customer.in_progress(id)
        holder = _holder(house, listener)
        os.kill(holder, signal.SIGSTOP)
        try:
            call = customer.ended(id)
        finally:
            os.kill(holder, signal.SIGCONT)
        assert (call["status"], call["end_reason"]) == ("failed", "worker_lost")
        until(lambda: any(report["event"] == "hung_up" for report in listener.reports()))
        last = listener.reports()[-1]
        assert (last["event"], last["by"]) == ("hung_up", "agent")
        assert customer.call(id) == call, "what customers were told stays as it is"
        assert "call.settled_by_another" in house.said()


def test_a_server_that_is_stopped_lets_calls_end_and_dials_the_rest_when_it_is_back(
    tmp_path: Path,
) -> None:
    with (
        callee(tmp_path, HELLO) as listener,
        living(tmp_path / "house", lines=2) as (house, customer),
    ):
        customer.add_trunk(listener)
        ids = [customer.place().json()["id"] for _ in range(5)]
        customer.in_progress(ids[0])
        assert house.stop() == 0
        house.start()
        house.wait_until_ready()
        for id in ids:
            call = customer.ended(id)
            assert call["status"] == "completed", call
            assert call["end_reason"] in {"agent_hangup", "callee_hangup"}, call
        assert listener.rung() == 5


def _holder(house: House, listener: Callee) -> int:
    """The worker that placed the call, by the port that the INVITE came from."""
    source = next(report for report in listener.reports() if report["event"] == "rang")["source"]
    number = int(source.rpartition(":")[2]) - house.sip + 1
    return int((house.data / f"worker-{number}.lock").read_text())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of 160 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=160m,mode=0755", "tmpfs", str(disk)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small disk: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_answers_503_and_loses_nothing(small_disk: Path, tmp_path: Path) -> None:
    with (
        callee(tmp_path, HELLO) as listener,
        living(small_disk / "house") as (_, customer),
    ):
        customer.add_trunk(listener)
        accepted = [customer.place().json()["id"] for _ in range(3)]
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(1 << 16))
        refused = 0
        while refused < 5:
            answer = customer.place({**AGENT, "prompt": "x" * 20_000})
            assert answer.status_code in {201, 503}, answer.text
            if answer.status_code == 201:
                accepted.append(answer.json()["id"])
            refused += answer.status_code == 503
        ballast.unlink()
        while (answer := customer.place()).status_code != 201:
            assert answer.status_code == 503, answer.text
            time.sleep(0.2)
        accepted.append(answer.json()["id"])
        for id in accepted:
            assert customer.ended(id)["status"] == "completed"
        assert listener.rung() == len(accepted)
