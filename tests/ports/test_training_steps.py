"""What a run relies on of whatever carries out the steps of trainings: the real one and its double."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipway.core.errors import ShipwayError
from shipway.core.ports.learning import TrainingSteps
from shipway.core.releases.release import Artifact
from shipway.core.training.steps import StepDone, StepOrder
from shipway.local.builds.address import Address
from shipway.local.builds.confinement import Confinement
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.training.steps import LocalSteps
from tests.doubles.training import FakeSteps

PROGRAM = """
import os, pathlib, sys
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
print("working", flush=True)
if sys.argv[1] == "bias":
    (base / "output" / "message").write_text("no groups")
    sys.exit(1)
(base / "processing" / "output" / "evaluation.json").write_text('{"rows": 5}')
"""
MONTHS = ["2013-05", "2013-06"]


class Bench:
    """Steps, and a program of two: `evaluate` leaves a file, `bias` fails."""

    def __init__(self, folder: Path, real: bool) -> None:
        tree = folder / "tree"
        (tree / "src").mkdir(parents=True)
        (tree / "src" / "program.py").write_text(PROGRAM)
        self.artifact = Artifact("training", "a" * 64, Address(str(tree)).text())
        self.told: list[str] = []
        self.steps: TrainingSteps
        if not real:
            self.steps = double = FakeSteps()
            double.files, double.failing, double.there = {"evaluation.json": {"rows": 5}}, {"bias": "no groups"}, MONTHS
            return
        for month in MONTHS:
            (folder / "data" / "rows" / month).mkdir(parents=True)
            (folder / "data" / "rows" / month / "rows.csv").write_text("x")
        environments = PythonEnvironments(folder / "environments")
        self.steps = LocalSteps(folder / "steps", folder, folder / "versions", environments, Confinement(folder))

    def run(self, name: str, *options: str) -> StepDone:
        order = StepOrder(name, self.artifact, "python -m program", {}, "data", options)
        return self.steps.run(order, self.told.append)


@pytest.fixture(params=["real", "double"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, request.param == "real")
    yield bench
    if isinstance(bench.steps, LocalSteps):
        bench.steps.stop()


def test_what_is_done_is_not_repeated(bench: Bench) -> None:
    """The same order is told once, and found again by its digest; another word is another order."""
    first, again, other = bench.run("evaluate"), bench.run("evaluate"), bench.run("evaluate", "--more")
    assert (False, True, False) == (first.reused, again.reused, other.reused)
    assert first.digest == again.digest != other.digest
    assert first.outputs == again.outputs
    assert ["working", "working"] == bench.told


def test_a_result_can_be_read(bench: Bench) -> None:
    """Its JSON files by name, its folders by where they lie."""
    done = bench.run("evaluate")
    found: Any = bench.steps.read(done, "processing/output/evaluation.json")
    assert {"rows": 5} == json.loads(json.dumps(found))
    assert bench.steps.folder(done, "processing/output").endswith("processing/output")


def test_a_failure_is_told_in_the_steps_words(bench: Bench) -> None:
    """With the step's name, each time that it is tried."""
    for _ in range(2):
        with pytest.raises(ShipwayError, match=r"^bias failed: no groups$"):
            bench.run("bias")


def test_months_are_in_order(bench: Bench) -> None:
    """Those that there are."""
    assert MONTHS == [*bench.steps.months("data", ("rows",))]
