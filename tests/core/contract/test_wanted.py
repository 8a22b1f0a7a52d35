"""The text that says which versions a task serves, as the platform writes it and the model service reads it."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest
from hypothesis import given

from shipway.core.contract import lightgbm_text, version, wanted
from shipway.core.contract.wanted import parse
from shipway.core.experiments.experiment import Experiment
from tests.core.experiments.drawn import experiments


@pytest.mark.parametrize("module", [lightgbm_text, version, wanted])
def test_the_examples_hold(module: ModuleType) -> None:
    """What the documentation of the functions shows is so."""
    assert 0 == doctest.testmod(module).failed


@given(experiment=experiments())
def test_what_is_written_is_read(experiment: Experiment) -> None:
    """Versions, percents and shadow are those that were meant, in the same order, to the last digit."""
    text = experiment.wanted.text()
    assert experiment.wanted == parse(text)
    assert tuple(experiment.shares.items()) == parse(text).variants
    assert len(text.encode()) <= wanted.LARGEST_TEXT
