"""The recording of a call: whole, in ranges, or not there."""

import wave
from dataclasses import replace
from pathlib import Path

import pytest

from strowger.api.problems import RangeNotSatisfiable
from strowger.api.recordings import parse_range
from strowger.model import Recording
from tests.api.conftest import Api, refusal

CONTENT = bytes(range(256)) * 1000
SIZE = len(CONTENT)


@pytest.fixture
def path(api: Api) -> str:
    """The address of a call's recording."""
    api.post("/v1/trunks", {"name": "A", "host": "a.example"}, "Trunk")
    agent = {"name": "A", "prompt": "Talk."}
    id = api.post("/v1/calls", {"to": "+14155550100", "agent": agent}, "Call")["id"]
    call = api.records.calls[id]
    recording = Recording(available=True, duration=16.0)
    api.records.calls[id] = replace(call, recording=recording, ended_at=api.now[0])
    file: Path = api.recordings / call.workspace_id / f"{id}.wav"
    file.parent.mkdir()
    file.write_bytes(CONTENT)
    return f"/v1/calls/{id}/recording"


def test_the_whole_recording_comes_as_wav(api: Api, path: str) -> None:
    response = api.client.get(path, headers=api.headers)
    assert response.status_code == 200
    assert response.content == CONTENT
    assert response.headers["content-type"] == "audio/wav"
    assert response.headers["content-length"] == str(SIZE)
    assert response.headers["accept-ranges"] == "bytes"


def test_its_head_comes_alone(api: Api, path: str) -> None:
    response = api.client.head(path, headers=api.headers)
    assert response.status_code == 200
    assert response.content == b""
    assert response.headers["content-length"] == str(SIZE)


@pytest.mark.parametrize(
    ("range", "first", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-1023", 0, 1024),
        ("bytes=100000-", 100_000, SIZE),
        ("bytes=-44", SIZE - 44, SIZE),
        (f"bytes=-{SIZE * 2}", 0, SIZE),
        (f"bytes=44-{SIZE * 2}", 44, SIZE),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        (" bytes = 5 - 9 ", 5, 10),
    ],
)
def test_a_range_of_it_comes_as_206(api: Api, path: str, range: str, first: int, end: int) -> None:
    response = api.client.get(path, headers={**api.headers, "Range": range})
    assert response.status_code == 206
    assert response.content == CONTENT[first:end]
    assert response.headers["content-range"] == f"bytes {first}-{end - 1}/{SIZE}"
    assert response.headers["content-length"] == str(end - first)


@pytest.mark.parametrize("range", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0"])
def test_a_range_beyond_it_cannot_be(api: Api, path: str, range: str) -> None:
    response = api.client.get(path, headers={**api.headers, "Range": range})
    refusal(response, 416, "range_not_satisfiable")
    assert response.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    "range", ["", "bytes", "bytes=", "bytes=-", "bytes=9-5", "bytes=a-b", "lines=1-2",
              "bytes=0-1,5-9", "bytes=1-" + "9" * 40, "bytes=\u0661-5"]
)  # fmt: skip
def test_what_is_no_range_is_ignored(api: Api, path: str, range: str) -> None:
    key = api.headers["Authorization"].encode()
    headers = {b"Authorization": key, b"Range": range.encode()}
    response = api.client.get(path, headers=headers)
    assert (response.status_code, len(response.content)) == (200, SIZE)


def test_a_range_counts_while_the_recording_is_the_same(api: Api, path: str) -> None:
    tag = api.client.head(path, headers=api.headers).headers["etag"]
    same = {**api.headers, "Range": "bytes=0-9", "If-Range": tag}
    assert api.client.get(path, headers=same).status_code == 206
    other = {**same, "If-Range": '"other"'}
    assert api.client.get(path, headers=other).status_code == 200


def test_a_recording_that_is_not_there_says_why(api: Api, path: str) -> None:
    id = path.split("/")[3]
    call = api.records.calls[id]
    (api.recordings / call.workspace_id / f"{id}.wav").unlink()
    code = "recording_not_available"
    assert "no longer" in api.refused("GET", path, 404, code)["detail"]
    api.records.calls[id] = replace(call, recording=Recording(), ended_at=None)
    assert "when the call is over" in api.refused("GET", path, 404, code)["detail"]
    api.records.calls[id] = replace(call, recording=Recording())
    assert "left no" in api.refused("GET", path, 404, code)["detail"]
    api.records.calls[id] = replace(call, recording=Recording(), record=False)
    assert "not recorded" in api.refused("GET", path, 404, code)["detail"]


def test_an_empty_file_has_no_ranges() -> None:
    assert parse_range(None, 0) is None
    with pytest.raises(RangeNotSatisfiable):
        parse_range("bytes=0-", 0)


@pytest.mark.parametrize(
    ("format", "media_type", "begins"),
    [("mp3", "audio/mpeg", (b"\xff", b"ID3")), ("ogg", "audio/ogg", (b"OggS",))],
)
def test_it_comes_in_other_formats_too(
    api: Api, path: str, format: str, media_type: str, begins: tuple[bytes, ...]
) -> None:
    (file,) = api.recordings.rglob("*.wav")
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(8000 * 4))
    whole = api.client.get(f"{path}?format={format}", headers=api.headers)
    assert whole.status_code == 200
    assert whole.headers["content-type"] == media_type
    assert whole.content.startswith(begins)
    part = {**api.headers, "Range": "bytes=0-9"}
    assert api.client.get(f"{path}?format={format}", headers=part).content == whole.content[:10]


def test_a_damaged_recording_has_no_other_format(api: Api, path: str) -> None:
    response = api.client.get(f"{path}?format=mp3", headers=api.headers)
    refusal(response, 404, "recording_not_available")
    api.refused("GET", f"{path}?format=flac", 422, "invalid_request")
    assert api.client.get(path, headers=api.headers).content == CONTENT
