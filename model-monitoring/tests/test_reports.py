"""Reports are one file that opens anywhere, says first what failed, and stays small."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from model_monitoring.answers import Coded
from model_monitoring.labels import Joined
from model_monitoring.quality.judged import Judged
from model_monitoring.reports import figures, monitor
from model_monitoring.reports.frame import MAX_ROWS, Page, Section, Table, render
from model_monitoring.statistics import known_of
from model_monitoring.summary import Summary

HOSTILE = "<script>alert('x')</script>"


class Words(HTMLParser):
    """What a reader without styles and figures gets; and which addresses and scripts there are."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self._silent = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "data", "action")]
        self._silent += tag in ("style", "svg")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("style", "svg")

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.words.append(data.strip())


def look(columns: int = 3, rows: int = 400, drifted: int = 1) -> str:
    """A report of that many columns, of which some drifted."""
    draw = np.random.default_rng(1)
    names = [f"column {number} {HOSTILE}" for number in range(columns)]
    known = []
    for shift in (0.0, 1.0):
        summary = Summary()
        summary.add({name: draw.normal(shift, 1, rows).tolist() for name in names}, rows)
        known.append({name: known_of(name, column) for name, column in summary.columns.items()})
    distances = [
        {"feature_name": name, "method": "Robust", "value": 0.4, "threshold": 0.1, "is_drift": place < drifted}
        for place, name in enumerate(names)
    ]
    failed = [
        {"feature_name": name, "constraint_check_type": "baseline_drift_check", "description": "distance 0.4"}
        for name in names[:drifted]
    ]
    said = draw.random(rows)
    joined = Joined(rows * 2, said, (draw.random(rows) < said).astype(float), np.zeros(rows), Coded())
    windows = {"windows": [{"begins": f"2026-01-{day:02d}", "distances": {}} for day in range(1, 29)]}
    judged = Judged(joined, "binary_classification")
    return render(monitor.page("e", {"rows": "400"}, rows, failed, distances, known[1], known[0], judged, windows))


def test_what_failed_is_the_first_thing_that_one_reads():
    """Also as plain text; the share of labels is said."""
    words = Words(look()).words
    begin = next(place for place, word in enumerate(words) if word == "✘")
    assert "1 check failed in 400 rows" == words[begin + 1]
    assert f"column 0 {HOSTILE}: distance 0.4" == words[begin + 2]
    assert any("400 labelled rows, 50% of the window's" in word for word in words)


def test_a_report_needs_no_network_and_no_script():
    """Whatever columns are called."""
    text = look()
    page = Words(text)
    assert (set(), []) == (page.tags & {"script", "link", "iframe", "img", "object"}, page.addresses)
    assert not re.findall(r"url\(|@import|xlink|\son\w+=", text)
    assert HOSTILE not in text and html.escape(HOSTILE, quote=False).split(";")[0] in text


def test_figures_take_the_page_s_colours_and_say_what_they_are():
    """So light and dark are one file; a reader without eyes hears the caption."""
    text = look()
    figure = text[text.index("<svg") : text.index("</svg>")]
    assert re.search(r"prefers-color-scheme: dark", text)
    assert not re.search(r"#[0-9a-fA-F]{3,6}|rgb", figure)
    assert 'role="img"' in figure and "aria-label=" in figure


@pytest.mark.parametrize(("columns", "rows"), [(3, 400), (500, 200), (20, 20_000)])
def test_a_report_is_small_however_much_it_is_about(columns, rows):
    """Below 1 MB: neither rows nor columns are listed without end."""
    assert len(look(columns, rows, drifted=columns).encode()) < 1_000_000


def test_tables_say_how_much_they_leave_out():
    page = Page("t", "good", "fine", {}, sections=[Section("s", tables=[Table(("n",), [(n,) for n in range(500)])])])
    assert f"… and {500 - MAX_ROWS} more." in render(page)


def test_an_empty_window_is_no_good_news():
    text = render(monitor.page("e", {}, 0, [], [], {}, {}, None, {}))
    assert "no rows in the window: no evidence" in text
    assert "✔" not in " ".join(Words(text).words)


def test_figures_hold_with_nothing_in_them():
    """No points, one point, a missing one."""
    one_point = figures.curves({"a": [(0, 0)]}, "c")
    for made in (figures.bars([], {"a": []}, "c"), one_point, figures.lines(["x"], {"a": [None]}, "c")):
        assert made.startswith("<svg")
