"""What is told of trainings and versions: all that is known, and what is not there any more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shipway.core.errors import Refused, UsageError
from tests.doubles.reports import FakeReports
from tests.doubles.training import analysis, evaluation
from tests.pipeline.house import House


@pytest.fixture
def reports(house: House) -> FakeReports:
    """What makes the pages."""
    found = house.parts.reports
    assert isinstance(found, FakeReports)
    return found


def trained(house: House, *statuses: str) -> str:
    """A training that has ended."""
    run = house.control.training.start(None, None, None, "ann", "drift")
    return house.until(run.id, *(statuses or ("succeeded",))).id


def told(line: str) -> None:
    """Nobody listens."""


def test_a_training_s_page_has_its_records_and_what_its_steps_left(house: House, reports: FakeReports) -> None:
    """Bias and its violations only where there was a step `bias`."""
    id = trained(house)
    house.control.reports.training(id, told)
    ((kind, files),) = reports.asked
    found = files["training.json"]
    assert ("training", id, "promote") == (kind, found["run"]["id"], found["training"]["decision"]["kind"])
    assert (evaluation(), {"ratio": 1.0}) == (found["evaluation"], found["latency"])
    assert (None, None, None, []) == (found["analysis"], found["violations"], found["tuning"], found["missing"])


def test_a_training_whose_files_are_gone_is_still_told(house: House, reports: FakeReports) -> None:
    """By its records, and by what is missing."""
    id = trained(house)
    del house.steps.files["evaluation.json"]
    house.control.reports.training(id, told)
    found: Any = reports.asked[0][1]["training.json"]
    assert (None, "promote") == (found["evaluation"], found["training"]["decision"]["kind"])
    assert "evaluation.json of the step evaluate" in found["missing"][0]


def test_a_training_that_failed_is_told_with_its_reason(house: House, reports: FakeReports) -> None:
    """It has no verdict and no figures."""
    house.steps.failing["train"] = "no rows"
    id = trained(house, "failed")
    house.control.reports.training(id, told)
    found: Any = reports.asked[0][1]["training.json"]
    assert ("failed", None, None) == (found["run"]["status"], found["training"]["decision"], found["evaluation"])
    assert "no rows" in found["run"]["reason"]


def test_a_training_that_goes_on_has_no_page_yet(house: House) -> None:
    """Where it is, is said, and how to wait for it."""
    ended = house.run(trained(house))
    house.store.put(ended.id, replace(ended, status="running", stage="train"))
    for ask in (house.control.reports.training, house.control.reports.bias, house.control.reports.tracked):
        with pytest.raises(Refused, match=f"training {ended.id} has not ended: it is at train"):
            ask(ended.id, told)
    house.store.put(ended.id, ended)


def test_bias_in_full_is_told_with_what_has_become_worse(house: House, reports: FakeReports) -> None:
    """As files, in the way the step left them."""
    training = house.app.model.training.model_copy(update={"facets": ("origin=EWR",)})  # type: ignore[union-attr]
    model = house.app.model.model_copy(update={"training": training})  # type: ignore[union-attr]
    house.described = house.app.model_copy(update={"model": model})
    house.steps.files |= analysis("DPPL")
    house.control.reports.bias(trained(house), told)
    kind, files = reports.asked[0]
    assert ("bias", analysis("DPPL")) == (kind, files)


def test_a_training_without_bias_says_why_and_what_to_do(house: House) -> None:
    """It looked at no groups, or did not come so far."""
    with pytest.raises(Refused, match="it had no step `bias`") as refused:
        house.control.reports.bias(trained(house), told)
    assert "model.training.facets" in refused.value.fix
    house.steps.failing["evaluate"] = "no memory"
    house.steps.files["evaluation.json"] = evaluation(labels=27_000)
    id = trained(house, "failed")
    with pytest.raises(Refused, match="it ended at evaluate, before that step") as refused:
        house.control.reports.bias(id, told)
    assert f"shipway train report {id}" == refused.value.fix


def test_a_version_s_card_has_the_training_that_made_it(house: House, reports: FakeReports) -> None:
    """And of one that nobody trained here what its metadata says."""
    id = trained(house)
    version = house.run(id).model_version
    assert version is not None
    house.control.reports.card(version, told)
    house.control.reports.card("v1.0", told)
    made, published = (files["version.json"] for _, files in reports.asked)
    assert (id, version) == (made["training"]["run"]["id"], made["metadata"]["version"])
    assert (None, "v1.0", True) == (published["training"], published["metadata"]["version"], published["latest"])
    with pytest.raises(UsageError, match="no model version"):
        house.control.reports.card("v9.9", told)


def test_a_training_for_a_tracker_has_its_model_and_what_its_steps_found(house: House) -> None:
    """As files on this machine, and its report as text."""
    house.steps.files["metadata.json"] = {"version": "v1.1"}
    found = house.control.reports.tracked(trained(house), told)
    assert {
        "model/model.txt": "/train/model/model.txt",
        "metadata.json": "/package/processing/output/package/metadata.json",
        "evaluate/evaluation.json": "/evaluate/processing/output/evaluation/evaluation.json",
        "evaluate/latency.json": "/evaluate/processing/output/latency/latency.json",
    } == found.files
    assert ["reports/training.html"] == [*found.texts]
    assert ("hello", "promote") == (found.experiment, found.tags["gate.verdict"])


def test_the_newest_training_is_one_that_has_ended(house: House) -> None:
    with pytest.raises(UsageError, match="no training has ended yet"):
        house.control.reports.tracked("newest", told)
    first = trained(house)
    assert first == house.control.reports.tracked("newest", told).tags["run"]
