"""Which months a model learns from, and which one its gate is about. Months are texts such as `2013-07`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from shipway.core.errors import Refused, UsageError

MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Window:
    """Trained on the months `[begin, end)`, tested on the month `end`."""

    begin: str
    end: str

    @property
    def days(self) -> tuple[str, str, str]:
        """First day trained on, first day tested on, first day that is neither."""
        return f"{self.begin}-01", f"{self.end}-01", f"{month_after(self.end)}-01"

    def needed(self, there: Sequence[str]) -> tuple[str, ...]:
        """The months to prepare: the window's, and the one before, of which the first departures know the end."""
        return tuple(month for month in there if month_before(self.begin) <= month <= self.end)


def chosen(there: Sequence[str], begin: str | None, end: str | None, months: int | None) -> Window:
    """The window that is asked for, from the months that every table has, in order.

    Without `end` the newest month is tested; without `begin` it learns from the `months` before that, or from all there
    are. Raises UsageError for what is no month, Refused where there is not enough data or a month is missing.
    """
    for month in (begin, end):
        if month is not None and not MONTH.fullmatch(month):
            raise UsageError(f"{month[:60]!r} is no month", fix="give months such as 2013-07")
    if len(there) < 2:
        raise Refused(
            f"hold: there are {len(there)} months of data; two are needed, one of them to test on",
            fix="put data into TABLE/yyyy-mm/ of the training's bucket",
            state="nothing was trained",
        )
    tested = end or there[-1]
    first = begin or (max(there[0], months_before(tested, months)) if months else there[0])
    if first >= tested:
        raise UsageError(f"{first} is not before {tested}, which is tested on", fix="shipway train --from 2013-01")
    wanted, month = [], first
    while month <= tested:
        wanted.append(month)
        month = month_after(month)
    if missing := [month for month in wanted if month not in there]:
        raise Refused(
            f"hold: there is no data of {', '.join(missing[:6])}; there is of {there[0]} to {there[-1]}",
            fix="put it into the training's bucket, or choose other months: --from, --until",
            state="nothing was trained",
        )
    return Window(first, tested)


def month_after(month: str) -> str:
    """The month after one."""
    return _moved(month, 1)


def month_before(month: str) -> str:
    """The month before one."""
    return _moved(month, -1)


def months_before(month: str, count: int) -> str:
    """The month so many before one."""
    return _moved(month, -count)


def _moved(month: str, count: int) -> str:
    number = int(month[:4]) * 12 + int(month[5:]) - 1 + count
    return f"{number // 12:04}-{number % 12 + 1:02}"
