"""A service's own tests: run in a copy of its tree, with a clean environment, bounded in time and output."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from shipway.core.errors import UsageError
from shipway.local import log_file
from shipway.local.process_table import end_marked

MARK = "SHIPWAY_BUILD"
"""The variable by which everything that a build started is found again."""
_MAX_LOG_BYTES = 100 * 1024 * 1024
_PAUSE = 0.02


def run_tests(
    command: str, tree: Path, *, variables: Mapping[str, str], mark: str, log: Path, timeout: float
) -> str | None:
    """Run `command` in `tree`, its output going to `log`; answers what went wrong, or None when the tests passed.

    Whatever the tests started and left running is ended. `mark` is unique to this run. Raises UsageError for a
    command that cannot be started.
    """
    argv = shlex.split(command)
    output = log_file.open_for_append(log)
    try:
        with tempfile.TemporaryDirectory(prefix="shipway-tests-") as scratch:
            own = {"HOME": scratch, "TMPDIR": scratch, MARK: mark}
            try:
                child = subprocess.Popen(
                    argv,
                    cwd=tree,
                    env={**variables, **own},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                raise UsageError(
                    f"the test command {command!r} cannot be started: {error}",
                    fix="check `test:` in shipway.yaml, and that the test lock file names what it needs",
                ) from error
            try:
                return _outcome(child, log, timeout)
            finally:
                end_marked(MARK, mark)
                child.wait()
    finally:
        os.close(output)


def _outcome(child: subprocess.Popen[bytes], log: Path, timeout: float) -> str | None:
    deadline = time.monotonic() + timeout
    while (code := child.poll()) is None:
        if time.monotonic() > deadline:
            return f"not done within {timeout:g} s"
        if log.stat().st_size > _MAX_LOG_BYTES:
            return f"more than {_MAX_LOG_BYTES // 1024**2} MiB of output"
        time.sleep(_PAUSE)
    if code == 0:
        return None
    return f"exit code {code}" if code > 0 else f"killed by signal {-code}"
