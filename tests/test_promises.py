"""docs/promises.md names a test for each line, and those tests exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
TABLES = re.findall(r"^\| what goes wrong .*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.M)
ROWS = [line for table in TABLES for line in table.splitlines()]
TEST = re.compile(r"`([\w/.-]+\.py)(?:::(\w+))?`|`(make [\w-]+)`")


def test_every_promise_names_a_test() -> None:
    """A line without one is a claim."""
    assert 5 == len(TABLES)
    assert [] == [row for row in ROWS if not TEST.search(row.rpartition(" | ")[2])]


def test_every_named_test_exists() -> None:
    """By its file and its function."""
    missing = []
    for path, function, target in TEST.findall(PAGE):
        if target:
            found = re.search(rf"^{target.removeprefix('make ')}:", (ROOT / "Makefile").read_text(), re.M)
        else:
            file = ROOT / path
            found = file.exists() and (
                not function or re.search(rf"def {function}\b|class {function}\b", file.read_text())
            )
        if not found:
            missing.append(f"{path}::{function}" if path else target)
    assert [] == missing
