"""The program: `python -m offline_features FOLDER` does what FOLDER/job.json says and leaves FOLDER/answer.json.

`{"do": "compact" | "join", "online": …/online.db, "offline": …/offline, "groups": {NAME: as in shipway.yaml}}`. A join
has `rows`, `output`, `time`, `written`, and `wanted`, pairs of a group and the rows' column with its ids, as well. Exit
code 0: done; 1: refused, `{"refused": …}`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from offline_features.compaction import compact
from offline_features.groups import Group
from offline_features.joining import Asked, Wanted, join
from offline_features.problems import Problem


def main(folder: Path) -> int:
    """The exit code."""
    try:
        answer, code = run(json.loads((folder / "job.json").read_bytes())), 0
    except Problem as problem:
        answer, code = {"refused": str(problem)}, 1
    (folder / "answer.json").write_text(json.dumps(answer))
    return code


def run(job: Mapping[str, Any]) -> dict[str, Any]:
    """Do it; a join compacts first, so that files are all it has to read. Raises Problem."""
    groups = {name: Group.of(name, declared) for name, declared in job["groups"].items()}
    offline = Path(job["offline"])
    compacted = compact(Path(job["online"]), offline, list(groups.values()))
    if job["do"] == "compact":
        return {"compacted": compacted}
    wanted = [Wanted(groups[name], key) for name, key in job["wanted"]]
    asked = Asked(Path(job["rows"]), Path(job["output"]), job["time"], wanted, job["written"])
    return {"compacted": compacted, "joined": join(offline, asked)}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
