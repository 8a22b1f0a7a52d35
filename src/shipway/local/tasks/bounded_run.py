"""A program run to its end, bounded in time; whatever it started ends with it."""

from __future__ import annotations

import subprocess
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from shipway.local.tasks.process_table import end_marked

MARK = "SHIPWAY_RUN"
_MOST = 1024 * 1024


def run_bounded(argv: Sequence[str], cwd: Path, variables: Mapping[str, str], timeout: float) -> tuple[int, str]:
    """The exit code, and the last of what it printed.

    Raises OSError when it can't be started, subprocess.TimeoutExpired when it takes too long.
    """
    mark = uuid.uuid4().hex
    # A file, not a pipe: a process that the program leaves running may hold a pipe open for ever.
    with tempfile.TemporaryFile() as output:
        try:
            code = subprocess.run(
                argv, cwd=cwd, env={**variables, MARK: mark}, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, timeout=timeout, check=False,
            ).returncode  # fmt: skip
        finally:
            end_marked(MARK, mark)
        output.seek(max(0, output.seek(0, 2) - _MOST))
        return code, output.read().decode("utf-8", "replace")
