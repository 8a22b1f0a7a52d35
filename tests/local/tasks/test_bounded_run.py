"""Programs that are run to their end, such as a migration before a rollout."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from shipway.local.tasks.bounded_run import run_bounded

VARIABLES = {"PATH": os.environ["PATH"]}
SLEEP = f"617.{os.getpid()}"
"""So many seconds, which tell the sleepers of this process from all others of the machine."""


def sleepers() -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"] == ["sleep", SLEEP]]


def test_the_end_and_what_was_said(tmp_path):
    """Exit code and output of both kinds, in the folder and with the variables that were given."""
    code = "import os, sys; print(os.getcwd(), sorted(os.environ)); print('bad', file=sys.stderr); sys.exit(3)"
    ended, said = run_bounded([sys.executable, "-S", "-E", "-c", code], tmp_path, {"LC_ALL": "C"}, 10)
    assert (3, {"bad", f"{tmp_path} ['LC_ALL', 'SHIPWAY_RUN']"}) == (ended, set(said.splitlines()))


def test_what_it_leaves_running_neither_holds_it_up_nor_stays(tmp_path):
    """A background process that keeps the output open, in a session of its own."""
    began = time.monotonic()
    assert (0, "done\n") == run_bounded(["sh", "-c", f"setsid sleep {SLEEP} & echo done"], tmp_path, VARIABLES, 60)
    assert (True, []) == (time.monotonic() - began < 50, sleepers())


def test_it_is_bounded_in_time_with_all_it_started(tmp_path):
    """Also where a child would hold a pipe open for ever."""
    with pytest.raises(subprocess.TimeoutExpired):
        run_bounded(["sh", "-c", f"sleep {SLEEP} & sleep {SLEEP}"], tmp_path, VARIABLES, 0.3)
    assert [] == sleepers()


def test_a_program_that_is_not_there_is_told(tmp_path):
    """As the error of the system."""
    with pytest.raises(FileNotFoundError):
        run_bounded(["no-such-program"], tmp_path, VARIABLES, 1)
