"""Speech from libespeak-ng, in a process of its own: the library is GPL-3 and keeps global state.

Arguments: the shared library and its data folder. A request is JSON
`{"text", "voice", "rate": words per minute}`; the chunks are mono signed 16-bit PCM at 22050 Hz,
as the synthesiser makes them.
"""

import ctypes
import json
import sys

from strowger.providers.child_program import Answer, RequestFailed, end_with_parent, serve

RATE = 22050
CHUNK_MILLISECONDS = 40

# speak_lib.h of espeak-ng 1.52
AUDIO_OUTPUT_SYNCHRONOUS = 2
INITIALIZE_DONT_EXIT = 0x8000
PARAMETER_RATE = 1
CHARACTERS_UTF8 = 1
POSITION_CHARACTER = 1
OK = 0
RANDOM_SEED = 1
"""The voices flutter by chance; with one seed the same texts in the same order sound the same."""

SYNTH_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class Synthesiser:
    def __init__(self, library: str, data_folder: str) -> None:
        self._espeak = ctypes.CDLL(library)
        self._answer: Answer | None = None
        self._callback = SYNTH_CALLBACK(self._receive)
        rate = self._espeak.espeak_Initialize(
            AUDIO_OUTPUT_SYNCHRONOUS, CHUNK_MILLISECONDS, data_folder.encode(), INITIALIZE_DONT_EXIT
        )
        if rate != RATE:
            raise SystemExit(f"libespeak-ng speaks at {rate} Hz; expected {RATE}")
        self._espeak.espeak_SetSynthCallback(self._callback)

    def handle(self, payload: bytes, answer: Answer) -> bytes:
        request = json.loads(payload.partition(b"\n")[0])
        voice = request["voice"]
        if self._espeak.espeak_SetVoiceByName(voice.encode()) != OK:
            raise RequestFailed(f"no voice {voice}")
        self._espeak.espeak_SetParameter(PARAMETER_RATE, int(request["rate"]), 0)
        text = request["text"].encode() + b"\0"
        self._answer = answer
        self._espeak.espeak_ng_SetRandSeed(ctypes.c_long(RANDOM_SEED))
        status = self._espeak.espeak_Synth(
            text, ctypes.c_size_t(len(text)), 0, POSITION_CHARACTER, 0, CHARACTERS_UTF8, None, None
        )
        if status != OK:
            raise RequestFailed(f"the text was refused with status {status}")
        return b""

    def _receive(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, _: int) -> int:
        """Called by the library with each piece of audio; 1 stops it."""
        if not samples or count <= 0 or self._answer is None:
            return 0
        return 0 if self._answer.chunk(ctypes.string_at(samples, 2 * count)) else 1


def main() -> None:
    end_with_parent()
    serve(Synthesiser(sys.argv[1], sys.argv[2]).handle)
