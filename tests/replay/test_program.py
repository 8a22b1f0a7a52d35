"""The app's program: read to its end, and ended."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import psutil
import pytest

from shipway.core.errors import ShipwayError
from shipway.replay.events import Event, MonthOver
from shipway.replay.program import events_of
from tests.waiting import wait_for


def told(code: str, tmp_path: Path, most: int = 100) -> list[Event]:
    """The first events of a program of that code."""

    async def read() -> list[Event]:
        async with events_of([sys.executable, "-c", code], tmp_path, dict(os.environ)) as events:
            found: list[Event] = []
            async for event in events:
                found.append(event)
                if len(found) == most:
                    break
            return found

    return asyncio.run(read())


MONTH = 'print(\'{"event": "month", "month": "2020-02"}\', flush=True)'


def test_events_come_in_order(tmp_path: Path) -> None:
    """To the end of what it prints."""
    assert [MonthOver("2020-02")] * 2 == told(f"{MONTH}\n{MONTH}", tmp_path)


def test_a_program_that_fails_is_told_of(tmp_path: Path) -> None:
    """With its code and its last words, after what it had told."""
    with pytest.raises(ShipwayError, match="ended with 3: no such data"):
        told(f"{MONTH}\nimport sys; print('no such data', file=sys.stderr); sys.exit(3)", tmp_path)


def test_it_ends_with_the_replay(tmp_path: Path) -> None:
    """Also where it would have told more."""
    code = f"import os, signal; open('pid', 'w').write(str(os.getpid()))\n{MONTH}\nsignal.pause()"
    assert [MonthOver("2020-02")] == told(code, tmp_path, most=1)
    pid = int((tmp_path / "pid").read_text())
    wait_for(lambda: not psutil.pid_exists(pid))


def test_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Before anything is played."""

    async def read() -> None:
        async with events_of(["no-such-program"], tmp_path, {}):
            pass

    with pytest.raises(ShipwayError, match="can't be started: no-such-program"):
        asyncio.run(read())
