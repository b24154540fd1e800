"""Recordings in other formats than the one they are written in, made when first asked for.

The file made is kept beside the WAV file and as new as it: asked for again, it is there.
"""

import os
import secrets
from enum import StrEnum
from pathlib import Path

import anyio
import anyio.to_thread

from strowger.errors import StrowgerError

BLOCK = 65_536
"""Samples that are converted at a time."""


class RecordingFormat(StrEnum):
    WAV = "wav"
    MP3 = "mp3"
    OGG = "ogg"
    """Ogg with Vorbis."""

    @property
    def media_type(self) -> str:
        return {"wav": "audio/wav", "mp3": "audio/mpeg", "ogg": "audio/ogg"}[self.value]


class UnreadableSound(StrowgerError):
    """A file that is no sound, or is damaged."""


async def in_format(wav: Path, format: RecordingFormat) -> Path:
    """The recording's file in this format.

    Raises FileNotFoundError where it is gone, and UnreadableSound where it holds no sound.
    """
    if format is RecordingFormat.WAV:
        return wav
    wanted, source = anyio.Path(wav.with_suffix(f".{format.value}")), anyio.Path(wav)
    written = (await source.stat()).st_mtime_ns
    try:
        if (await wanted.stat()).st_mtime_ns >= written:
            return Path(wanted)
    except FileNotFoundError:
        pass
    await anyio.to_thread.run_sync(_convert, wav, Path(wanted), format)
    return Path(wanted)


def _convert(wav: Path, wanted: Path, format: RecordingFormat) -> None:
    """Whole or not at all: two that convert at once each replace the other's."""
    import soundfile  # slow to load, and few need it

    fresh = wanted.with_name(f".{wanted.name}.{secrets.token_hex(4)}")
    try:
        with (
            soundfile.SoundFile(wav) as source,
            soundfile.SoundFile(
                fresh,
                "w",
                samplerate=source.samplerate,
                channels=source.channels,
                format=format.value.upper(),
            ) as target,
        ):
            while len(block := source.read(BLOCK, dtype="int16")):
                target.write(block)
        os.replace(fresh, wanted)
    except soundfile.SoundFileError as error:
        raise UnreadableSound(f"{wav.name}: {error}") from error
    finally:
        fresh.unlink(missing_ok=True)
