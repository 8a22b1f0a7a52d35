"""Pages in memory: they hold what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shipway.core.ports.learning import ReportKind, Reports
from shipway.core.ports.telling import Tell
from shipway.core.views.learning import Report


class FakeReports(Reports):
    """A page's only section is about the files' names; `asked` are kinds and files."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, Mapping[str, Any]]]] = []

    def page(self, kind: ReportKind, files: Mapping[str, Mapping[str, Any]], tell: Tell) -> Report:
        self.asked.append((kind, files))
        tell("making the page")
        table = {"header": ["file", "figures"], "rows": [[name, len(files)] for name in files], "marked": [0]}
        section = {"title": "Files", "text": "what it is about", "tables": [table], "figures": []}
        page = {
            "title": f"a page about {kind}", "state": "bad", "verdict": "one check failed", "facts": {"kind": kind},
            "failed": ["the check"], "sections": [section],
        }  # fmt: skip
        return Report(page, f"<!doctype html><title>{kind}</title>")
