"""A customer's endpoint in a process of its own: `python -m tests.crash.receiver LOG SEED`.

Writes down each delivery, with the time and what it answered. Some events it refuses the first
time they come, some it answers slowly: which ones follows from the seed and the event's id. The
first line on standard output is its port; the end of standard input is the order to stop.
"""

import json
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TextIO

REFUSED = 0.03
"""Share of events that are answered with 500 the first time."""
SLOW = 0.05
SLOWEST = 2.0
"""Seconds."""


class Endpoint(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, log: TextIO, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), Taker)
        self.log = log
        self.seed = seed
        self.seen: set[str] = set()
        self.lock = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """The sender was killed in mid-sentence; anything else is a defect here."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def take(self, event: str, call: str, type: str) -> int:
        """Write the delivery down; the status to answer with."""
        chance = random.Random(f"{self.seed} {type} {event[-4:]}")
        refused, slow = chance.random() < REFUSED, chance.random() < SLOW
        with self.lock:
            status = 500 if refused and event not in self.seen else 200
            self.seen.add(event)
            line = {"at": time.time(), "event": event, "call": call, "type": type, "status": status}
            print(json.dumps(line), file=self.log, flush=True)
        if slow:
            time.sleep(chance.uniform(0.0, SLOWEST))
        return status


class Taker(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Endpoint

    def do_POST(self) -> None:
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["content-length"])))
        call = str(body["data"].get("call_id", ""))
        status = self.server.take(str(self.headers["webhook-id"]), call, str(body["type"]))
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """What there is to say is in the log."""


def main() -> None:
    path, seed = Path(sys.argv[1]), int(sys.argv[2])
    with path.open("a") as log:
        endpoint = Endpoint(log, seed)
        threading.Thread(target=endpoint.serve_forever, daemon=True).start()
        print(endpoint.server_address[1], flush=True)
        sys.stdin.read()
        endpoint.shutdown()


if __name__ == "__main__":
    main()
