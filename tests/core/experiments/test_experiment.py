"""What is tried out beside a release's model: as people write it, and as tasks read it."""

from __future__ import annotations

import doctest
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.errors import Refused, UsageError
from shipway.core.experiments import experiment as assignment
from shipway.core.experiments.experiment import (
    Experiment,
    Shadow,
    check_percent,
    check_promotion,
    check_versions,
    of_release,
    read_shares,
)

EXPERIMENT = Experiment("prod", "v1.1", (("v1.2", 10.0), ("v2.0", 2.5)))


def test_the_examples_hold() -> None:
    """What the documentation of the functions shows is so."""
    assert 0 == doctest.testmod(assignment).failed


def test_shares_are_read() -> None:
    """With or without the sign, also as decimals."""
    assert (("v1.2", 10.0), ("v1.3", 2.5), ("v2.0", 87.5)) == read_shares(["v1.2=10%", "v1.3=2.5", "v2.0=87.5 %"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["v1.2"], "'v1.2' is no share of a version"),
        (["1.2=10%"], "'1.2=10%' is no share of a version"),
        (["v1.2=ten"], "'v1.2=ten' is no share of a version"),
        (["v1.2=-1%"], "'v1.2=-1%' is no share of a version"),
        (["v1.2=nan"], "'v1.2=nan' is no share of a version"),
        (["v1.2=0%"], "v1.2=0%: a share lies above 0 %"),
        (["v1.2=1", "v1.2=2"], "v1.2 is named twice"),
        (["v1.2=60", "v1.3=41%"], "the shares make 101 %; allowed: 100 % together"),
        ([f"v1.{n}=1" for n in range(10)], "10 candidates; allowed: 1 to 9"),
        ([], "0 candidates; allowed: 1 to 9"),
    ],
)
def test_wrong_shares_are_usage(words: list[str], message: str) -> None:
    """What is wrong is named."""
    with pytest.raises(UsageError) as caught:
        read_shares(words)
    assert message == caught.value.what


@given(st.lists(st.text(max_size=20), max_size=12))
def test_no_words_break_the_reader(words: list[str]) -> None:
    """Whatever is typed is read or refused."""
    with suppress(UsageError):
        assert 0 < sum(percent for _, percent in read_shares(words)) <= 100.001


def test_a_release_with_another_model_follows_no_experiment() -> None:
    """Also when the experiment's candidate is that model: it has everything then."""
    assert EXPERIMENT == of_release("v1.1", EXPERIMENT)
    for version in ("v1.2", "v1.0"):
        assert version == of_release(version, EXPERIMENT).wanted.text()
    assert "v1.1" == of_release("v1.1", None).wanted.text()


def test_a_version_has_one_part() -> None:
    """Stable is no candidate, and a shadow answers nobody."""
    check_versions(replace(EXPERIMENT, shadow=Shadow("v3.0")))
    with pytest.raises(UsageError, match="it has what the candidates leave"):
        check_versions(Experiment("prod", "v1.1", (("v1.1", 10.0),)))
    for version in ("v1.1", "v1.2"):
        with pytest.raises(Refused, match=f"{version} answers requests in prod already"):
            check_versions(replace(EXPERIMENT, shadow=Shadow(version)))


@pytest.mark.parametrize("percent", [0.0, -1.0, 100.5, float("nan"), float("inf")])
def test_a_shadow_sees_some_of_the_requests(percent: float) -> None:
    """More than none and at most all."""
    check_percent(0.5)
    with pytest.raises(UsageError, match="a shadow of"):
        check_percent(percent)


def test_a_part_of_a_split_may_become_all_of_it() -> None:
    """Another version is refused with what to do; without a split everything goes."""
    for version in ("v1.1", "v1.2", "v2.0"):
        check_promotion(EXPERIMENT, version)
    check_promotion(None, "v3.0")
    check_promotion(Experiment("prod", "v1.1", shadow=Shadow("v1.4")), "v3.0")
    with pytest.raises(Refused) as caught:
        check_promotion(EXPERIMENT, "v3.0")
    assert "prod is split between v1.1, v1.2, v2.0; promoting v3.0 would end the split silently" == caught.value.what
    assert caught.value.fix.startswith("shipway model promote v1.2 --env prod, or")
