import wave
from pathlib import Path

import pytest

from strowger.errors import Unavailable
from strowger.telephony.recording import WavFile

SECOND = b"\x01\x00\x02\x00" * 8000


def read(path: Path) -> tuple[int, int, int, bytes]:
    with wave.open(str(path), "rb") as file:
        return (
            file.getnchannels(),
            file.getframerate(),
            file.getsampwidth(),
            file.readframes(file.getnframes()),
        )


def test_a_recording_is_a_stereo_wav_of_what_was_written(tmp_path: Path) -> None:
    recording = WavFile(tmp_path / "workspace" / "call.wav")
    recording.write(SECOND)
    recording.write(SECOND)
    recording.close()
    assert recording.duration == 2.0
    assert read(recording.path) == (2, 8000, 2, SECOND * 2)


def test_a_recording_is_whole_before_it_is_closed(tmp_path: Path) -> None:
    recording = WavFile(tmp_path / "call.wav")
    recording.write(SECOND)
    assert read(recording.path) == (2, 8000, 2, SECOND)
    recording.close()


def test_a_full_disk_ends_the_recording_and_not_the_call() -> None:
    recording = WavFile(Path("/dev/full"))  # takes no byte: its header is the first to fail
    recording.write(SECOND)
    assert recording.problem is not None
    recording.write(SECOND)
    assert recording.duration == 0
    recording.close()


def test_a_folder_that_cannot_be_made_says_which(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="file"):
        WavFile(tmp_path / "file" / "call.wav")
