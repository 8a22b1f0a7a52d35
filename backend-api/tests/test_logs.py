"""Log lines: together where they can wait, at once where they can't, and no request's concern."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from backend_api.config.settings import Settings
from backend_api.logs import line_writer

INFO = {"level": "info", "event": "request"}


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


def test_lines_of_requests_wait_for_one_another(output: Output) -> None:
    """They come together, in their order, a moment later; each with the task's name."""
    write = line_writer(Settings(shipway_task="t1"), output.descriptor)

    async def serve() -> None:
        for number in range(3):
            write({**INFO, "number": number})
        assert [] == output.read()
        async with asyncio.timeout(10):
            while not (lines := output.read()):
                await asyncio.sleep(0.01)
        assert [("t1", 0), ("t1", 1), ("t1", 2)] == [(line["task"], line["number"]) for line in lines]

    asyncio.run(serve())


@pytest.mark.parametrize("level", ["warning", "error"])
def test_what_is_wrong_is_told_at_once(output: Output, level: str) -> None:
    """Together with what came before it, which may explain it."""
    write = line_writer(Settings(), output.descriptor)

    async def serve() -> None:
        write(INFO)
        write({"level": level, "event": "log"})
        assert ["request", "log"] == [line["event"] for line in output.read()]

    asyncio.run(serve())


def test_many_lines_do_not_wait(output: Output) -> None:
    """A busy task keeps no more than some hundred lines."""
    write = line_writer(Settings(), output.descriptor)

    async def serve() -> None:
        for _ in range(500):
            write(INFO)
        assert 500 == len(output.read()) + len(output.read())

    asyncio.run(serve())


def test_without_a_loop_nothing_waits(output: Output) -> None:
    """Nobody would write it later."""
    line_writer(Settings(), output.descriptor)(INFO)
    assert ["request"] == [line["event"] for line in output.read()]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_full_disk_fails_nobody() -> None:
    """Lines are lost then; who writes them goes on."""
    with Path("/dev/full").open("wb", buffering=0) as full:
        write = line_writer(Settings(), full.fileno())
        write({"level": "error", "event": "log"})


def test_a_closed_pipe_fails_nobody() -> None:
    """As where whoever collects the lines has ended."""
    reader, descriptor = os.pipe()
    os.close(reader)
    line_writer(Settings(), descriptor)({"level": "error", "event": "log"})
    os.close(descriptor)
