"""Speech by Piper, in a process of its own: the library is GPL-3, and synthesis takes a core.

Argument: the folder of the voices. A request is JSON `{"text", "voice", "speed", "language"}`; the
first chunk is the rate in digits, the others are mono signed 16-bit PCM, a sentence at a time.
"""

import json
import sys
from pathlib import Path

from piper import PiperVoice, SynthesisConfig

from strowger.providers.child_program import Answer, RequestFailed, end_with_parent, serve


class Synthesiser:
    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._voices: dict[str, PiperVoice] = {}

    def handle(self, payload: bytes, answer: Answer) -> bytes:
        request = json.loads(payload.partition(b"\n")[0])
        voice = self._voice(request["voice"])
        pace = SynthesisConfig(length_scale=1 / request["speed"])
        told = False
        for chunk in voice.synthesize(request["text"], pace):
            if not told:
                answer.chunk(str(chunk.sample_rate).encode())
                told = True
            if not answer.chunk(chunk.audio_int16_bytes):
                break
        return b""

    def _voice(self, name: str) -> PiperVoice:
        if name not in self._voices:
            try:
                self._voices[name] = PiperVoice.load(self._folder / f"{name}.onnx")
            except (OSError, ValueError, KeyError) as error:
                raise RequestFailed(f"the voice {name} cannot be loaded: {error}") from None
        return self._voices[name]


def main() -> None:
    end_with_parent()
    serve(Synthesiser(sys.argv[1]).handle)
