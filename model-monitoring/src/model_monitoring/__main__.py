"""The program: SageMaker Model Monitor's contract, `python -m model_monitoring`.

Without baseline files it makes a baseline; with them, it looks at a window; with a champion it compares two versions.
`SAGEMAKER_BASE_DIR` stands for /opt/ml.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from model_monitoring import baseline, comparison, job, look
from model_monitoring.files import write
from model_monitoring.job import Job
from model_monitoring.problems import Problem

_MESSAGE = 1024


def main(environment: dict[str, str]) -> int:
    """The exit code; the last word is in `output/message`."""
    base = Path(environment.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    try:
        said = run(job.of(environment), base)
        code = 0
    except (Problem, OSError) as problem:
        said, code = str(problem), 1
    write(base / "output" / "message", said.encode()[:_MESSAGE])
    print(said, file=sys.stderr if code else sys.stdout)
    return code


def run(work: Job, base: Path) -> str:
    """Do it; what is to be told in one line. Raises Problem and OSError."""
    if work.champion is not None:
        return comparison.make(work, work.champion)
    if work.statistics is None or work.constraints is None:
        return baseline.make(work)
    return look.at(work, look.Baseline.read(work.statistics, work.constraints), base)


if __name__ == "__main__":
    sys.exit(main(dict(os.environ)))
