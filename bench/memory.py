"""Memory of an idle `strowger serve`, without PostgreSQL: `python bench/memory.py [--seconds 10]`.

Starts a server with a data folder of its own, waits until it is ready and idle, and adds up what
its processes hold by /proc/PID/smaps (Linux; processes of other users need root). Per process:
what it alone holds (its own), and the pages of files such as libraries that it has in memory
(files). Together: all of its own, and each file's pages once, as they lie in memory once. PSS is
printed beside it: it is lower where other programs on the machine use the same libraries. The aim
is 250 MB.
"""

import argparse
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

HOST = "127.0.0.1"
READY = "ready;"
READY_WITHIN = 120.0
STOPPED_WITHIN = 60.0
AIM = 250e6


@dataclass(frozen=True)
class Held:
    """What one process holds, in bytes."""

    command: str
    own: int
    files: dict[str, int]
    """Of each mapping of a file, what is in memory and unchanged."""
    pss: int


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def descendants(root: int) -> list[int]:
    """A process and all that it started, directly or not."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        children.setdefault(int(fields[1]), []).append(int(status.parent.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def held_by(pid: int) -> Held:
    folder = Path("/proc", str(pid))
    command = folder.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    own = pss = 0
    files: dict[str, int] = {}
    mapping, resident = "", 0
    for line in folder.joinpath("smaps").read_text().splitlines():
        name, *values = line.split()
        if not name.endswith(":"):  # a mapping: address, permissions, offset, device, inode, path
            mapping = f"{values[4]} {values[1]}" if len(values) > 4 else ""
        elif name == "Rss:":
            resident = 1024 * int(values[0])
        elif name == "Pss:":
            pss += 1024 * int(values[0])
        elif name == "Anonymous:":
            anonymous = 1024 * int(values[0])
            own += anonymous
            files[mapping] = files.get(mapping, 0) + resident - anonymous
    return Held(command, own, files, pss)


def once(held: list[Held]) -> int:
    """Bytes in memory, what several processes map counted once."""
    shared: dict[str, int] = {}
    for each in held:
        for mapping, size in each.files.items():
            shared[mapping] = max(shared.get(mapping, 0), size)
    return sum(each.own for each in held) + sum(shared.values())


def wait_until_ready(errors: IO[str]) -> None:
    said = []
    for line in errors:
        said.append(line)
        if READY in line:
            return
    raise SystemExit("strowger serve did not become ready:\n" + "".join(said))


def measure(seconds: float) -> list[Held]:
    with tempfile.TemporaryDirectory(prefix="strowger-bench-") as data:
        server = subprocess.Popen(
            [
                sys.executable, "-m", "strowger", "serve", "--host", HOST,
                "--port", str(free_port(socket.SOCK_STREAM)),
                "--sip", f"{HOST}:{free_port(socket.SOCK_DGRAM)}", "--data", f"{data}/data",
            ],
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert server.stderr is not None
        try:
            wait_until_ready(server.stderr)
            time.sleep(seconds)
            held = [held_by(pid) for pid in descendants(server.pid)]
            return [each for each in held if "postgres" not in each.command.split(" ")[0]]
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.communicate(timeout=STOPPED_WITHIN)
            except subprocess.TimeoutExpired:
                server.kill()
                server.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to idle first")
    held = measure(parser.parse_args().seconds)
    for each in held:
        role = " ".join(each.command.split()[1:5])
        files = sum(each.files.values())
        print(f"{each.own / 1e6:7.1f} MB its own {files / 1e6:7.1f} MB files  {role}")
    together, pss = once(held), sum(each.pss for each in held)
    verdict = "meets" if together <= AIM else "MISSES"
    print(f"{together / 1e6:7.1f} MB together ({verdict} 250 MB); PSS {pss / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
