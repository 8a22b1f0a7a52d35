"""Orders for the steps: what each reads, and with which words it is started."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from shipway.core.description.training import Training
from shipway.core.releases.release import Artifact
from shipway.core.training.steps import Input, Orders, StepDone
from shipway.core.training.windows import Window

SETTINGS = Training.model_validate({
    "tables": ["flights", "weather"], "parameters": {"rounds": 40, "learning-rate": 0.1},
    "facets": ["origin=EWR", "carrier=MQ,EV"], "step_timeout": "10m",
    "tuning": {
        "space": {"leaves": {"min": 7, "max": 127}, "learning-rate": {"min": 0.01, "max": 0.3, "log": True}},
        "months": 2, "timeout": "2h",
    },
})  # fmt: skip
ORDERS = Orders(SETTINGS, Artifact("training", "a" * 64, "memory:"), Window("2013-02", "2013-04"))
PREPARED, TRAINED = StepDone("prepare", "p" * 64, 1.0, False), StepDone("train", "t" * 64, 1.0, False)
TESTED = {
    "model": Input("step", TRAINED.digest, "model"),
    "test": Input("step", PREPARED.digest, "processing/output/test"),
}


def test_prepare_gets_every_table_and_the_days() -> None:
    """The months of the window and the one before."""
    order = ORDERS.prepare(["2012-12", "2013-01", "2013-02", "2013-03", "2013-04", "2013-05"])
    months = ("2013-01", "2013-02", "2013-03", "2013-04")
    assert {name: Input("data", name, months=months) for name in ("flights", "weather")} == order.inputs
    assert ("--from", "2013-02-01", "--until", "2013-04-01", "--test-until", "2013-05-01") == order.options
    assert ("training-data-bucket", 600.0, None) == (order.bucket, order.timeout, order.hyperparameters)


@pytest.mark.parametrize("run_in", ["process", "container"])
def test_every_step_runs_in_what_was_chosen(run_in: str) -> None:
    """A process where nothing was."""
    settings = Training.model_validate({**SETTINGS.model_dump(), "run_in": run_in})
    orders = Orders(settings, ORDERS.artifact, ORDERS.window)
    made = [
        orders.prepare(["2013-02"]), orders.train(PREPARED), orders.evaluate(PREPARED, TRAINED, None),
        orders.bias(PREPARED, TRAINED), orders.package(PREPARED, TRAINED, {}),
    ]  # fmt: skip
    assert {run_in == "container"} == {order.container for order in made}
    assert not ORDERS.train(PREPARED).container


def test_train_gets_parameters_as_texts() -> None:
    """SageMaker's hyperparameters are strings."""
    order = ORDERS.train(PREPARED)
    assert {"training": Input("step", PREPARED.digest, "processing/output/training")} == order.inputs
    assert {"rounds": "40", "learning-rate": "0.1"} == order.hyperparameters


def test_a_search_gets_what_the_training_gets() -> None:
    """The rows to learn from and not the tested ones, ranges and fixed parameters as words, and its own time."""
    assert SETTINGS.tuning is not None
    order = ORDERS.tune(PREPARED, SETTINGS.tuning, 12, 2)
    assert ORDERS.train(PREPARED).inputs == order.inputs
    assert (
        *("--vary", "leaves=7..127", "--vary", "learning-rate=0.01..0.3,log"),
        *("--set", "rounds=40", "--set", "learning-rate=0.1"),
        *("--trials", "12", "--months", "2", "--seed", "2013", "--jobs", "2"),
    ) == order.options
    assert (None, 7200.0) == (order.hyperparameters, order.timeout)
    found = ORDERS.train(PREPARED, {"learning-rate": "0.02", "leaves": "9"})
    assert {"rounds": "40", "learning-rate": "0.02", "leaves": "9"} == found.hyperparameters


def test_bias_is_beside_what_was_found_before() -> None:
    """Of the training that made the champion; conditioned on a column where one is named."""
    settings = SETTINGS.model_copy(update={"group_variable": "dest"})
    order = Orders(settings, ORDERS.artifact, ORDERS.window).bias(PREPARED, TRAINED, StepDone("bias", "b1", 1.0, False))
    assert Input("step", "b1", "processing/output/bias") == order.inputs["baseline"]
    assert ("--group-variable", "dest") == order.options[-2:]


def test_the_others_get_model_and_tested_rows() -> None:
    """A champion where there is one, facets as options, the lineage as a document."""
    assert TESTED == ORDERS.evaluate(PREPARED, TRAINED, None).inputs
    assert Input("version", "v1.0") == ORDERS.evaluate(PREPARED, TRAINED, "v1.0").inputs["champion"]
    assert ("--facet", "origin=EWR", "--facet", "carrier=MQ,EV") == ORDERS.bias(PREPARED, TRAINED).options
    lineage = ORDERS.package(PREPARED, TRAINED, {"run": "1", "parent": None}).inputs["lineage"]
    assert ({"run": "1", "parent": None}, "lineage.json") == (json.loads(lineage.text), lineage.part)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"tables": []},
        {"tables": ["flights"], "command": "python -m training && rm -r /"},
        {"tables": ["flights"], "facets": ["origin"]},
        {"tables": ["flights"], "gate": {"min_days": 1}},
        {"tables": ["flights"], "gate": {"max_calibration_error": "much"}},
        {"tables": ["flights"], "window": 6},
        {"tables": ["flights"], "include": ["../features"]},
        {"tables": ["flights"], "include": ["training/features"]},
        {"tables": ["flights"], "facets": ["distance>far"]},
        {"tables": ["flights"], "facets": ["origin=EWR"], "gate": {"max_bias": {"DPLL": 0.1}}},
        {"tables": ["flights"], "facets": ["origin=EWR"], "gate": {"max_bias": {"DPL": -0.1}}},
        {"tables": ["flights"], "gate": {"max_bias": {"DPL": 0.1}}},
        {"tables": ["flights"], "group_variable": "dest; rm"},
        {"tables": ["flights"], "tuning": {"trials": 5}},
        {"tables": ["flights"], "tuning": {"space": {}}},
        {"tables": ["flights"], "tuning": {"space": {"leaves": {"min": 9, "max": 9}}}},
        {"tables": ["flights"], "tuning": {"space": {"rate": {"min": 0, "max": 9, "log": True}}}},
        {"tables": ["flights"], "tuning": {"space": {"leaves": {"min": 1, "max": 9}}, "trials": 10_001}},
        {"tables": ["flights"], "tuning": {"space": {"leaves": {"min": 1, "max": 9, "step": 2}}}},
    ],
)
def test_what_cannot_be_a_training_is_refused(wrong: dict[str, object]) -> None:
    """Unknown keys, shell commands, folders from elsewhere, facets without values, limits that are none."""
    with pytest.raises(ValidationError):
        Training.model_validate(wrong)
