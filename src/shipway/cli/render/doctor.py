"""The doctor's findings, one line each, the fix below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shipway.cli.render.text import paragraph, plain

if TYPE_CHECKING:
    from shipway.core.checks import Check

_MARKS = {"good": "✔", "bad": "✘", "optional": "–"}
_COLUMN = 14


def check_lines(check: Check) -> list[str]:
    """`✔ git           2.39.5`; a fault or an omission has its fix on the next line."""
    first, *others = paragraph(check.found, " " * (_COLUMN + 2))
    lines = [f"{_MARKS[check.state]} {check.name:{_COLUMN}}{first}", *others]
    return [*lines, f"{'':{_COLUMN + 2}}{plain(check.fix)}"] if check.fix else lines


def conclusion(checks: Sequence[Check]) -> str:
    """The last line."""
    missing = [check.name for check in checks if check.state == "bad"]
    return f"✘ to be fixed first: {', '.join(missing)}" if missing else "✔ everything that Shipway needs is here"
