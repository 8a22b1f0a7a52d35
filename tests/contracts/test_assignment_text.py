"""The text that says which versions a task tries out, as the platform writes it and the model service reads it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType

import pytest
from hypothesis import given

from shipway.core.assignment import Shadow, Trial
from tests.contracts.programs import ROOT
from tests.core.trials import trials


@pytest.fixture(scope="module")
def service() -> Iterator[ModuleType]:
    """The reader of the model service, which is a part of its own: only the text joins them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "ml-model-service" / "src"))
        yield importlib.import_module("ml_model_service.versions.assignment")


@given(trial=trials())
def test_the_service_reads_what_is_written(service: ModuleType, trial: Trial) -> None:
    """Versions, percents and shadow are those that were meant, in the same order, to the last digit."""
    read = service.parse(trial.text())
    shadow = None if read.shadow is None else Shadow(read.shadow.version, read.shadow.percent)
    assert trial == Trial("prod", read.version, read.split, shadow)
    assert tuple(trial.shares.items()) == read.variants
    assert len(trial.text()) <= service.LARGEST_TEXT
