"""Log lines: JSON, one each, and no request's concern."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from backend_api.config.settings import Settings
from backend_api.logs import log_libraries, task_logger


class Output:
    """A pipe to be written to; `read` is what one system call finds in it."""

    def __init__(self) -> None:
        self._reader, self.descriptor = os.pipe()
        os.set_blocking(self._reader, False)

    def read(self) -> list[dict[str, Any]]:
        try:
            found = os.read(self._reader, 1 << 20)
        except BlockingIOError:
            return []
        assert found.endswith(b"\n")
        return [json.loads(line) for line in found.splitlines()]

    def close(self) -> None:
        os.close(self._reader)
        os.close(self.descriptor)


@pytest.fixture
def output() -> Iterator[Output]:
    with closing(Output()) as pipe:
        yield pipe


def test_a_line_says_when_and_who(output: Output) -> None:
    """JSON, there at once, with the time in UTC, the level and the task's name; what is unknown is left out."""
    logger = task_logger(Settings(shipway_task="t1"), output.descriptor)
    before = datetime.now(UTC)
    logger.info("request", number=1)
    (line,) = output.read()
    assert before <= datetime.fromisoformat(line.pop("time")) <= datetime.now(UTC)
    assert {"level": "info", "event": "request", "service": "backend-api", "task": "t1", "number": 1} == line


def test_values_that_json_does_not_know(output: Output) -> None:
    """They are told as text."""
    task_logger(Settings(), output.descriptor).info("request", error=KeyError("a"))
    assert "'a'" == output.read()[0]["error"]


@pytest.fixture
def libraries(output: Output) -> Iterator[None]:
    """What libraries log comes out as the task's lines."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    log_libraries(task_logger(Settings(), output.descriptor))
    yield
    root.handlers, root.level = handlers, level


@pytest.mark.usefixtures("libraries")
def test_libraries_log_json_too(output: Output) -> None:
    """Warnings and worse, of any level, with the logger's name and the traceback."""
    logger = logging.getLogger("a.library")
    logger.info("nothing")
    logger.log(35, "rather %s", "bad")
    try:
        raise LookupError("gone")
    except LookupError:
        logger.exception("failed")
    first, second = output.read()
    expected = {"level": "warning", "event": "log", "logger": "a.library", "message": "rather bad"}
    assert expected == {name: first[name] for name in expected}
    assert ("error", "failed") == (second["level"], second["message"])
    assert second["traceback"].endswith("LookupError: gone")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_full_disk_fails_nobody() -> None:
    """Lines are lost then; who writes them goes on."""
    with Path("/dev/full").open("wb", buffering=0) as full:
        task_logger(Settings(), full.fileno()).error("log")


def test_a_closed_pipe_fails_nobody() -> None:
    """As where whoever collects the lines has ended."""
    reader, descriptor = os.pipe()
    os.close(reader)
    task_logger(Settings(), descriptor).error("log")
    os.close(descriptor)
