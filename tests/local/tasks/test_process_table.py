"""Which processes carry a mark."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

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
    with running('exec /bin/sh "$0"\n', tmp_path) as (pid, mark):
        assert [[pid]] * 100 == [list(marked(MARK, mark)) for _ in range(100)]


def test_processes_that_start_others_and_end_are_all_ended(tmp_path):
    """One that was started while the list was read is in the next."""
    script = 'i=0; while [ $i -lt 40 ]; do i=$((i + 1)); done\n/bin/sh "$0" &\n'
    with running(script, tmp_path) as (_, mark):
        end_marked(MARK, mark)
        assert [] == [process for process in psutil.process_iter() if carries(process, mark)]


def carries(process: psutil.Process, mark: str) -> bool:
    try:
        return bool(process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def test_a_process_without_an_environment_is_passed_over(tmp_path):
    """An empty environment is the truth there: nothing waits for more."""
    process = subprocess.Popen(["/bin/sleep", "60"], env={})
    try:
        assert [] == list(marked(MARK, "1"))
    finally:
        process.kill()
        process.wait()
