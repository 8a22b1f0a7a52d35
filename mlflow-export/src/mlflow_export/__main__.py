"""The program: `python -m mlflow_export FOLDER` does what FOLDER/job.json says and leaves FOLDER/answer.json.

`{"to": a tracking URI, "run": {…}, "lock": a file that keeps exports apart}`; what a run has stands in `run.py`.
Credentials are MLflow's environment variables. Exit code 0: `{"experiment": …, "run_id": …, "outcome": …}`; 1: refused,
`{"refused": …}`.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow_export.run import Run

_QUIET = {
    # nothing is told to MLflow's makers
    "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true",
    # a server that is away is no reason to wait for minutes
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
}  # fmt: skip
_MOST = 2000


def main(folder: Path) -> int:
    """The exit code."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    job = json.loads((folder / "job.json").read_bytes())
    answer = _answer(job)
    (folder / "answer.json").write_text(json.dumps(answer))
    return 1 if "refused" in answer else 0


def _answer(job: dict[str, Any]) -> dict[str, str]:
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    from mlflow_export.export import Refused, export

    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        with _alone(Path(job["lock"])):
            return export(job["to"], Run(**job["run"]))
    except (MlflowException, SQLAlchemyError, Refused, OSError) as error:
        return {"refused": str(error).strip()[:_MOST] or type(error).__name__}


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Of two exports from here one waits for the other: both would find no run, and make two."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
