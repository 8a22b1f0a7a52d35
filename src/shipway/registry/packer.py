"""Runs the packaging program: heavy libraries, and code that a model may make them run, stay in its process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from shipway.core.errors import Refused, ShipwayError
from shipway.core.ports.telling import Tell

PythonFor = Callable[[Path, Tell], Path]
"""The interpreter of an environment with exactly what a lock file lists, made if needed. Raises ShipwayError."""

TIMEOUT = 600.0
MEMORY_BYTES = 8 << 30

LOCK = "model-packaging/requirements.lock"
READING_LOCK = "ml-model-service/requirements.lock"
"""The model server's own lock: an app that deploys the server already has this environment."""

_PARTS = ("model-packaging", "ml-model-service")
_MAX_ANSWER = 64 << 20
_MAX_PRINTED = 64 << 10
_MAX_LINE = 300
_MAX_REFUSAL = 4000
_LAST_WORDS = 2000
_STOPPED_BY_LIMIT = (-signal.SIGKILL, -signal.SIGXCPU, -signal.SIGXFSZ)


class Packer:
    """Starts the program in an environment of its own. `timeout` is in seconds.

    `programs` is the folder that holds `model-packaging` and `ml-model-service`, whose code the program reads with.
    """

    def __init__(self, python_for: PythonFor, programs: Path, timeout: float = TIMEOUT) -> None:
        self._python_for, self._programs, self._timeout = python_for, programs, timeout

    def run(self, job: Mapping[str, Any], work: Path, tell: Tell, lock: str = LOCK) -> dict[str, Any]:
        """What the program answers to a job; its files are left in `work`, a private folder, used once.

        Raises Refused when the program refuses the model, ShipwayError when it fails or takes too long.
        """
        python = self._python_for(self._programs / lock, tell)
        (work / "home").mkdir()
        limits = {"memory_bytes": MEMORY_BYTES, "processor_seconds": int(self._timeout) + 1}
        (work / "job.json").write_text(json.dumps({**job, **limits, "work": str(work)}))
        status = self._run(python, work, tell)
        answer = _answer(work / "answer.json", status, work / "stderr")
        if "refused" in answer:
            refused = answer["refused"]
            raise Refused(
                str(refused["what"])[:_MAX_REFUSAL], fix=str(refused["fix"])[:_MAX_REFUSAL], state="nothing changed"
            )
        done: dict[str, Any] = answer["done"]
        return done

    def _run(self, python: Path, work: Path, tell: Tell) -> int:
        variables = {
            "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": ":".join(str(self._programs / part / "src") for part in _PARTS),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(work / "home"),
            "TMPDIR": str(work),
            "LANG": "C.UTF-8",
            # One thread each: models are timed here, and this machine serves requests meanwhile.
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        }
        with (
            (work / "job.json").open() as given,
            (work / "printed").open("wb") as out,
            (work / "stderr").open("wb") as err,
        ):
            process = subprocess.Popen(
                [python, "-sP", "-m", "model_packaging"],
                cwd=work, env=variables, stdin=given, stdout=out, stderr=err, start_new_session=True,
            )  # fmt: skip
        printed = _Printed(work / "printed", tell)
        deadline = time.monotonic() + self._timeout
        try:
            while time.monotonic() < deadline:
                printed.tell_more()
                try:
                    return process.wait(0.2)
                except subprocess.TimeoutExpired:
                    continue
            raise ShipwayError(
                f"the model was not converted and checked within {self._timeout:.0f} s",
                fix="publish a smaller model, or fewer held-out rows",
                state="nothing changed",
            )
        finally:
            _end(process)
            printed.tell_more()


@contextmanager
def work_folder() -> Iterator[Path]:
    """An empty folder for one job, for this user alone."""
    with tempfile.TemporaryDirectory(prefix="shipway-packaging-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the program, and whatever a model made it start."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Printed:
    """Tells the lines that the program prints: control characters replaced, long lines cut, 64 KiB at most."""

    def __init__(self, path: Path, tell: Tell) -> None:
        self._path, self._tell, self._read = path, tell, 0

    def tell_more(self) -> None:
        """Tell the whole lines that came since the last call."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            text = file.read(max(0, _MAX_PRINTED - self._read))
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode("utf-8", "replace").splitlines():
            self._tell(re.sub(r"[^\S ]|[^\x20-\uffff]|[\x7f-\x9f]", "?", line)[:_MAX_LINE])


def _answer(path: Path, status: int, stderr: Path) -> dict[str, Any]:
    if status == 0 and path.is_file() and not path.is_symlink() and path.stat().st_size <= _MAX_ANSWER:
        try:
            answer = json.loads(path.read_bytes())
        except ValueError:
            answer = None
        if isinstance(answer, dict) and (isinstance(answer.get("done"), dict) or _is_refusal(answer.get("refused"))):
            return answer
    if status in _STOPPED_BY_LIMIT:
        why = f"it was stopped (signal {-status}): more memory, processor time or disk than it may have"
    else:
        last = stderr.read_bytes()[-_LAST_WORDS:].decode("utf-8", "replace").strip().splitlines()
        why = last[-1][:_MAX_LINE] if last else f"it ended with {status}"
    raise ShipwayError(
        f"the packaging program failed on this model: {why}",
        fix=f"publish a smaller model (it may use {MEMORY_BYTES >> 30} GiB), or report the fault",
        state="nothing changed",
    )


def _is_refusal(answer: object) -> bool:
    return isinstance(answer, dict) and {"what", "fix"} <= answer.keys()
