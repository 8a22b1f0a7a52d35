"""Captured lines to objects of S3, while S3 fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from test_capture import MOMENT, Clock, offer

from ml_model_service.capture.capture import Capture
from ml_model_service.capture.files import MAX_BYTES
from ml_model_service.capture.objects import Objects
from places import Aws, AwsServer, Environ

pytestmark = pytest.mark.slow


class Failing:
    """Puts into a dictionary, but for the first `times`."""

    def __init__(self, times: int) -> None:
        self.times, self.kept = times, dict[str, bytes]()

    def __call__(self, key: str, data: bytes) -> None:
        self.times -= 1
        if self.times >= 0:
            raise ConnectionResetError(104, "Connection reset by peer")
        self.kept[key] = data


def refused(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes] | None:
    """As S3 answers who may not write there."""
    if environ["REQUEST_METHOD"] != "PUT":
        return None
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("403 Forbidden", [("content-type", "application/xml")])
    return [b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"]


def test_objects_end_with_the_minute_the_hour_and_their_size(in_aws: Aws) -> None:
    """As files do: an object holds at most a minute of one hour and one variant, and is cut when it is large."""
    sink = in_aws.sink("ontime")
    sink.write("v1-0", MOMENT, b"{}\n", 1)
    sink.write("v1-1", MOMENT, b"{}\n", 1)
    sink.tend(MOMENT + 59)
    assert ({}, 6) == (in_aws.captured(), sink.held)
    sink.tend(MOMENT + 60)
    assert ["ontime/v1-0/2026/02/14/17", "ontime/v1-1/2026/02/14/17"] == [
        path.rpartition("/")[0] for path in in_aws.captured()
    ]
    end_of_hour = MOMENT // 3600 * 3600 + 3599
    sink.write("v1-2", end_of_hour, b"1\n", 1)
    sink.write("v1-2", end_of_hour + 1, b"2\n", 1)
    sink.write("v1-2", end_of_hour + 2, b"[" + b" " * MAX_BYTES + b"]\n", 1)
    sink.write("v1-2", end_of_hour + 3, b"3\n", 1)
    sink.close()
    hours = [path.split("/")[5] for path in in_aws.captured() if "v1-2" in path]
    assert (["17", "18", "18"], 6, 0, 0) == (hours, sink.stored, sink.lost, sink.held)


def test_what_cannot_be_put_is_tried_again_and_then_lost() -> None:
    """Six times, each pause longer than the one before; what comes after it waits its turn."""
    now = [0.0]
    put = Failing(7)
    sink = Objects(put, "ontime", lambda: now[0])
    sink.write("v1-0", MOMENT, b"first\n", 3)
    tries = []
    for second in range(80):
        now[0] = float(second)
        if second == 5:
            sink.write("v1-0", MOMENT + 3600, b"second\n", 2)
        try:
            sink.tend(MOMENT + 7200 + second)
        except OSError as error:
            tries.append((second, str(error).partition(", ")[2]))
    assert [0, 1, 3, 7, 15, 31, 61] == [second for second, _ in tries]
    assert "try 6 of 6: ConnectionResetError: [Errno 104] Connection reset by peer" == tries[5][1]
    assert ([b"second\n"], 2, 3, 0) == (list(put.kept.values()), sink.stored, sink.lost, sink.held)


def test_while_nothing_can_be_put_memory_is_bounded(
    in_aws: Aws, aws: AwsServer, caplog: pytest.LogCaptureFixture
) -> None:
    """What waits for S3 counts; what has no room is dropped, and one line a minute says why."""
    clock = Clock()
    capture = Capture(in_aws.sink("ontime"), memory=10_000, clock=clock)
    with aws.failing(refused):
        for _ in range(40):
            offer(capture)
            capture._write_some()
            clock.now += 2
            capture._tend()
        assert 0 < capture.waiting <= 10_000
        assert capture.dropped > 0 and 0 == capture.captured
    capture.start()
    capture.close()
    assert (40, 0) == (capture.captured + capture.dropped, capture.waiting)
    assert capture.captured == sum(map(len, in_aws.captured().values())) > 0
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) <= 2 and "AccessDenied: Access Denied" in told[0]


def test_a_stop_puts_what_waits(in_aws: Aws) -> None:
    """Within its bound, however little of a minute has passed."""
    capture = Capture(in_aws.sink("ontime"))
    capture.start()
    for _ in range(100):
        offer(capture)
    capture.close()
    ((path, lines),) = in_aws.captured().items()
    assert (100, "ontime/v1-0", "application/json") == (
        len(lines),
        "/".join(path.split("/")[:2]),
        lines[0]["captureData"]["endpointInput"]["observedContentType"],
    )


def test_a_stop_does_not_wait_for_a_store_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    """The task ends in time, and says what it leaves behind."""
    released = []

    def hang(key: str, data: bytes) -> None:
        while not released:
            time.sleep(0.01)

    capture = Capture(Objects(hang, "ontime"))
    capture.start()
    offer(capture)
    capture.close(timeout=0.2)
    released.append(True)
    assert "bytes of captured requests were not written before the end" in caplog.text
    capture.close()
