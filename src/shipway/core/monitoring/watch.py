"""A look at a window of a model's traffic, and what it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["quiet", "drift", "hold"]
LENGTHS = ("day", "week", "month")
"""Lengths of windows that a baseline has thresholds for."""
BLIND = frozenset({"missing_column_check", "unreadable_lines_check"})
"""Checks that find data which is not there to be judged."""


@dataclass(frozen=True, slots=True)
class Violation:
    """What a check found. `feature` is empty where it is about the data as a whole."""

    feature: str
    check: str
    description: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What the monitoring program reports of a window.

    `lines` were read, of which `unreadable` (kind → count) could not be used. `labelled` of the `rows` have labels, by
    which `quality` (metric → value, None where it can't be computed) judges them.
    """

    rows: int
    lines: int
    unreadable: Mapping[str, int]
    violations: tuple[Violation, ...]
    labelled: int = 0
    quality: Mapping[str, float | None] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a window means: `quiet`, `drift` (then `causes` has what may trigger), or `hold` for want of evidence.

    `reason` is one line. `noted` are the violations of what may not trigger.
    """

    state: State
    reason: str
    causes: tuple[Violation, ...] = ()
    noted: tuple[Violation, ...] = ()


def judge(seen: Seen, triggers: Sequence[str], min_rows: int) -> Verdict:
    """The verdict on a window. `triggers` are the columns and metrics that count; without any, all do."""
    counting = tuple(one for one in seen.violations if not triggers or one.feature in triggers)
    noted = tuple(one for one in seen.violations if one not in counting and one.check not in BLIND)
    blind = [one for one in seen.violations if one.check in BLIND and (one in counting or not one.feature)]
    if seen.rows < min_rows:
        return Verdict("hold", f"{seen.rows} rows in the window; {min_rows} are needed for a verdict", (), noted)
    if blind:
        return Verdict("hold", _told(blind), tuple(blind), noted)
    if counting:
        return Verdict("drift", _told(counting), counting, noted)
    return Verdict("quiet", f"{seen.rows} rows as the baseline has them", (), noted)


def alarm_of(verdict: Verdict, held_for: float, max_hold: float) -> str:
    """What somebody should know of: a drift, or a hold that has lasted as long as it may. Empty where there is nothing."""
    if verdict.state == "drift":
        return verdict.reason
    if verdict.state == "hold" and held_for >= max_hold:
        return f"no verdict for {span(held_for)}: {verdict.reason}"
    return ""


def span(seconds: float) -> str:
    """Such as "3.5 d"."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _told(violations: Sequence[Violation]) -> str:
    first = violations[0]
    name = f"{first.feature}: " if first.feature else ""
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return f"{name}{first.description}{more}"
