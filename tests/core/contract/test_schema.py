"""Whether a model takes every request that another one takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.contract.schema import Feature, Output, Schema, refused_by, unheard, unlike

names = st.sampled_from(["a", "b", "c", "d"])
bounds = st.one_of(st.none(), st.integers(-3, 3).map(float))
numbers = st.builds(Feature, names, st.just("number"), st.booleans(), st.just(()), bounds, bounds)
categories = st.builds(
    Feature, names, st.just("category"), st.booleans(), st.sets(st.sampled_from("xyz"), min_size=1).map(tuple)
)
schemas = st.lists(st.one_of(numbers, categories), min_size=1, max_size=3, unique_by=lambda f: f.name).map(
    lambda features: Schema(tuple(features))
)
CANDIDATES: tuple[Any, ...] = (None, -4.0, -3.0, -1.0, 0.0, 2.0, 3.0, 4.0, "x", "y", "z", "unknown")


def takes(feature: Feature, value: Any) -> bool:
    """What the model service does with a value, said once more in other words."""
    if value is None:
        return feature.nullable
    if feature.type == "category":
        return isinstance(value, str) and (feature.nullable or value in feature.values)
    if isinstance(value, str):
        return False
    low = -9e9 if feature.minimum is None else feature.minimum
    high = 9e9 if feature.maximum is None else feature.maximum
    return low <= value <= high


@given(schemas, schemas)
def test_what_passes_takes_every_request(new: Schema, old: Schema) -> None:
    """Where nothing is refused, every value that the old feature takes suits the new one at the same place."""
    if refused_by(new, old):
        return
    assert [f.name for f in old.features] == [f.name for f in new.features]
    for one, two in zip(new.features, old.features, strict=True):
        assert all(takes(one, value) for value in CANDIDATES if takes(two, value))


@given(schemas)
def test_a_schema_takes_its_own_requests(schema: Schema) -> None:
    """A model that was trained again on the same inputs always fits."""
    assert () == refused_by(schema, schema)


@given(schemas, schemas, schemas)
def test_fitting_is_transitive(a: Schema, b: Schema, c: Schema) -> None:
    """What takes all that b takes, which takes all that a takes, takes all that a takes."""
    if not refused_by(b, a) and not refused_by(c, b):
        assert () == refused_by(c, a)


NUMBER = Feature("temp", "number", True, (), -50.0, 150.0)
CATEGORY = Feature("carrier", "category", False, ("AA", "B6", "DL", "UA", "WN"))


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        ((CATEGORY, NUMBER), "its features stand in another order"),
        ((NUMBER,), "carrier is gone"),
        ((NUMBER, CATEGORY, replace(NUMBER, name="wind")), "wind is new"),
        ((replace(NUMBER, type="category", values=("a",)), CATEGORY), "temp is a category, it was a number"),
        ((replace(NUMBER, nullable=False), CATEGORY), "temp may not be missing any more"),
        ((replace(NUMBER, minimum=0.0), CATEGORY), "temp begins at 0, it began at -50"),
        ((replace(NUMBER, maximum=100.0), CATEGORY), "temp ends at 100, it ended at 150"),
        ((NUMBER, replace(CATEGORY, values=("WN",))), "carrier has no AA, B6, DL and 1 more any more"),
    ],
)
def test_each_reason_is_told(new: tuple[Feature, ...], reason: str) -> None:
    """What a person has to know to decide between another model and a release."""
    assert (reason,) == refused_by(Schema(new), Schema((NUMBER, CATEGORY)))


def test_more_is_no_reason() -> None:
    """Wider bounds, further categories, and a value that may be missing now."""
    wider = replace(NUMBER, minimum=None, maximum=200.0)
    assert () == refused_by(
        Schema((wider, replace(CATEGORY, nullable=True, values=("AA",)))), Schema((NUMBER, CATEGORY))
    )
    assert ("temp begins at -50, it began at no bound",) == refused_by(
        Schema((NUMBER,)), Schema((replace(NUMBER, minimum=None),))
    )


@given(schemas, schemas)
def test_what_answers_side_by_side_is_the_same(new: Schema, old: Schema) -> None:
    """Reasons are there exactly where the features differ; what answers beside another one can also take its place."""
    assert (new != old) == bool(unlike(new, old))
    if not unlike(new, old):
        assert () == refused_by(new, old)


def test_what_parts_two_versions_is_told() -> None:
    """Each difference in words, the output's after the features'."""
    other = replace(NUMBER, nullable=False, minimum=None, maximum=40.0)
    assert (
        "temp may not be missing",
        "temp begins at no bound, not at -50",
        "temp ends at 40, not at 150",
    ) == unlike(Schema((other,)), Schema((NUMBER,)))
    assert ("dew is new", "temp is gone") == unlike(Schema((replace(NUMBER, name="dew"),)), Schema((NUMBER,)))
    assert ("temp is a category, not a number",) == unlike(
        Schema((Feature("temp", "category", True, ("a",)),)), Schema((NUMBER,))
    )
    letters, turned = (Feature("letter", "category", True, values) for values in (("a", "b"), ("b", "a")))
    assert ("letter has other values, or in another order",) == unlike(Schema((turned,)), Schema((letters,)))
    chance = Output("probability", 0.5)
    chance, minutes, undecided = (
        Schema((), out) for out in (Output("probability", 0.5), Output("minutes"), Output("probability"))
    )
    assert () == unlike(chance, Schema((), Output("probability", 0.5)))
    assert ("its output is minutes, not probability",) == unlike(minutes, chance)
    assert ("its output's threshold is none, not 0.5",) == unlike(undecided, chance)


@given(schemas, schemas)
def test_a_shadow_takes_what_it_is_to_score(new: Schema, old: Schema) -> None:
    """What may listen takes every request; what may answer may listen as well."""
    if not unheard(new, old):
        assert () == refused_by(new, old)
    assert set(unheard(new, old)) <= set(unlike(new, old))


def test_a_shadow_may_know_other_values_where_they_may_be_missing() -> None:
    """As after a training on other months; not where an unknown value is a mistake to either."""
    known, others = (Feature("letter", "category", True, values) for values in (("a", "b"), ("b", "c")))
    assert () == unheard(Schema((others,)), Schema((known,)))
    strict = replace(known, nullable=False), replace(others, nullable=False)
    for pair in (strict, (known, strict[1]), (strict[0], others)):
        new, old = (Schema((one,)) for one in pair)
        assert "letter has other values, or in another order" in unheard(new, old)
    assert ("its output is minutes, not probability",) == unheard(
        Schema((others,), Output("minutes")), Schema((known,), Output("probability"))
    )
