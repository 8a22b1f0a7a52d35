"""Data capture, with real files."""

from __future__ import annotations

import base64
import errno
import json
import logging
import os
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import FEATURES, ROW
from ml_model_service.capture.capture import Capture
from ml_model_service.capture.files import MAX_BYTES, Files
from ml_model_service.capture.lines import Exchange
from ml_model_service.capture.sinks import sink_at
from ml_model_service.settings import SettingsError
from places import Place
from samples import npy

NAMES = tuple(feature["name"] for feature in FEATURES)
BODY = json.dumps({"instances": [ROW]}).encode()
ANSWER = b'{"model_version":"v1.0","predictions":[0.31]}'
ID = b"0123456789abcdef0123456789ABCDEF"
MOMENT = 1771090549.25  # 2026-02-14T17:35:49Z


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = MOMENT

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def capture(place: Place, clock: Clock) -> Iterator[Capture]:
    """Captures everything, to files and to objects."""
    capture = Capture(place.sink("ontime"), clock=clock)
    yield capture
    capture.close()


def offer(capture: Capture, body: bytes = BODY, *ids: bytes, variant: str = "v1-0") -> None:
    """A JSON request that was answered."""
    json_type = b"application/json"
    capture.offer([Exchange(variant, NAMES, ("json", json_type, body), ("json", json_type, ANSWER), *(ids or (ID,)))])


