"""A child that does what its request says, for the tests of `providers/child.py`."""

import json
import os
import threading
import time

from strowger.providers.child_program import Answer, RequestFailed, end_with_parent, serve


def handle(payload: bytes, answer: Answer) -> bytes:
    request = json.loads(payload.partition(b"\n")[0])
    body = payload.partition(b"\n")[2]
    match request["do"]:
        case "echo":
            return body
        case "pid":
            return str(os.getpid()).encode()
        case "count":
            for number in range(request["to"]):
                if not answer.chunk(b"%d " % number):
                    return b"stopped"
        case "forever":
            while answer.chunk(b"x"):
                time.sleep(0.001)
        case "stick":
            time.sleep(60)
        case "linger":
            threading.Thread(target=time.sleep, args=(60,)).start()  # which its end waits for
            return str(os.getpid()).encode()
        case "die":
            answer.chunk(b"last words")
            raise OSError("the child's complaint")
        case "refuse":
            raise RequestFailed("not this")
        case "print":
            print("noise between the frames", flush=True)
            os.write(1, b"and more noise\n")
        case "garbage":
            os.write(answer._pipe._outgoing, b"\xff" * 64)
    return b""


def main() -> None:
    end_with_parent()
    serve(handle)
