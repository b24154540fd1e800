"""What of local speech this machine has: programs, packages and the models of the operator.

Looks at files alone. It loads none of what it finds, nor what works with it: the API lists voices
without the arithmetic that speech needs.
"""

import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from strowger.errors import ProviderError

KOKORO_VOICES = {
    "en-us": "af_heart", "en-gb": "bf_emma", "es": "ef_dora", "fr-fr": "ff_siwis",
    "hi": "hf_alpha", "it": "if_sara", "ja": "jf_alpha", "pt-br": "pf_dora", "zh": "zf_xiaoxiao",
}  # fmt: skip
"""One for each language that the model speaks."""


@dataclass(frozen=True, slots=True)
class EspeakFiles:
    library: str
    data_folder: str


def find_espeak() -> EspeakFiles:
    """Where the extra `local` has put espeak-ng. Raises ProviderError where it has not."""
    folder = Path(folder_of("espeakng_loader", "local speech", "local"), "espeakng_loader")
    suffix = "dylib" if sys.platform == "darwin" else "so"
    files = EspeakFiles(str(folder / f"libespeak-ng.{suffix}"), str(folder / "espeak-ng-data"))
    if not Path(files.library).exists() or not Path(files.data_folder).is_dir():
        raise ProviderError(f"espeak-ng is incomplete in {folder}", retryable=False)
    return files


def voices_of(files: EspeakFiles) -> dict[str, str]:
    """Each language tag that espeak-ng speaks, lower case, and the name of its voice."""
    voices: dict[str, str] = {}
    for path in sorted(Path(files.data_folder, "lang").rglob("*")):
        if path.is_file():
            for line in path.read_text(errors="replace").splitlines():
                words = line.split()
                if len(words) > 1 and words[0] == "language":
                    voices.setdefault(words[1].lower(), path.name)
    return voices


def find_flite() -> str:
    """The program's path. Raises ProviderError where there is none."""
    program = shutil.which("flite", path="/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    if program is None:
        raise ProviderError("flite is not installed (Debian: apt install flite)", retryable=False)
    return program


def find_pocketsphinx() -> str:
    """The folder that holds the package. Raises ProviderError where there is none."""
    return folder_of("pocketsphinx", "local recognition", "local")


def find_whisper(model: Path | None) -> Path:
    """The model's folder. Raises ProviderError that says what is missing."""
    folder_of("faster_whisper", "whisper", "whisper")
    if model is None:
        raise ProviderError(
            "whisper_model names no folder (STROWGER_WHISPER_MODEL)", retryable=False
        )
    if not (model / "model.bin").is_file():
        raise ProviderError(f"there is no CTranslate2 model in {model}", retryable=False)
    return model


def find_piper(folder: Path | None) -> tuple[Path, tuple[str, ...]]:
    """The folder and the names of its voices. Raises ProviderError that says what is missing."""
    folder_of("piper", "piper", "piper")
    if folder is None:
        raise ProviderError("piper_voices names no folder (STROWGER_PIPER_VOICES)", retryable=False)
    found = (path.stem for path in folder.glob("*.onnx") if Path(f"{path}.json").is_file())
    voices = tuple(sorted(found))
    if not voices:
        problem = f"there is no NAME.onnx with NAME.onnx.json in {folder}"
        raise ProviderError(problem, retryable=False)
    return folder, voices


def find_kokoro(model: Path | None, voices: Path | None) -> tuple[Path, Path]:
    """The files of the model. Raises ProviderError that says what is missing."""
    folder_of("kokoro_onnx", "kokoro", "kokoro")
    if model is None or voices is None:
        raise ProviderError(
            "kokoro_model and kokoro_voices name no files"
            " (STROWGER_KOKORO_MODEL, STROWGER_KOKORO_VOICES)",
            retryable=False,
        )
    for file in (model, voices):
        if not file.is_file():
            raise ProviderError(f"there is no file {file}", retryable=False)
    return model, voices


def folder_of(package: str, name: str, extra: str) -> str:
    """The folder that holds a package. Raises ProviderError where it is not installed."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        problem = f"{name} is not installed: pip install strowger[{extra}]"
        raise ProviderError(problem, retryable=False)
    return str(Path(spec.origin).parents[1])
