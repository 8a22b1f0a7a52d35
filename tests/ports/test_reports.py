"""What everything that makes pages does: the double in memory, and the program in its own environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shipway.core.errors import Refused, ShipwayError
from shipway.core.ports.learning import Reports
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.tasks.bounded_run import run_bounded
from shipway.monitor.reports import ProgramReports
from tests.doubles.reports import FakeReports

ROOT = Path(__file__).parent.parent.parent
RUN = {
    "id": "7", "status": "refused", "stage": "gate", "reason": "", "commit": "c1", "by": "ann", "why": "",
}  # fmt: skip
TRAINING: dict[str, Any] = {
    "decision": {"kind": "refuse", "reasons": ["surely worse"]}, "window": None, "champion": "v1.0", "version": None,
    "steps": [],
}  # fmt: skip
TOLD: dict[str, Any] = {
    "run": RUN, "training": TRAINING, "evaluation": None, "latency": None, "tuning": None, "analysis": None,
    "violations": None, "missing": [],
}  # fmt: skip


def program(timeout: float = 120.0) -> ProgramReports:
    environments = PythonEnvironments(ROOT / ".venv" / "parts")
    return ProgramReports(
        lambda lock, tell: environments.python(lock, "model monitoring", tell), ROOT, run_bounded, timeout
    )


@pytest.fixture(params=["double", "program"])
def reports(request: pytest.FixtureRequest) -> Reports:
    """Each of them."""
    return FakeReports() if request.param == "double" else program()


def test_a_page_is_data_and_html(reports: Reports) -> None:
    """With a title, a verdict, and what failed."""
    report = reports.page("training", {"training.json": TOLD}, lambda _: None)
    assert {"title", "state", "verdict", "facts", "failed", "sections"} == {*report.page}
    assert ("bad", 1) == (report.page["state"], len(report.page["failed"]))
    assert report.html.startswith("<!doctype html>")
    for section in report.page["sections"]:
        assert {"title", "text", "tables", "figures"} == {*section}


def test_files_that_are_not_what_they_should_be_are_refused() -> None:
    """With what was wrong; nothing is left behind."""
    with pytest.raises(Refused, match="can't be shown as training: KeyError: 'training'"):
        program().page("training", {"training.json": {"run": RUN}}, lambda _: None)


def test_a_program_that_does_not_end_is_ended() -> None:
    with pytest.raises(ShipwayError, match="was not done within 0 s"):
        program(timeout=0.01).page("training", {"training.json": TOLD}, lambda _: None)
