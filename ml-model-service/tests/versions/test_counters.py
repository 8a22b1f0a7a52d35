"""What is counted of each version that answers."""

from __future__ import annotations

import json

import pytest

from ml_model_service.contract.wanted import parse
from ml_model_service.versions.counters import Variants


def test_each_variant_has_its_own_figures() -> None:
    """Requests, errors, rows, seconds and predictions, whether they were asked for in between or not."""
    variants = Variants(parse('{"version": "v1.1", "split": {"v1.2": 10}}'))
    stable, candidate = variants.all
    for number in range(700):
        stable.answered(0.001, [0.25, 0.5])
        if number == 300:
            assert 301 == variants.to_json(None)["variants"][0]["latency"]["count"]
    candidate.failed(0.002)
    candidate.answered(0.004, [0.75])
    found = json.loads(json.dumps(variants.to_json(None)))
    first, second = found["variants"]
    assert ("v1-1", "v1.1", 90.0, 700, 0, 1400) == tuple(
        first[key] for key in ("name", "version", "percent", "requests", "errors", "rows")
    )
    assert ("v1-2", "v1.2", 10.0, 2, 1, 1) == tuple(
        second[key] for key in ("name", "version", "percent", "requests", "errors", "rows")
    )
    assert (700, 1400, 525.0) == (
        first["latency"]["count"],
        first["predictions"]["count"],
        first["predictions"]["sum"],
    )
    assert (2, pytest.approx(0.006)) == (second["latency"]["count"], second["latency"]["sum"])
    assert [[0.75, 0.765625, 1]] == second["predictions"]["buckets"]
    assert found["shadow"] is None


def test_variants_that_fail_only_keep_no_unbounded_list() -> None:
    """Figures put down are sorted into buckets before they are many."""
    (variant,) = Variants(parse("v1.1")).all
    for _ in range(10_000):
        variant.failed(0.001)
        assert len(variant._seconds) < 256
    assert 10_000 == variant.to_json()["latency"]["count"]


def test_a_new_assignment_counts_anew() -> None:
    """The epoch tells that the figures began again."""
    one, two = Variants(parse("v1.1")), Variants(parse("v1.1"))
    assert one.epoch != two.epoch
    assert one.since <= two.since


def test_a_variant_is_found_by_its_name() -> None:
    """The index is the chooser's; a name that none has finds nothing."""
    variants = Variants(parse('{"version": "v1.1", "split": {"v1.2": 10}}'))
    assert (0, 1, None) == (variants.named("v1-1"), variants.named("v1-2"), variants.named("v1.2"))
