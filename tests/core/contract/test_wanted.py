"""The text that says which versions a task serves, as the platform writes it and the model service reads it."""

from __future__ import annotations

import doctest
from contextlib import suppress
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.contract import lightgbm_text, schema, version, wanted
from shipway.core.contract.wanted import Shadow, Wanted, WantedError, parse
from shipway.core.experiments.experiment import Experiment
from tests.core.experiments.drawn import experiments


@pytest.mark.parametrize("module", [lightgbm_text, schema, version, wanted])
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


def test_a_bare_version_is_all_stable() -> None:
    """The text of a parameter that knows of no split."""
    assert Wanted("v1.1") == parse(" v1.1\n")


def test_a_whole_text_is_read() -> None:
    """Version, split and shadow; a shadow without a percent mirrors everything."""
    text = '{"version": "v1.1", "split": {"v1.2": 10, "v2.0": 2.5}, "shadow": {"version": "v1.3"}}'
    assert Wanted("v1.1", (("v1.2", 10.0), ("v2.0", 2.5)), Shadow("v1.3", 100.0)) == parse(text)
    assert (("v1.1", 87.5), ("v1.2", 10.0), ("v2.0", 2.5)) == parse(text).variants


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found '', allowed is a version such as v1.0"),
        ("1.0", "found '1.0', allowed is a version such as v1.0"),
        ("v01.0", "found 'v01.0', allowed is a version such as v1.0"),
        ("v" * 5000, "found 5000 characters, allowed are 4096"),
        ('{"version"', "not JSON: Expecting ':' delimiter: line 1 column 11 (char 10)"),
        ("{}", "version is missing"),
        ('{"version": 1}', "version: found 1, allowed is a version such as v1.0"),
        ('{"version": "v1.0", "splits": {}}', "found the key 'splits', allowed are version, split, shadow"),
        ('{"version": "v1.0", "version": "v1.1"}', "found a key twice among ['version', 'version']"),
        (
            '{"version": "v1.0", "split": []}',
            'split: found [], allowed is an object of at most 9 candidates such as {"v1.2": 10}',
        ),
        ('{"version": "v1.0", "split": {"x": 10}}', "split: found 'x', allowed is a version such as v1.0"),
        ('{"version": "v1.0", "split": {"v1.1": true}}', "split.v1.1: found True, allowed is a number from 0 to 100"),
        ('{"version": "v1.0", "split": {"v1.1": NaN}}', "split.v1.1: found nan, allowed is a number from 0 to 100"),
        ('{"version": "v1.0", "split": {"v1.1": -1}}', "split.v1.1: found -1, allowed is a number from 0 to 100"),
        (
            '{"version": "v1.0", "split": {"v1.1": 60, "v1.2": 41}}',
            "split: found 101 percent in all, allowed are 100",
        ),
        (
            '{"version": "v1.0", "split": {"v1.0": 10}}',
            "split: found 'v1.0', which is the stable version: it has what the others leave",
        ),
        (
            '{"version": "v1.0", "shadow": "v1.1"}',
            'shadow: found \'v1.1\', allowed is null or an object such as {"version": "v1.3", "percent": 100}',
        ),
        ('{"version": "v1.0", "shadow": {}}', "shadow.version is missing"),
        (
            '{"version": "v1.0", "shadow": {"version": "v1.0"}}',
            "shadow.version: found 'v1.0', which answers requests: a shadow answers none",
        ),
        (
            '{"version": "v1.0", "shadow": {"version": "v1.1", "percent": 0}}',
            "shadow.percent: found 0, allowed is a number above 0 and up to 100",
        ),
        (
            '{"version": "v1.0", "shadow": {"version": "v1.1", "rate": 1}}',
            "found the key 'shadow.rate', allowed are version, percent",
        ),
    ],
)
def test_a_wrong_text_is_refused(text: str, message: str) -> None:
    """The message says where, what was found and what is allowed."""
    with pytest.raises(WantedError) as caught:
        parse(text)
    assert message == str(caught.value)


@given(st.text(max_size=60) | st.text('{}[]":,v1.20 splitshadow', max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever the parameter holds is read or refused."""
    with suppress(WantedError):
        assert parse(text).version


def test_deep_nesting_is_refused() -> None:
    """A text made to exhaust the stack is only wrong."""
    with pytest.raises(WantedError):
        parse('{"version":' + "[" * 4000)
