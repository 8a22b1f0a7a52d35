"""The small pieces that all listings share: durations, times, shares, tables, and text made safe for a terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: object) -> str:
    """One line without terminal escapes and control characters: commits and logs say what they like."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", _ESCAPES.sub("", str(text)))


def brief(text: object, most: int = 160) -> str:
    r"""The first line of a text, made plain; `…` stands for what is left out of it or comes after it.

    >>> [brief("exit code 3"), brief("exit code 3: boom\nTraceback"), brief("killed by SIGKILL: boom", 20)]
    ['exit code 3', 'exit code 3: boom …', 'killed by SIGKILL:…']
    """
    first, *others = str(text).strip().splitlines() or [""]
    line = plain(first).strip()
    if len(line) > most:
        return f"{line[: most - 1].rstrip()}…"
    return f"{line} …" if others else line


def paragraph(text: object, indent: str) -> list[str]:
    """The lines of a text, made plain; all but the first are indented."""
    first, *others = str(text).splitlines() or [""]
    return [plain(first), *(f"{indent}{plain(line)}" for line in others)]


def duration(seconds: float) -> str:
    """`0.1 s`, `12 s`, `3 min`, `2 h`, `5 d`.

    >>> [duration(s) for s in (0.04, 9.96, 59.6, 3600, 200_000)]
    ['0.0 s', '10 s', '1 min', '60 min', '2 d']
    """
    if round(seconds, 1) < 10:
        return f"{max(seconds, 0.0):.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    for size, unit, limit in ((60, "min", 90), (3600, "h", 36)):
        if seconds / size < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"


def clock_time(at: float, now: float) -> str:
    """The local time of day, with the date when it is another day."""
    then = time.localtime(at)
    same_day = then[:3] == time.localtime(now)[:3]
    return time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M", then)


def share(weight: int) -> str:
    """Ten-thousandths as percent: `5 %`, `0.25 %`."""
    return f"{weight / 100:g} %"


def short(digest: str | None) -> str:
    """A commit's first seven digits."""
    return plain(digest or "")[:7]


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Columns under headers, two spaces apart; no lines for no rows."""
    if not rows:
        return []
    cells = [list(headers), *([plain(cell) for cell in row] for row in rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(headers))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
