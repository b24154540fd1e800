"""The turn model's ears and its thread; the model itself is tried where one is at hand."""

import asyncio
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from strowger.errors import ConfigurationError
from strowger.ports import LINE_RATE
from strowger.providers.smart_turn import FRAMES, MELS, MOST_WAITING, SmartTurn, load, log_mel, wide

MODEL = os.environ.get("SMART_TURN_MODEL", "")


def tone(hertz: float, seconds: float) -> bytes:
    time = np.arange(int(seconds * LINE_RATE)) / LINE_RATE
    return (8000 * np.sin(2 * np.pi * hertz * time)).astype("<i2").tobytes()


def test_the_features_are_those_of_whisper_in_shape_and_scale() -> None:
    features = log_mel(wide(tone(1000, 8.0)))
    assert features.shape == (MELS, FRAMES)
    # 8 decades below the loudest is the floor, and 4 of these are one unit
    assert features.max() - features.min() == pytest.approx(2.0)
    # 1 kHz is mel 15 of 45.2: the band whose middle is nearest is the 27th
    assert int(features.mean(axis=1).argmax()) in (25, 26, 27)


def test_short_sound_stands_at_the_end_and_long_sound_keeps_its_end() -> None:
    short = wide(tone(500, 1.0))
    assert np.abs(short[: 7 * 16000 - 100]).max() == pytest.approx(np.abs(short[0]))
    assert np.abs(short[-8000:]).max() > 1.0
    both = tone(500, 2.0) + tone(1500, 8.0)
    assert np.allclose(wide(both)[2000:-2000], wide(tone(1500, 8.0))[2000:-2000], atol=0.05)


def test_nothing_at_all_is_no_trouble() -> None:
    assert np.isfinite(log_mel(wide(b""))).all()


class FakeSession:
    """Says 0.75, once it may."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.shapes: list[tuple[int, ...]] = []

    def run(
        self, names: None, inputs: Mapping[str, NDArray[np.float32]], /
    ) -> Sequence[NDArray[np.float32]]:
        assert self.go_on.wait(10)
        self.shapes.append(inputs["input_features"].shape)
        return [np.array([[0.75]], np.float32)]


def test_one_pause_after_another_is_judged_and_too_many_are_not() -> None:
    async def main() -> None:
        session = FakeSession()
        with SmartTurn(session) as model:
            async with asyncio.TaskGroup() as tasks:
                waiting = [
                    tasks.create_task(model.judge(tone(300, 0.1))) for _ in range(MOST_WAITING)
                ]
                await asyncio.sleep(0)
                assert await model.judge(b"") is None
                session.go_on.set()
            assert [task.result() for task in waiting] == [0.75] * MOST_WAITING
        assert set(session.shapes) == {(1, MELS, FRAMES)}

    asyncio.run(main())


def test_a_file_that_is_no_model_is_the_operators_to_mend(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no file"):
        load(tmp_path / "none.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(ConfigurationError, match="cannot be loaded"):
        load(broken)


@pytest.mark.skipif(not MODEL, reason="no model at hand: set SMART_TURN_MODEL to its path")
def test_the_real_model_gives_a_probability() -> None:
    async def main() -> float | None:
        with load(Path(MODEL)) as model:
            return await model.judge(tone(300, 2.0))

    over = asyncio.run(main())
    assert over is not None and 0.0 <= over <= 1.0
