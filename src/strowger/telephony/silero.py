"""The Silero voice detection model: the speech model of the media engine, computed with numpy.

The network is Silero VAD v5 for 8 kHz (MIT, see `silero_vad.LICENSE`): magnitudes of a short-time
Fourier transform, four convolutions, an LSTM cell and a sigmoid. Its weights lie beside this file,
as its makers published them; `scripts/silero_weights.py` took them from there.

For many lines at once everything is a product of a few matrices: each is read once for all lines,
which onnxruntime does not do for convolutions (decision 19).
"""

from importlib import resources
from typing import Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from strowger.errors import ConfigurationError
from strowger.media.g711 import Samples
from strowger.media.voice import CHUNK, CONTEXT, STATE

Floats = NDArray[np.float32]

WEIGHTS: Final = "silero_vad.npz"
WINDOW: Final = 128
HOP: Final = 64
HEARD: Final = CONTEXT + CHUNK
MIRRORED: Final = 32
"""Samples at the end of a chunk that are heard once more, backwards, to fill the last window."""
STEPS: Final = (HEARD + MIRRORED - WINDOW) // HOP + 1
"""Windows of a chunk: 4."""
BANDS: Final = WINDOW // 2 + 1
FULL_SCALE: Final = 32768


class SileroModel:
    """Implements `media.voice.SpeechModel`."""

    def __init__(self) -> None:
        """Raises ConfigurationError where the weights are missing or damaged."""
        try:
            with (resources.files(__package__) / WEIGHTS).open("rb") as file:
                published = dict(np.load(file))
        except (OSError, EOFError, ValueError, BadZipFile) as error:
            problem = f"the weights of the voice detection ({WEIGHTS}) cannot be read"
            raise ConfigurationError(f"{problem}; install strowger again: {error}") from error
        self._basis = _columns(published["stft.basis"] / FULL_SCALE)
        self._encoder = [
            (_by_taps(published[f"encoder.{n}.weight"]), published[f"encoder.{n}.bias"])
            for n in range(4)
        ]
        gates = np.concatenate((published["lstm.weight_ih"], published["lstm.weight_hh"]), axis=1)
        biases = published["lstm.bias_ih"] + published["lstm.bias_hh"]
        # Published in the order input, forget, cell, output; here the three with a sigmoid come
        # first, halved: sigmoid(x) is (1 + tanh(x / 2)) / 2, and one tanh does for all four.
        order = np.r_[: 2 * STATE, 3 * STATE : 4 * STATE, 2 * STATE : 3 * STATE]
        halves = np.where(np.arange(4 * STATE) < 3 * STATE, 0.5, 1.0).astype(np.float32)
        self._gates = _columns(gates[order] * halves[:, None])
        self._gate_biases = (biases[order] * halves).astype(np.float32)
        self._output = published["output.weight"].reshape(STATE)
        self._output_bias = published["output.bias"].reshape(())

    def __call__(self, chunks: Samples, state: Floats) -> tuple[Floats, Floats]:
        seen = self._encoded(self._spectrum(chunks))
        state = self._remembered(seen, state)
        logit = np.maximum(state[:, 0], 0) @ self._output + self._output_bias
        return (np.tanh(logit / 2) + 1) / 2, state

    def _spectrum(self, chunks: Samples) -> Floats:
        """Magnitudes [n, STEPS, BANDS]."""
        lines = len(chunks)
        sound = np.empty((lines, HEARD + MIRRORED), np.float32)
        sound[:, :HEARD] = chunks
        sound[:, HEARD:] = chunks[:, HEARD - 2 : HEARD - 2 - MIRRORED : -1]
        halves = sound.reshape(lines, STEPS + 1, HOP)
        windows = np.empty((lines, STEPS, WINDOW), np.float32)
        windows[:, :, :HOP] = halves[:, :-1]
        windows[:, :, HOP:] = halves[:, 1:]
        parts = windows.reshape(-1, WINDOW) @ self._basis  # real ones before imaginary ones
        np.square(parts, out=parts)
        magnitudes = np.sqrt(parts[:, :BANDS] + parts[:, BANDS:])
        return magnitudes.reshape(lines, STEPS, BANDS)

    def _encoded(self, spectrum: Floats) -> Floats:
        """What the four convolutions, three steps wide, make of it: [n, STATE].

        The first keeps the steps, the second and third halve them, and the last sees one only. At
        the ends zeros are seen, which need not be multiplied where only they would be.
        """
        first, second, third, last = self._encoder
        lines = len(spectrum)
        taps = np.zeros((lines, 4, 3, BANDS), np.float32)
        taps[:, 1:, 0] = spectrum[:, :-1]
        taps[:, :, 1] = spectrum
        taps[:, :-1, 2] = spectrum[:, 1:]
        four = _layer(taps.reshape(lines * 4, -1), *first).reshape(lines, 4, -1)
        taps = np.zeros((lines, 2, 3, four.shape[2]), np.float32)
        taps[:, 0, 1:] = four[:, :2]
        taps[:, 1] = four[:, 1:]
        two = _layer(taps.reshape(lines * 2, -1), *second).reshape(lines, -1)
        weights, bias = third
        one = _layer(two, weights[-two.shape[1] :], bias)
        weights, bias = last
        width = one.shape[1]
        return _layer(one, weights[width : 2 * width], bias)

    def _remembered(self, seen: Floats, state: Floats) -> Floats:
        """The LSTM cell: what it puts out, and keeps."""
        gates = np.concatenate((seen, state[:, 0]), axis=1) @ self._gates
        gates += self._gate_biases
        np.tanh(gates, out=gates)
        opened = gates[:, : 3 * STATE]
        opened += 1
        opened *= 0.5
        taken, kept, told = opened[:, :STATE], opened[:, STATE : 2 * STATE], opened[:, 2 * STATE :]
        after = np.empty_like(state)
        cell = np.multiply(kept, state[:, 1], out=after[:, 1])
        cell += taken * gates[:, 3 * STATE :]
        np.multiply(np.tanh(cell), told, out=after[:, 0])
        return after


def _layer(inputs: Floats, weights: Floats, bias: Floats) -> Floats:
    outputs: Floats = inputs @ weights
    outputs += bias
    return np.maximum(outputs, 0, out=outputs)


def _by_taps(kernel: Floats) -> Floats:
    """A convolution's kernel [out, in, taps] as the matrix [taps * in, out]."""
    out = len(kernel)
    return np.ascontiguousarray(kernel.transpose(2, 1, 0)).reshape(-1, out)


def _columns(weights: Floats) -> Floats:
    """A matrix [out, in] as [in, out], laid out as it is read."""
    return np.ascontiguousarray(weights.T, np.float32)
