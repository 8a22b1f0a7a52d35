"""Which lines of a log somebody asks for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from shipway.core.logs.log_line import LogLine

_ERROR_MARKS = ("ERROR", "CRITICAL", "FATAL", "Traceback", "Error:", "Exception")


@dataclass(frozen=True, slots=True)
class Asked:
    """The last `lines` since a Unix time, with `grep` in them in whatever case, of errors alone, with health checks."""

    lines: int = 100
    since: float = 0.0
    grep: str = ""
    errors: bool = False
    checks: bool = True

    @property
    def narrowed(self) -> bool:
        """Whether a line may be left out, so that more have to be read than are shown."""
        return bool(self.since or self.grep or self.errors or not self.checks)

    def takes(self, line: str, said: LogLine, checks: Collection[str]) -> bool:
        """Whether the line is wanted, which was `said` at the right time; `checks` are the paths of health checks."""
        if self.grep and self.grep.casefold() not in line.casefold():
            return False
        if self.errors and not (said.bad or (not said.structured and any(mark in line for mark in _ERROR_MARKS))):
            return False
        return self.checks or not (checks and said.is_check(checks))
