"""Smart Turn v3: an ONNX model that hears whether somebody is done speaking.

The model file is the operator's (`STROWGER_TURN_MODEL`); nothing is downloaded. One session for
all calls of a process, one thread for it: a decision takes some 30 ms of one core, and several at
once take longer than one after another. Who would have to wait too long is told nothing.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from strowger.errors import ConfigurationError
from strowger.media.resample import Resampler
from strowger.ports import LINE_RATE

RATE: Final = 16000
SECONDS: Final = 8
SAMPLES: Final = RATE * SECONDS
WINDOW: Final = 400
HOP: Final = 160
MELS: Final = 80
FRAMES: Final = SAMPLES // HOP
MOST_WAITING: Final = 6
"""Pauses that may wait for the thread; one more would hear of it after its turn is over."""

Floats = NDArray[np.float32]


class Session(Protocol):
    """As much of an onnxruntime.InferenceSession as is used here."""

    def run(self, names: None, inputs: Mapping[str, Floats], /) -> Sequence[Floats]: ...


class SmartTurn:
    """`ports.TurnJudge`. Use as a context manager."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="turn model")
        self._waiting = 0

    def __enter__(self) -> "SmartTurn":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def judge(self, pcm: bytes) -> float | None:
        if self._waiting >= MOST_WAITING:
            return None
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._listen, pcm)
        finally:
            self._waiting -= 1

    def _listen(self, pcm: bytes) -> float:
        features = log_mel(wide(pcm))[np.newaxis]
        (over, *_) = self._session.run(None, {"input_features": features})
        return float(np.clip(over.reshape(-1)[0], 0.0, 1.0))


def load(path: Path) -> SmartTurn:
    """Raises ConfigurationError where there is no such model."""
    import onnxruntime  # half a second: only who has a model needs it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    try:
        if not path.is_file():
            raise ConfigurationError(f"turn_model: there is no file {path}")
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except ConfigurationError:
        raise
    except Exception as error:  # onnxruntime's own have no common root
        raise ConfigurationError(f"turn_model: {path} cannot be loaded: {error}") from error
    names = [each.name for each in session.get_inputs()]
    if names != ["input_features"]:
        raise ConfigurationError(
            f"turn_model: {path} is no Smart Turn v3 model: expected input_features, got {names}"
        )
    return SmartTurn(session)


def wide(pcm: bytes) -> Floats:
    """The last 8 seconds at 16 kHz, silence before what is shorter, with mean 0 and variance 1."""
    resampler = Resampler(LINE_RATE, RATE)
    sound = np.frombuffer(resampler.process(pcm) + resampler.flush(), "<i2").astype(np.float32)
    sound = sound[-SAMPLES:] / 32768.0
    padded = np.zeros(SAMPLES, np.float32)
    if len(sound):
        padded[SAMPLES - len(sound) :] = sound
    level: Floats = ((padded - padded.mean()) / np.sqrt(padded.var() + 1e-7)).astype(np.float32)
    return level


def log_mel(sound: Floats) -> Floats:
    """Whisper's features: 80 mel bands in 10 ms steps, as logarithms, scaled as it was trained."""
    padded = np.pad(sound, WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:FRAMES]
    power = np.abs(np.fft.rfft(frames * _HANN, axis=1)) ** 2
    mel = np.log10(np.maximum(_FILTERS @ power.T, 1e-10))
    mel = np.maximum(mel, mel.max() - 8.0)
    scaled: Floats = ((mel + 4.0) / 4.0).astype(np.float32)
    return scaled


def _mel_filters() -> NDArray[np.float64]:
    """Triangles on Slaney's mel scale, each of the same area."""
    bins = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    edges = _hertz(np.linspace(_mel(0.0), _mel(RATE / 2), MELS + 2))
    width = np.diff(edges)
    slopes = edges[:, np.newaxis] - bins[np.newaxis]
    rising = -slopes[:-2] / width[:-1, np.newaxis]
    falling = slopes[2:] / width[1:, np.newaxis]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    area: NDArray[np.float64] = 2.0 / (edges[2:] - edges[:-2])
    return triangles * area[:, np.newaxis]


_LINEAR_TO = 1000.0
_STEP = 200.0 / 3
_LOG_STEP = np.log(6.4) / 27.0


def _mel(hertz: float) -> float:
    if hertz < _LINEAR_TO:
        return hertz / _STEP
    return float(_LINEAR_TO / _STEP + np.log(hertz / _LINEAR_TO) / _LOG_STEP)


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = mels * _STEP
    above = _LINEAR_TO * np.exp(_LOG_STEP * (mels - _LINEAR_TO / _STEP))
    return np.where(mels >= _LINEAR_TO / _STEP, above, linear)


_FILTERS: Final = _mel_filters()
_HANN: Final = np.hanning(WINDOW + 1)[:-1]
