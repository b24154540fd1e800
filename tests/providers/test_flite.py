import asyncio
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest

from strowger.agent import VoiceSettings
from strowger.errors import ProviderError
from strowger.precedence import take_precedence
from strowger.providers.flite import FliteSpeech
from strowger.providers.installed import find_flite
from strowger.providers.loudness import active_rms

installed = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")


def said(text: str, settings: VoiceSettings, program: str | None = None) -> bytes:
    async def main() -> bytes:
        voice = FliteSpeech(program or find_flite())
        async with asyncio.timeout(30):
            spoken = voice.speak(text, settings, language="en-US")
            return b"".join([pcm async for pcm in spoken])

    return asyncio.run(main())


@installed
@pytest.mark.parametrize("voice_id", [None, "kal", "rms"])
def test_flite_speaks_as_loud_as_a_telephone_talker(voice_id: str | None) -> None:
    pcm = said("Good morning. Can you hear me?", VoiceSettings(voice_id=voice_id))
    sound = np.frombuffer(pcm, "<i2").astype(float)
    assert 8000 < len(sound) < 5 * 8000
    assert -22 < 20 * np.log10(active_rms(sound) / 32768) < -18
    assert 20 * np.log10(np.abs(sound).max() / 32768) < -3


@installed
def test_speed_changes_how_long_it_takes_to_say() -> None:
    text = "Good morning. Can you hear me?"
    assert len(said(text, VoiceSettings(speed=0.7))) > 1.3 * len(
        said(text, VoiceSettings(speed=1.3))
    )


@installed
def test_a_text_is_never_an_option_or_a_file_name() -> None:
    assert said("-lv", VoiceSettings())
    assert said("/etc/passwd", VoiceSettings())
    assert said("", VoiceSettings()) == b""


@installed
@pytest.mark.parametrize("voice_id", ["nosuchvoice", "awb_time", "/tmp/x.flitevox", "http://x/y"])
def test_a_voice_that_is_not_listed_is_refused(voice_id: str) -> None:
    with pytest.raises(ProviderError, match="has no voice"):
        said("Hello.", VoiceSettings(voice_id=voice_id))


def stand_in(folder: Path, script: str) -> str:
    """A program that does something else."""
    program = folder / "flite"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("exit 3", "ended with 3"),
        ('[ "$1" = -lv ] && echo "Voices available: slt"; exit 0', "made no sound"),
    ],
)
def test_a_program_that_fails_is_a_provider_error(
    tmp_path: Path, script: str, problem: str
) -> None:
    program = stand_in(tmp_path, script)
    with pytest.raises(ProviderError, match=problem):
        said("Hello.", VoiceSettings(), program)


def test_a_program_does_not_take_the_precedence_of_its_worker(tmp_path: Path) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    if not take_precedence(-5):
        pytest.skip("only root may take precedence here")
    try:
        # It waits for what it is given, as it may be quicker than who gives it.
        given = 'for turn in $(seq 100); do [ "$(nice)" = 0 ] && exit 3; sleep 0.02; done; exit 4'
        with pytest.raises(ProviderError, match="ended with 3"):
            said("Hello.", VoiceSettings(), stand_in(tmp_path, given))
    finally:
        take_precedence(own)


def test_a_program_that_is_not_there_is_a_provider_error() -> None:
    with pytest.raises(ProviderError, match="cannot be started"):
        said("Hello.", VoiceSettings(), "/nowhere/flite")
