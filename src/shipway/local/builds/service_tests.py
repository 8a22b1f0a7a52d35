"""A commit's own tests and builds: run in a copy of its tree, with a clean environment, bounded in time and output."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from shipway.core.description.placeholders import filled
from shipway.core.errors import UsageError
from shipway.local.builds.confinement import SCRATCH, Confinement
from shipway.local.files import log_file
from shipway.local.router.ports import draw_free
from shipway.local.tasks.process_table import end_marked

MARK = "SHIPWAY_BUILD"
"""The environment variable by which everything that a build started is found again."""
_MAX_LOG_BYTES = 100 * 1024 * 1024
_PAUSE = 0.02


def run_tests(
    command: str,
    tree: Path,
    *,
    variables: Mapping[str, str],
    env: Mapping[str, str],
    readable: Sequence[Path],
    confinement: Confinement,
    mark: str,
    log: Path,
    timeout: float,
    mounted: Mapping[Path, Path] | None = None,
    key: str = "test",
) -> str | None:
    """Run `command` in `tree`, its output going to `log`; answers what went wrong, or None when the tests passed.

    `env` is the service's own; its placeholders are filled with folders that end with the tests, a free port and `test`.
    Where the machine can confine it, it may write to the tree and read what is `readable` and `mounted` (path that it
    sees → what it reads there), and has no network. `key` is the one of shipway.yaml that the command stands under.
    Whatever the tests started and left running is ended. `mark` is unique to this run. Raises UsageError for a
    command that cannot be started.
    """
    argv = shlex.split(command)
    output = log_file.open_for_append(log)
    try:
        with tempfile.TemporaryDirectory(prefix="shipway-tests-") as scratch:
            home = SCRATCH if confinement.works else scratch
            told = _filled(env, Path(scratch), home)
            own = {"HOME": home, "TMPDIR": home, MARK: mark}
            try:
                _require_program(argv[0], tree, {**variables, **told})
                child = subprocess.Popen(
                    confinement.around(
                        argv, scratch=Path(scratch), writable=[tree], readable=readable, mounted=mounted
                    ),
                    cwd=tree,
                    env={**variables, **told, **own},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                raise UsageError(
                    f"the {key} command {command!r} cannot be started: {error}",
                    fix=f"check `{key}:` in shipway.yaml, and that its lock file names what it needs",
                ) from error
            try:
                return _outcome(child, log, timeout)
            finally:
                end_marked(MARK, mark)
                child.wait()
    finally:
        os.close(output)


def _filled(env: Mapping[str, str], scratch: Path, seen_as: str) -> dict[str, str]:
    """The service's variables; `scratch` is where its folders are made, `seen_as` where the tests find them."""
    folders = ("data", "bucket", "buckets")
    for folder in folders:
        (scratch / folder).mkdir()
    values = {folder: f"{seen_as}/{folder}" for folder in folders} | {"environment": "test", "host": "127.0.0.1"}
    if any("{port}" in value for value in env.values()):
        values["port"] = str(draw_free([]))
    return {name: filled(value, values) for name, value in env.items()}


def _require_program(program: str, tree: Path, variables: Mapping[str, str]) -> None:
    """Raise FileNotFoundError where there is none, before a shell or sandbox would have to look for it."""
    if shutil.which(str(tree / program) if "/" in program else program, path=variables.get("PATH")) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)


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
