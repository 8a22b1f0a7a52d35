"""Which processes carry a mark."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from shipway.local.tasks import process_table
from shipway.local.tasks.process_table import end_marked, marked

MARK = "SHIPWAY_TEST_MARK"


@contextmanager
def running(script: str, folder: Path) -> Iterator[tuple[int, str]]:
    """The shell script's process, started with a mark of its own, and the mark."""
    path = folder / "script.sh"
    path.write_text(script)
    mark = uuid.uuid4().hex
    variables = {"PATH": os.environ["PATH"], MARK: mark}
    process = subprocess.Popen(["/bin/sh", str(path)], env=variables, start_new_session=True)
    try:
        yield process.pid, mark
    finally:
        end_marked(MARK, mark)
        process.kill()
        process.wait()


def test_a_process_that_replaces_its_program_is_found(tmp_path):
    """Its environment reads as empty while the kernel puts the new program in: here most of the time."""
    # It ends by itself where nobody is left to kill it.
    script = '[ "${1:-0}" -lt 200000 ] || exec sleep 60\nexec /bin/sh "$0" $((${1:-0} + 1))\n'
    with running(script, tmp_path) as (pid, mark):
        assert [[pid]] * 100 == [list(marked(MARK, mark)) for _ in range(100)]


def test_a_process_that_was_started_while_we_looked_is_found(tmp_path, monkeypatch):
    """It is in the next list only."""
    with running("exec sleep 60\n", tmp_path) as (pid, mark):
        lists = iter([[1], [1, pid], [1, pid]])
        monkeypatch.setattr(psutil, "pids", lambda: next(lists))
        assert [pid] == list(marked(MARK, mark))
        monkeypatch.undo()


def test_looking_ends_where_processes_start_without_an_end(monkeypatch):
    """Each list has a new one."""
    numbers = iter(range(10**7, 10**8))
    monkeypatch.setattr(psutil, "pids", lambda: [next(numbers)])
    assert [] == list(marked(MARK, "1"))


def test_a_process_without_an_environment_is_passed_over(tmp_path):
    """An empty environment is the truth there: nothing waits for more."""
    process = subprocess.Popen(["/bin/sleep", "60"], env={})
    try:
        assert [] == list(marked(MARK, "1"))
    finally:
        process.kill()
        process.wait()


WIPED = """
import ctypes, sys
fields = open("/proc/self/stat").read().rpartition(")")[2].split()
ctypes.memset(int(fields[47]), 0, int(fields[48]) - int(fields[47]))
print("wiped", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_that_wrote_over_its_environment_is_passed_over_at_once(monkeypatch):
    """As servers do that show a title; one of them on the machine must not delay each look."""
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", WIPED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"A": "1"}
    )
    try:
        assert b"wiped\n" == process.stdout.readline()
        pauses = []
        monkeypatch.setattr(process_table.time, "sleep", pauses.append)
        assert {} == process_table.environment_of(process.pid)
        assert 1 == len(pauses)
    finally:
        process.communicate()
