"""Runs the program that writes trainings to MLflow: with the caller's own variables, where MLflow finds credentials."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shipway.cli import here
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.wiring.programs import programs

PROGRAM = "mlflow-export"
TIMEOUT = 900.0
_SQLITE = "sqlite:///"
_LAST_WORDS = 400


def check_address(to: str) -> None:
    """Raises UsageError for what is neither a tracking server nor a database in a file, and for one with a password."""
    try:
        parts = urlsplit(to)
        server, secret = parts.scheme in ("http", "https") and bool(parts.hostname), parts.password is not None
        named = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    except ValueError as error:
        raise UsageError(
            f"--to: this is no address: {error}", fix="give one such as https://mlflow.example.org"
        ) from None
    if secret:
        raise UsageError(
            "--to: an address with a password would stand in the shell's history and in the list of processes",
            fix=f"set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, and give --to {named}",
        )
    if server or (to.startswith(_SQLITE) and len(to) > len(_SQLITE)):
        return
    if parts.scheme in ("", "file"):
        folder = parts.path.rstrip("/") or "."
        raise UsageError(
            f"--to: {to!r} is a folder, and MLflow keeps no runs in folders any more",
            fix=f"give --to {_SQLITE}{folder}/mlflow.db",
        )
    raise UsageError(
        f"--to: MLflow is reached by http, https and sqlite, found {parts.scheme!r}",
        fix="give the address of its tracking server, or a database such as sqlite:///mlflow.db",
    )


def send(run: Mapping[str, Any], to: str, tell: Callable[[str], None]) -> dict[str, str]:
    """Write a training to MLflow: `experiment` and `run_id` there, and whether it is `new`, `completed` or was `there`.

    Raises Refused with what MLflow said, ShipwayError when the program fails.
    """
    state = Path(here.daemon().state)
    variables = here.target().program_variables(programs() / PROGRAM, "requirements.lock", tell)
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON") and name != "VIRTUAL_ENV"}
    with tempfile.TemporaryDirectory(prefix="shipway-export-") as folder:
        work = Path(folder)
        job = {"to": to, "run": dict(run), "lock": str(state / "mlflow-export.lock")}
        (work / "job.json").write_text(json.dumps(job))
        printed = _run(work, {**own, **variables})
        try:
            answer: dict[str, str] = json.loads((work / "answer.json").read_bytes())
        except (FileNotFoundError, ValueError):
            said = printed.strip()[-_LAST_WORDS:] or "it said nothing"
            raise ShipwayError(f"the program that writes to MLflow failed: {said}", fix=_AGAIN, state=_STATE) from None
    if "refused" in answer:
        raise Refused(f"MLflow refused: {answer['refused']}", fix=_AGAIN, state=_STATE)
    return answer


_AGAIN = "correct what it names, then the same command: it goes on where it was"
_STATE = "the training is as it was"


def _run(work: Path, variables: Mapping[str, str]) -> str:
    """What the program printed; it runs in the caller's folder, from where a relative address counts."""
    python = shutil.which("python", path=variables.get("PATH")) or "python"
    try:
        done = subprocess.run(
            [python, "-P", "-m", "mlflow_export", str(work)],
            env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ShipwayError(f"MLflow had not taken it all within {TIMEOUT:.0f} s", fix=_AGAIN, state=_STATE) from None
    return done.stdout.decode("utf-8", "replace")
