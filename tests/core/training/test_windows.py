"""Which months a model learns from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.errors import Refused, UsageError
from shipway.core.training.windows import Window, chosen, month_after, month_before, months_before

YEAR = [f"2013-{month:02}" for month in range(1, 13)]
MONTHS = st.tuples(st.integers(1900, 2199), st.integers(1, 12)).map(lambda date: f"{date[0]:04}-{date[1]:02}")


@pytest.mark.parametrize(
    ("begin", "end", "months", "wanted"),
    [
        (None, None, None, Window("2013-01", "2013-12")),
        (None, None, 6, Window("2013-06", "2013-12")),
        (None, None, 60, Window("2013-01", "2013-12")),
        (None, "2013-07", None, Window("2013-01", "2013-07")),
        (None, "2013-07", 2, Window("2013-05", "2013-07")),
        ("2013-03", "2013-07", 2, Window("2013-03", "2013-07")),
    ],
)
def test_the_newest_month_is_tested_unless_another_is_named(
    begin: str | None, end: str | None, months: int | None, wanted: Window
) -> None:
    """It learns from those before it: those asked for, as many as are configured, or all."""
    assert wanted == chosen(YEAR, begin, end, months)


def test_days_and_months_of_a_window() -> None:
    """Its months as days, and the months that preparing needs: the one before as well, where there is one."""
    window = Window("2013-03", "2013-12")
    assert ("2013-03-01", "2013-12-01", "2014-01-01") == window.days
    assert ("2013-02", *YEAR[2:]) == window.needed(YEAR)
    assert tuple(YEAR[:3]) == Window("2013-01", "2013-03").needed(YEAR)


@pytest.mark.parametrize(
    ("there", "begin", "end", "words"),
    [
        ([], None, None, "hold: there are 0 months of data; two are needed"),
        (["2013-01"], None, None, "hold: there are 1 months of data"),
        (YEAR, None, "2014-02", "hold: there is no data of 2014-01, 2014-02; there is of 2013-01 to 2013-12"),
        ([*YEAR[:3], *YEAR[5:]], None, None, "hold: there is no data of 2013-04, 2013-05"),
        (YEAR, "2012-12", None, "hold: there is no data of 2012-12"),
    ],
)
def test_a_month_that_is_missing_holds(there: list[str], begin: str | None, end: str | None, words: str) -> None:
    """An empty month is never taken for a quiet one."""
    with pytest.raises(Refused) as refused:
        chosen(there, begin, end, None)
    assert refused.value.what.startswith(words)


@pytest.mark.parametrize(
    ("begin", "end"), [("May", None), (None, "2013-13"), ("2013-07", "2013-07"), ("2013-12", None)]
)
def test_what_is_no_window_is_refused(begin: str | None, end: str | None) -> None:
    """A month has year and month, and learning comes before testing."""
    with pytest.raises(UsageError):
        chosen(YEAR, begin, end, None)


@given(MONTHS, st.integers(0, 500))
def test_months_go_on_over_years(month: str, count: int) -> None:
    """One after and one before undo each other; so many before is as many single steps."""
    assert month == month_before(month_after(month))
    earlier = months_before(month, count)
    for _ in range(count):
        earlier = month_after(earlier)
    assert month == earlier
