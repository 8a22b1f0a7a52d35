"""What a record may be, and which of two is the newer one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.description.feature_group import FeatureGroup
from shipway.core.errors import UsageError
from shipway.core.features.record import Record, checked, event_time

GROUP = FeatureGroup.model_validate({
    "record_id": "airport", "event_time": "at", "ttl": "1h",
    "types": {"airport": "String", "at": "String", "temp": "Fractional", "gates": "Integral"},
})  # fmt: skip
NOON = {"airport": "JFK", "at": "2020-07-04T12:00:00Z"}


def test_a_whole_record() -> None:
    """Values are text, of the group's types; null is a feature without a value; it expires after the group's ttl."""
    record = checked("weather", GROUP, {**NOON, "temp": 75.5, "gates": None})
    noon = datetime(2020, 7, 4, 12, tzinfo=UTC).timestamp()
    assert Record("weather", "JFK", noon, {**NOON, "temp": "75.5"}, noon + 3600) == record
    assert [True, False] == [record.is_there(noon + age) for age in (3599, 3600)]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"tide": 1}, "no feature 'tide'; it has: airport, at, temp, gates"),
        ({"temp": "warm"}, "weather.temp: expected Fractional, found 'warm'"),
        ({"temp": "nan"}, "expected Fractional, found 'nan'"),
        ({"temp": "1_0"}, "expected Fractional, found '1_0'"),
        ({"gates": 1.5}, "expected Integral, found '1.5'"),
        ({"gates": 2**63}, "expected Integral"),
        ({"gates": True}, "expected Integral, found true"),
        ({"temp": [1]}, "expected Fractional, found [1]"),
        ({"airport": None}, "weather.airport: a record needs it"),
        ({"airport": ""}, "1 to 2048 characters, found 0"),
        ({"airport": "a\0"}, "cannot be stored"),
        ({"airport": "a\ud800"}, "cannot be stored"),
        ({"airport": "x" * 360_000}, "the largest has 358,400"),
        ({"at": "2020-07-04T12:00:00"}, "is no moment"),
        ({"at": "2020-13-04T12:00:00Z"}, "is no moment"),
        ({"at": "-1"}, "is no moment"),
        ({"at": "inf"}, "is no moment"),
    ],
)
def test_what_is_no_record(values: dict[str, object], said: str) -> None:
    """Refused with the feature, what was found and what is allowed."""
    with pytest.raises(UsageError) as refused:
        checked("weather", GROUP, NOON | values)
    assert said in refused.value.what


def test_a_number_as_an_id() -> None:
    """Is written in one way only, so that it names one record."""
    group = GROUP.model_copy(update={"record_id": "gates"})
    assert ["7", "-7"] == [checked("gates", group, {**NOON, "gates": id}).id for id in (7, "-7")]
    for id in ("007", "+7", "-0"):
        with pytest.raises(UsageError, match="would be another record than") as refused:
            checked("gates", group, {**NOON, "gates": id})
        assert f"write {int(id)}" == refused.value.fix


@pytest.mark.parametrize("text", ["1593864000", "1593864000.0", "2020-07-04T12:00:00Z", "2020-07-04T12:00:00.000Z"])
def test_moments(text: str) -> None:
    """Every way to write one."""
    assert 1593864000.0 == event_time("at", text)


@given(st.lists(st.floats(0, 1e9), min_size=1))
def test_the_newest_wins_in_every_order(moments: list[float]) -> None:
    """Whatever order records come in, the one of the latest moment is there in the end."""
    there = Record("weather", "JFK", moments[0])
    for moment in moments[1:]:
        newer = Record("weather", "JFK", moment)
        if there.gives_way_to(newer):
            there = newer
    assert max(moments) == there.event_time


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"record_id": "gate"}, "record_id: 'gate' has to be in `types`, as Integral or String"),
        ({"record_id": "temp"}, "record_id: 'temp' has to be in `types`"),
        ({"event_time": "airport"}, "has to be another feature"),
        ({"types": {"airport": "String", "at": "String", "a b": "String"}}, "'a b' is not a feature's name"),
        ({"types": {"airport": "String", "at": "String", "write_time": "String"}}, "is not a feature's name"),
        ({"types": {"airport": "Text", "at": "String"}}, "String"),
        ({"ttl": 0}, "greater than 0"),
    ],
)
def test_what_is_no_group(changes: dict[str, object], said: str) -> None:
    """A mistake in shipway.yaml is said with its key."""
    with pytest.raises(ValueError, match=said):
        FeatureGroup.model_validate(GROUP.model_dump() | changes)
