"""Reads a job (JSON) from standard input, tells its progress on standard output, writes `work`/answer.json.

{"command": "package", "folder", "keep_native"}, {"command": "score", "a", "b", "threshold"} or
{"command": "read", "folder", "pickles"}, all with "work", "memory_bytes" and "processor_seconds". The answer is
{"done": …} or {"refused": {"what", "fix"}}.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from model_packaging.isolate import isolate
from model_packaging.refusal import Refusal


def main() -> int:
    """0 when an answer was written."""
    job = json.load(sys.stdin)
    isolate(job["memory_bytes"], job["processor_seconds"])
    try:
        answer: dict[str, Any] = {"done": _run(job)}
    except Refusal as refusal:
        answer = {"refused": {"what": refusal.what, "fix": refusal.fix}}
    (Path(job["work"]) / "answer.json").write_text(json.dumps(answer, allow_nan=False))
    return 0


def _run(job: dict[str, Any]) -> dict[str, Any]:
    def tell(line: str) -> None:
        print(line, flush=True)

    # imported late: they take seconds, and start threads
    if job["command"] == "score":
        from model_packaging.score import score

        return score(job, tell)
    if job["command"] == "read":
        from model_packaging.read import read

        return read(job)
    from model_packaging.package import package

    return package(job, tell)


if __name__ == "__main__":
    sys.exit(main())
