"""Log lines stay whole, whatever becomes of what they are written to."""

from __future__ import annotations

import json
import os
import select
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from ml_model_service.logs import Log

LINES = b"".join(b'{"number":%d,"padding":"%b"}\n' % (number, b"x" * 200) for number in range(2000))


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Descriptors of a pipe, which holds less than LINES."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def read(descriptor: int) -> bytes:
    """What is written, until nobody writes any more."""
    return b"".join(iter(lambda: os.read(descriptor, 1 << 16), b""))


def test_a_signal_loses_no_line(pipe: tuple[int, int]) -> None:
    """SIGTERM comes while lines are being written to a pipe that nobody reads right now; other threads wait."""
    log, found = Log((), pipe[1]), list[bytes]()
    before = signal.signal(signal.SIGUSR1, lambda *_: reader.start())
    reader = threading.Thread(target=lambda: found.append(read(pipe[0])))
    other = threading.Thread(target=log.write, args=("info", "another thread's"))

    def interrupt() -> None:
        deadline = time.monotonic() + 10
        while select.select([], [pipe[1]], [], 0)[1] and time.monotonic() < deadline:
            time.sleep(0.001)
        other.start()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    try:
        log.write_lines(LINES)
    finally:
        interrupter.join(20)
        other.join(10)
        os.close(pipe[1])
        reader.join(10)
        signal.signal(signal.SIGUSR1, before)
    numbers = [json.loads(line).get("number") for line in found[0].splitlines()]
    assert [*range(2000), None] == numbers


def test_a_line_that_was_cut_ends_before_the_next(pipe: tuple[int, int]) -> None:
    """What a full pipe does not take is left out, and costs none of the lines that come after."""
    os.set_blocking(pipe[1], False)
    log = Log((), pipe[1])
    log.write_lines(LINES)
    log.write("info", "lost")
    taken = os.read(pipe[0], 1 << 16)
    log.write("info", "next")
    os.close(pipe[1])
    *_, cut, last = (taken + read(pipe[0])).splitlines()
    assert LINES.startswith(taken) and cut + b"\n" not in LINES
    assert "next" == json.loads(last)["message"]
