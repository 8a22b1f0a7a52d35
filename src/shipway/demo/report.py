"""What the demo shows: lines as it goes, a live line on a terminal, a table or one JSON object at the end."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TextIO


@dataclass(slots=True)
class StepResult:
    """How a step went. Figures of the load are filled in when the load has ended."""

    name: str
    seconds: float = 0.0
    sent: int = 0
    failed: int = 0
    rollback_seconds: float | None = None
    swap_seconds: float | None = None
    bundle_seconds: float | None = None


@dataclass(slots=True)
class Result:
    """How the story went. `broken` are the promises that were not kept, one sentence each."""

    steps: list[StepResult] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The one object that `--json` prints. The rollback and the swap are those of the slowest step."""
        return {
            "ok": not self.broken,
            "steps": [{"name": s.name, "seconds": round(s.seconds, 1), "sent": s.sent, "failed": s.failed} for s in self.steps],
            "sent": sum(step.sent for step in self.steps),
            "failed": sum(step.failed for step in self.steps),
            "rollback_seconds": _slowest([step.rollback_seconds for step in self.steps]),
            "model_swap_seconds": _slowest([step.swap_seconds for step in self.steps]),
            "bundle_back_seconds": _slowest([step.bundle_seconds for step in self.steps]),
            "broken": self.broken,
        }  # fmt: skip

    def table(self) -> list[str]:
        """The table at the end, as lines."""
        rows = [("step", "seconds", "requests", "failed", "rollback", "swap", "bundle back")]
        rows += [
            (
                s.name,
                f"{s.seconds:.1f}",
                f"{s.sent:,}",
                f"{s.failed:,}",
                _short(s.rollback_seconds),
                _short(s.swap_seconds),
                _short(s.bundle_seconds),
            )
            for s in self.steps
        ]
        total = self.as_json()
        seconds = sum(step.seconds for step in self.steps)
        rows.append(("all", f"{seconds:.1f}", f"{total['sent']:,}", f"{total['failed']:,}", "", "", ""))
        widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
        lines = [_row(row, widths) for row in rows]
        rule = "─" * max(map(len, lines))
        return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


class Screen:
    """Where lines go: stdout, or with `--json` stderr. A live line is drawn on a terminal only. Thread-safe.

    A terminal that was closed, or a reader that is gone, takes no lines; the demo still has to clean up.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._stream: TextIO = sys.stderr if as_json else sys.stdout
        self._live = self._stream.isatty()
        self._lock = threading.Lock()

    def say(self, *lines: str) -> None:
        """Lines that stay."""
        with self._lock, suppress(OSError):
            self._erase()
            for line in lines:
                self._stream.write(self._shown(line) + "\n")
            self._stream.flush()

    def live(self, line: str) -> None:
        """A line that the next one replaces."""
        if self._live:
            with self._lock, suppress(OSError):
                self._erase()
                self._stream.write(self._shown(line)[: shutil.get_terminal_size().columns - 1])
                self._stream.flush()

    def _erase(self) -> None:
        if self._live:
            self._stream.write("\r\x1b[K")

    def _shown(self, line: str) -> str:
        """The line as the stream's encoding can write it."""
        encoding = self._stream.encoding or "ascii"
        return line.encode(encoding, "replace").decode(encoding)


def print_json(result: Result) -> None:
    """The result as one object on stdout."""
    sys.stdout.write(json.dumps(result.as_json()) + "\n")
    sys.stdout.flush()


def _row(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *figures = (
        text.ljust(width) if n == 0 else text.rjust(width)
        for n, (text, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *figures]).rstrip()


def _short(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.2f} s"


def _slowest(seconds: Sequence[float | None]) -> float | None:
    known = [value for value in seconds if value is not None]
    return round(max(known), 3) if known else None
