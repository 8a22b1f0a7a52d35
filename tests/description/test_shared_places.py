"""What two users of one machine share."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("src", "tests", "backend-api", "ml-model-service", "training", "benchmarks")


def test_no_fixed_name_below_tmp_is_shared_by_two_users() -> None:
    """A folder there that one user has made is closed to the next; so each name holds a user's id, or is drawn."""
    shared = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if path != Path(__file__)
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"gettempdir\(|[\"']/tmp/", line) and not re.search(r"getuid|tmp_path|TMPDIR|\.glob\(", line)
    ]
    assert [] == shared
