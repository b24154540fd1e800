from pathlib import Path

import pytest

from strowger.errors import ProviderError
from strowger.providers.installed import find_kokoro, find_piper, find_whisper


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strowger.providers.installed.find_spec", lambda name: None)
    for find, package in (
        (lambda: find_whisper(tmp_path), "whisper"),
        (lambda: find_piper(tmp_path), "piper"),
        (lambda: find_kokoro(tmp_path, tmp_path), "kokoro"),
    ):
        with pytest.raises(ProviderError, match=rf"pip install strowger\[{package}\]"):
            find()


def test_files_that_are_missing_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strowger.providers.installed.folder_of", lambda *_: str(tmp_path))
    with pytest.raises(ProviderError, match="whisper_model names no folder"):
        find_whisper(None)
    with pytest.raises(ProviderError, match="no CTranslate2 model"):
        find_whisper(tmp_path)
    with pytest.raises(ProviderError, match="piper_voices names no folder"):
        find_piper(None)
    (tmp_path / "alone.onnx").touch()
    with pytest.raises(ProviderError, match=r"NAME\.onnx\.json"):
        find_piper(tmp_path)
    with pytest.raises(ProviderError, match="name no files"):
        find_kokoro(None, tmp_path)
    with pytest.raises(ProviderError, match=r"there is no file .*kokoro"):
        find_kokoro(tmp_path / "kokoro.onnx", tmp_path / "voices.bin")
