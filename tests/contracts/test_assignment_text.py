"""The text that says which versions a task tries out, as the platform writes it and the model service reads it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType

import pytest
from hypothesis import given

from shipway.core.contract.wanted import Shadow
from shipway.core.experiments.experiment import Experiment
from tests.contracts.programs import ROOT
from tests.core.experiments.drawn import experiments


@pytest.fixture(scope="module")
def service() -> Iterator[ModuleType]:
    """The reader of the model service, which is a part of its own: only the text joins them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "ml-model-service" / "src"))
        yield importlib.import_module("ml_model_service.versions.assignment")


@given(experiment=experiments())
def test_the_service_reads_what_is_written(service: ModuleType, experiment: Experiment) -> None:
    """Versions, percents and shadow are those that were meant, in the same order, to the last digit."""
    read = service.parse(experiment.text())
    shadow = None if read.shadow is None else Shadow(read.shadow.version, read.shadow.percent)
    assert experiment == Experiment("prod", read.version, read.split, shadow)
    assert tuple(experiment.shares.items()) == read.variants
    assert len(experiment.text()) <= service.LARGEST_TEXT
