"""Starts and ends the programs between tasks and their logs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from shipway.local.tasks.process_table import end_marked, marked

MARK = "SHIPWAY_LOG_OF"
"""The environment variable by which the filter of a task is found; its value is the task's launch mark."""
_PROGRAM = Path(__file__).with_name("log_filter.py")
_LAST_WORDS = 2.0
_PAUSE = 0.01


class LogFilters:
    """One process for each task that has secrets, in a session of its own: it outlives this program with its task."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, forms: Sequence[str], log: int, launch: str) -> int:
        """A descriptor for a task to write to; what it writes comes to `log` without the `forms`. Close it.

        Raises OSError where the machine is short of something.
        """
        self._reap()
        source, target = os.pipe()
        try:
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_PROGRAM), str(source)],
                cwd="/",
                env={MARK: launch},
                pass_fds=[source],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            with self._lock:
                self._children[launch] = child
            assert child.stdin is not None
            with child.stdin as told:
                told.write(json.dumps(forms).encode())
        except BaseException:
            os.close(target)
            raise
        finally:
            os.close(source)
        return target

    def finish(self, launch: str) -> None:
        """Wait for the last words of a task that is gone, 2 s at most; then its filter is gone, too."""
        with self._lock:
            child = self._children.pop(launch, None)
        deadline = time.monotonic() + _LAST_WORDS
        while (child.poll() is None) if child is not None else any(marked(MARK, launch)):
            if time.monotonic() > deadline:
                end_marked(MARK, launch)
                break
            time.sleep(_PAUSE)
        if child is not None:
            child.wait()

    def _reap(self) -> None:
        with self._lock:
            for launch in [launch for launch, child in self._children.items() if child.poll() is not None]:
                del self._children[launch]
