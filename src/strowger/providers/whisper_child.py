"""Recognition by faster-whisper, in a process of its own: it takes all the time of some cores.

Argument: the folder of a CTranslate2 model. A request is a line of JSON `{"language", "hints"}`
and the 16 kHz PCM of one whole turn after it. DONE is JSON `{"text", "confidence", "words":
[[text, start, end, confidence] …]}`.
"""

import json
import math
import os
import sys

import numpy as np
from faster_whisper import WhisperModel

from strowger.providers.child_program import Answer, RequestFailed, end_with_parent, serve

MOST_THREADS = 4
NO_SPEECH = 0.8
"""Above this likelihood a segment is noise that words were read into."""


class Recogniser:
    def __init__(self, folder: str) -> None:
        threads = min(MOST_THREADS, os.cpu_count() or 1)
        self._model = WhisperModel(
            folder, compute_type="auto", cpu_threads=threads, local_files_only=True
        )

    def handle(self, payload: bytes, answer: Answer) -> bytes:
        head, _, pcm = payload.partition(b"\n")
        request = json.loads(head)
        samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.float32) / 32768
        try:
            segments, _ = self._model.transcribe(
                samples,
                language=request["language"],
                hotwords=request["hints"] or None,
                beam_size=1,
                temperature=0.0,
                condition_on_previous_text=False,
                word_timestamps=True,
            )
            heard = [segment for segment in segments if segment.no_speech_prob < NO_SPEECH]
        except (RuntimeError, ValueError) as error:
            raise RequestFailed(f"the turn cannot be recognised: {error}") from None
        words = [
            [word.word.strip(), word.start, word.end, word.probability]
            for segment in heard
            for word in segment.words or ()
        ]
        likely = [math.exp(segment.avg_logprob) for segment in heard]
        found = {
            "text": " ".join(segment.text.strip() for segment in heard),
            "confidence": sum(likely) / len(likely) if likely else 0.0,
            "words": words,
        }
        return json.dumps(found).encode()


def main() -> None:
    end_with_parent()
    serve(Recogniser(sys.argv[1]).handle)
