"""What every history of feature records answers: the double in plain words, and the program over files."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from shipway.core.description.feature_group import FeatureGroup
from shipway.core.errors import Refused, ShipwayError
from shipway.core.features.join import FeatureJoin
from shipway.core.features.record import Record, checked
from shipway.core.ports.learning import FeatureHistory
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.features.history import ProgramHistory
from shipway.local.features.online_store import OnlineStore, online_file
from shipway.local.tasks.bounded_run import run_bounded
from tests.doubles.history import FakeHistory

ROOT = Path(__file__).parent.parent.parent
GROUPS = {
    "weather": FeatureGroup.model_validate({
        "record_id": "airport", "event_time": "at", "ttl": "1h",
        "types": {"airport": "String", "at": "String", "temp": "Fractional"},
    }),
    "gates": FeatureGroup.model_validate({
        "record_id": "number", "event_time": "at", "types": {"number": "Integral", "at": "Fractional", "open": "Integral"},
    }),
}  # fmt: skip


@pytest.fixture
def clock() -> list[float]:
    """When it is: at noon."""
    return [float(1_372_939_200)]


@pytest.fixture
def store(tmp_path: Path, clock: list[float]) -> OnlineStore:
    return OnlineStore(tmp_path, lambda: clock[0])


@pytest.fixture(params=["double", "program"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> FeatureHistory:
    """Each of them."""
    return FakeHistory(tmp_path) if request.param == "double" else program(tmp_path)


def program(state: Path) -> ProgramHistory:
    environments = PythonEnvironments(ROOT / ".venv" / "parts")
    return ProgramHistory(
        state, ROOT, lambda lock, tell: environments.python(lock, "the offline store", tell), run_bounded
    )


def put(store: OnlineStore, group: str, **values: object) -> None:
    store.put("dev", [checked(group, GROUPS[group], values)])


def joined(
    history: FeatureHistory, folder: Path, rows: str, written: str | float
) -> tuple[dict[str, int], list[list[str]]]:
    """The counts, and the rows that were written, without the header."""
    (folder / "rows.csv").write_text(f"origin,gate,when\n{rows}")
    output = folder / f"out-{written}.csv"
    asked = FeatureJoin(str(folder / "rows.csv"), str(output), {"weather": "origin", "gates": "gate"}, "when", written)
    found = history.join("dev", GROUPS, asked, lambda line: None)
    with output.open(newline="") as file:
        header, *lines = csv.reader(file)
    assert ["origin", "gate", "when", "weather.at", "weather.temp", "gates.at", "gates.open"] == header
    return dict(found), lines


def test_rows_get_what_was_known_then(
    history: FeatureHistory, store: OnlineStore, clock: list[float], tmp_path: Path
) -> None:
    """Each row once, in order, by event and by writing; older records, deletions and expired ones as online."""
    put(store, "weather", airport="JFK", at="2013-07-04T11:00:00Z", temp=70.5)
    put(store, "gates", number=7, at=1_372_939_000, open=1)
    clock[0] += 600
    put(store, "weather", airport="JFK", at="2013-07-04T10:30:00Z", temp=65.5)
    store.delete("dev", Record("gates", "7", 1_372_939_700, deleted=True), hard=False)
    assert {"weather": 2, "gates": 2} == history.compact("dev", GROUPS, lambda line: None)
    assert {"weather": 0, "gates": 0} == history.compact("dev", GROUPS, lambda line: None)
    rows = (
        "JFK,7,2013-07-04T12:05:00Z",
        "JFK,7,2013-07-04T11:29:00Z",
        "JFK,7,2013-07-04T11:29:00Z",
        "LGA,8,1372939800",
    )
    early, warm = ["2013-07-04T10:30:00Z", "65.5"], ["2013-07-04T11:00:00Z", "70.5"]
    counts, found = joined(history, tmp_path, "\n".join(rows), "any")
    assert {"rows": 4, "weather": 2, "gates": 1} == counts
    assert [[], warm, warm, []] == [[text for text in row[3:5] if text] for row in found]
    assert ["1", "", "", ""] == [row[6] for row in found]
    counts, found_by_row = joined(history, tmp_path, "\n".join(rows), "row")
    # neither of the weather's records had been put by 11:29, and at 12:05 an hour has gone by
    assert ({"rows": 4, "weather": 0, "gates": 1}, [""] * 4) == (counts, [row[4] for row in found_by_row])
    counts, found = joined(history, tmp_path, "JFK,7,2013-07-04T10:45:00Z", clock[0])
    assert (early, 1) == (found[0][3:5], counts["weather"])


def test_what_cannot_be_joined(history: FeatureHistory, store: OnlineStore, tmp_path: Path) -> None:
    """Rows that are not there, and an output that is."""
    put(store, "weather", airport="JFK", at="2013-07-04T11:00:00Z", temp=70.5)
    asked = FeatureJoin(str(tmp_path / "no.csv"), str(tmp_path / "out.csv"), {"weather": "origin"}, "when")
    with pytest.raises(Refused, match=r"there is no .*no\.csv"):
        history.join("dev", {"weather": GROUPS["weather"]}, asked, lambda line: None)
    for name in ("no.csv", "out.csv"):
        (tmp_path / name).write_text("origin,when\nJFK,1\n")
    with pytest.raises(Refused, match=r"out\.csv is there already"):
        history.join("dev", {"weather": GROUPS["weather"]}, asked, lambda line: None)


def test_an_environment_without_records(history: FeatureHistory) -> None:
    """Has nothing to compact."""
    assert {} == history.compact("dev", GROUPS, lambda line: None)


def test_a_program_that_breaks(tmp_path: Path, store: OnlineStore) -> None:
    """Is said with its last words, and the records are still there."""
    put(store, "weather", airport="JFK", at="2013-07-04T11:00:00Z", temp=70.5)
    online_file(tmp_path, "dev").with_name("offline").write_text("in the way")
    with pytest.raises(ShipwayError, match=r"ended with 1: [\s\S]*FileExistsError") as found:
        program(tmp_path).compact("dev", GROUPS, lambda line: None)
    assert "nothing is lost: what is in no file yet is still in the store" == found.value.state
    assert {"weather": 1} == store.arrivals("dev")