def written(folder: Path) -> dict[str, list[Any]]:
    """What finished files hold, by path."""
    return {
        str(path.relative_to(folder)): [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(folder.rglob("*.jsonl"))
    }


def lines(where: Path | Place) -> list[Any]:
    """All finished lines."""
    found = written(where) if isinstance(where, Path) else where.captured()
    return [line for lines in found.values() for line in lines]


def test_a_line_is_as_sagemaker_writes_it(place: Place, capture: Capture) -> None:
    """Path and line have the names, encodings and times of SageMaker's capture format, and nothing invented."""
    capture.start()
    offer(capture, BODY, ID, b"booking-7", b"trace=\xe9")
    capture.close()
    ((path, (line,)),) = place.captured().items()
    assert re.fullmatch(r"ontime/v1-0/2026/02/14/17/35-49-[0-9a-f]{16}\.jsonl", path)
    assert {
        "captureData": {
            "endpointInput": {
                "observedContentType": "application/json",
                "mode": "INPUT",
                "data": BODY.decode(),
                "encoding": "JSON",
            },
            "endpointOutput": {
                "observedContentType": "application/json",
                "mode": "OUTPUT",
                "data": ANSWER.decode(),
                "encoding": "JSON",
            },
        },
        "eventMetadata": {
            "eventId": "01234567-89ab-cdef-0123-456789ABCDEF",
            "inferenceTime": "2026-02-14T17:35:49Z",
            "inferenceId": "booking-7",
            "customAttributes": "trace=é",
        },
        "eventVersion": "0",
    } == line
    assert (1, 0, 0) == (capture.captured, capture.dropped, capture.waiting)


def test_lines_are_on_disk_soon(tmp_path: Path) -> None:
    """What a process would lose if it were killed is what it answered a moment ago, not a whole minute."""
    capture = Capture(Files(tmp_path / "ontime"))
    capture.start()
    offer(capture)
    deadline = time.monotonic() + 20
    while not any(path.stat().st_size for path in tmp_path.rglob("*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    capture.close()
    assert 1 == len(lines(tmp_path))


def test_other_formats_have_their_encodings(place: Place, capture: Capture) -> None:
    """CSV is text, an array is base64; a request id that is no UUID is replaced by one; JSON needs no Content-Type."""
    array = npy(np.zeros((1, 4)))
    capture.start()
    capture.offer(
        [Exchange("v1-0", NAMES, ("csv", b"text/csv", b"AA,JFK,\n"), ("npy", b"application/x-npy", array), b"my id")]
    )
    capture.offer([Exchange("v1-0", NAMES, ("json", b"", bytearray(BODY)), ("csv", b"text/csv", b"0.5\n"), b"x")])
    capture.close()
    csv_line, json_line = lines(place)
    sides = csv_line["captureData"]
    assert ("CSV", "AA,JFK,\n") == (sides["endpointInput"]["encoding"], sides["endpointInput"]["data"])
    assert ("BASE64", array) == (sides["endpointOutput"]["encoding"], base64.b64decode(sides["endpointOutput"]["data"]))
    assert 4 == uuid.UUID(csv_line["eventMetadata"]["eventId"]).version
    assert "application/json" == json_line["captureData"]["endpointInput"]["observedContentType"]
    assert {"eventId", "inferenceTime"} == set(json_line["eventMetadata"])


@pytest.mark.parametrize(
    ("kind", "body", "kept"),
    [
        ("json", {"instances": [ROW]}, {"instances": [ROW | {"temp": None, "origin": None}]}),
        ("json", {"instances": [list(ROW.values())]}, {"instances": [["B6", None, None, 480]]}),
        ("json", {"dataframe_records": [ROW]}, {"dataframe_records": [ROW | {"temp": None, "origin": None}]}),
        (
            "json",
            {"columns": [*NAMES[::-1]], "data": [[480, 71.5, "JFK", "B6"]]},
            {"columns": [*NAMES[::-1]], "data": [[480, None, None, "B6"]]},
        ),
        (
            "json",
            {"dataframe_split": {"columns": [*NAMES], "data": [[*ROW.values()]]}},
            {"dataframe_split": {"columns": [*NAMES], "data": [["B6", None, None, 480]]}},
        ),
        ("csv", "B6,JFK,71.5,480\n", "B6,,,480\n"),
        ("csv", '\ufeffminute,temp,airline,origin\r\n480,71.5,"B,6",JFK', 'minute,temp,airline,origin\n480,,"B,6",\n'),
    ],
)
def test_masked_features_are_not_kept(tmp_path: Path, kind: Any, body: Any, kept: Any) -> None:
    """In every shape of JSON, and in CSV with and without header, masked values are gone and all else stays."""
    capture = Capture(Files(tmp_path / "ontime"), mask=["temp", "origin"])
    capture.start()
    sent = body if isinstance(body, str) else json.dumps(body)
    capture.offer([Exchange("v1-0", NAMES, (kind, b"", sent.encode()), ("json", b"application/json", ANSWER), ID)])
    capture.close()
    (line,) = lines(tmp_path)
    data = line["captureData"]["endpointInput"]["data"]
    assert kept == (data if isinstance(body, str) else json.loads(data))


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "i4"])
def test_masked_columns_of_arrays_are_nan(tmp_path: Path, dtype: str) -> None:
    """An array is kept as float64 with NaN in the masked columns."""
    capture = Capture(Files(tmp_path / "ontime"), mask=["temp", "origin"])
    capture.start()
    body = npy(np.array([[1, 0, 71, 480], [2, 1, 72, 481]]).astype(dtype, order="F"))
    capture.offer(
        [Exchange("v1-0", NAMES, ("npy", b"application/x-npy", body), ("json", b"application/json", ANSWER), ID)]
    )
    capture.close()
    (line,) = lines(tmp_path)
    (tmp_path / "a.npy").write_bytes(base64.b64decode(line["captureData"]["endpointInput"]["data"]))
    kept = np.load(tmp_path / "a.npy")
    assert (np.float64, "[[1.0, nan, nan, 480.0], [2.0, nan, nan, 481.0]]") == (kept.dtype, str(kept.tolist()))


def test_what_cannot_be_masked_is_not_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A body that the mask does not understand is dropped, and a masked name that no feature has is reported."""
    capture = Capture(Files(tmp_path / "ontime"), mask=["temp", "tmep"])
    capture.start()
    offer(capture, b'{"secret": 1}')
    offer(capture)
    capture.close()
    assert (1, 1) == (capture.captured, capture.dropped)
    assert "the model has no feature tmep" in caplog.text


def test_one_that_has_no_line_costs_the_others_nothing(
    place: Place, capture: Capture, caplog: pytest.LogCaptureFixture
) -> None:
    """Lines are made many at once, for each variant; what is no text is dropped alone."""
    bodies = [BODY, b'{"instances": "\xff"}', BODY]
    capture.offer(
        Exchange(f"v1-{number % 2}", NAMES, ("json", b"", body), ("json", b"", ANSWER), ID)
        for number, body in enumerate(bodies * 2)
    )
    capture.start()
    capture.close()
    assert {"v1-0": 2, "v1-1": 2} == {path.split("/")[1]: len(found) for path, found in place.captured().items()}
    assert (4, 2, 0) == (capture.captured, capture.dropped, capture.waiting)
    assert "a request is not captured: UnicodeDecodeError" in caplog.text


@pytest.mark.parametrize("ids", [(ID,), (ID, b"x" * 3000), (ID, b"", b"x" * 3000)])
def test_memory_is_bounded(place: Place, ids: tuple[bytes, ...]) -> None:
    """What does not fit into the bound is dropped and counted, whatever the disk does; headers weigh, too."""
    capture = Capture(place.sink("ontime"), memory=10_000)
    for _ in range(100):
        offer(capture, BODY, *ids)
    assert capture.waiting <= 10_000
    assert sum(len(text[0]) for *_, text in capture._entries if isinstance(text, tuple)) <= 10_000
    kept = 100 - capture.dropped
    assert 0 < kept < 100
    capture.start()
    capture.close()
    assert (kept, 0) == (len(lines(place)), capture.waiting)


def test_a_share_is_sampled(tmp_path: Path) -> None:
    """About as many are captured as the percentage says; of 0 none, of 100 all."""
    counts = []
    for percent in (0.0, 25.0, 100.0):
        capture = Capture(Files(tmp_path / "ontime"), percent=percent)
        for _ in range(2000):
            if capture.chooses():
                offer(capture)
        capture.start()
        capture.close()
        counts.append(capture.captured)
    assert (0, True, 2000) == (counts[0], 350 < counts[1] < 650, counts[2])


def test_files_end_when_they_are_as_old_as_is_asked_for(tmp_path: Path) -> None:
    """Where captures are wanted sooner than after a minute."""
    files = Files(tmp_path, max_age=3)
    files.write("v1-0", MOMENT, b"{}\n", 1)
    files.rotate(MOMENT + 2)
    assert {} == written(tmp_path)
    files.rotate(MOMENT + 3)
    assert 1 == len(written(tmp_path))


def test_files_end_with_the_minute_the_hour_and_their_size(tmp_path: Path) -> None:
    """A file holds at most a minute, belongs to one hour and one variant, and is cut when it is large."""
    files = Files(tmp_path)
    files.write("v1-0", MOMENT, b"{}\n", 1)
    files.write("v1-1", MOMENT, b"{}\n", 1)
    files.rotate(MOMENT + 59)
    assert {} == written(tmp_path)
    files.rotate(MOMENT + 60)
    assert ["v1-0/2026/02/14/17", "v1-1/2026/02/14/17"] == [str(Path(path).parent) for path in written(tmp_path)]
    end_of_hour = MOMENT // 3600 * 3600 + 3599
    files.write("v1-2", end_of_hour, b"1\n", 1)
    files.write("v1-2", end_of_hour + 1, b"2\n", 1)
    files.write("v1-2", end_of_hour + 2, b"[" + b" " * MAX_BYTES + b"]\n", 1)
    files.write("v1-2", end_of_hour + 3, b"3\n", 1)
    files.close()
    hours = [str(Path(path).parent.name) for path in written(tmp_path) if "v1-2" in path]
    assert ["17", "18", "18"] == hours
    assert [] == list((tmp_path / ".open").iterdir())


def test_what_a_killed_process_left_is_adopted(tmp_path: Path, clock: Clock) -> None:
    """The next start names the file, without its torn last line; files of living processes are left alone."""
    living = Files(tmp_path / "ontime")
    living.write("v1-1", MOMENT, b"{}\n", 1)
    hidden = tmp_path / "ontime" / ".open" / "v1-0@2026-02-14-17@35-49-00ff.part"
    hidden.write_bytes(b'{"a": 1}\n{"b": 2}\n{"c"')
    torn = hidden.with_name("v1-0@2026-02-14-17@36-00-00ff.part")
    torn.write_bytes(b'{"c"')
    os.utime(torn, (1, 1))
    capture = Capture(Files(tmp_path / "ontime"), clock=clock)
    capture.start()
    capture.close()
    assert {"ontime/v1-0/2026/02/14/17/35-49-00ff.jsonl": [{"a": 1}, {"b": 2}]} == written(tmp_path)
    assert 1 == len(list(hidden.parent.iterdir()))
    living.close()
    assert 2 == len(written(tmp_path))


def test_a_full_disk_drops_and_recovers(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While nothing can be written requests are dropped and counted, with one log line; then capture goes on."""
    capture = Capture(Files(tmp_path / "ontime"), clock=clock)
    write, free = os.write, [600]

    def limited(descriptor: int, data: memoryview) -> int:
        if not free[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = write(descriptor, data[: free[0]])
        free[0] -= count
        return count

    monkeypatch.setattr(os, "write", limited)
    for second in range(5):
        offer(capture)
        capture._write_some()
        clock.now += 0.4 if second < 3 else 1
        if second == 3:
            free[0] = 1 << 20
    assert (2, 3, 0) == (capture.captured, capture.dropped, capture.waiting)
    assert 1 == sum(record.levelno == logging.ERROR for record in caplog.records)
    capture.start()
    capture.close()
    assert 2 == len(lines(tmp_path))


def test_a_folder_that_cannot_be_made_only_drops(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A monitoring bucket that is not there costs nothing but the capture."""
    (tmp_path / "file").write_text("")
    capture = Capture(Files(tmp_path / "file" / "ontime"))
    capture.start()
    offer(capture)
    capture.close()
    assert (0, 1) == (capture.captured, capture.dropped)
    assert "Not a directory" in caplog.text


@pytest.mark.parametrize("url", ["s3://bucket_x", "/a/folder", "file://host/x", "file:", "file:relative"])
def test_other_addresses_are_refused(url: str) -> None:
    """An address of another kind is an error that says what is allowed."""
    with pytest.raises(SettingsError, match=r"CAPTURE: found .*allowed is file:///.* or s3://"):
        sink_at(url)


@pytest.mark.parametrize("endpoint", ["", "../x", "a/b", ".hidden", "x" * 64])
def test_endpoints_that_are_no_folder_names_are_refused(tmp_path: Path, endpoint: str) -> None:
    """The endpoint's name is a folder's."""
    with pytest.raises(SettingsError, match="ENDPOINT_NAME"):
        sink_at(tmp_path.as_uri())(endpoint)
