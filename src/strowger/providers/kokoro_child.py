"""Speech by Kokoro, in a process of its own: synthesis takes a core, and its phonemes are GPL-3.

Arguments: the model's ONNX file and the file of its voices. Requests and chunks are those of
`piper_child.py`.
"""

import json
import sys

import numpy as np
from kokoro_onnx import Kokoro

from strowger.providers.child_program import Answer, RequestFailed, end_with_parent, serve


class Synthesiser:
    def __init__(self, model: str, voices: str) -> None:
        self._kokoro = Kokoro(model, voices)

    def handle(self, payload: bytes, answer: Answer) -> bytes:
        request = json.loads(payload.partition(b"\n")[0])
        try:
            samples, rate = self._kokoro.create(
                request["text"],
                voice=request["voice"],
                speed=request["speed"],
                lang=request["language"],
            )
        except (AssertionError, KeyError, RuntimeError, ValueError) as error:
            raise RequestFailed(f"the text cannot be spoken: {error}") from None
        answer.chunk(str(rate).encode())
        pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
        step = 2 * rate // 5
        for start in range(0, len(pcm), step):
            if not answer.chunk(pcm[start : start + step]):
                break
        return b""


def main() -> None:
    end_with_parent()
    serve(Synthesiser(sys.argv[1], sys.argv[2]).handle)
