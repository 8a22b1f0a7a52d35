"""Rows that are asked about: what they may be, and what is said of what they may not."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from offline_features.__main__ import main
from offline_features.groups import moments
from offline_features.problems import Problem
from store import WEATHER, Arrival, Store

NINE = datetime(2013, 7, 4, 9, tzinfo=UTC)
AT = int(NINE.timestamp())


def asked(store: Store, rows: str | bytes, name: str = "rows.csv", output: str = "out.csv", **more: Any) -> str:
    """The output as text."""
    given = store.folder / name
    given.write_bytes(rows if isinstance(rows, bytes) else rows.encode())
    job = {"rows": str(given), "output": str(store.folder / output), "time": "at", "wanted": [("weather", "origin")]}
    store.run("join", **{**job, "written": "any", **more})
    return (store.folder / output).read_text()


def test_csv_stays_as_it_was(store: Store) -> None:
    """Texts, order, quotes where they are needed; features come behind, by group."""
    store.arrive([Arrival("JFK", AT, AT, 70.5)])
    rows = 'origin,at,note\nJFK,2013-07-04T09:00:00Z,"007, late"\nJFK,2013-07-04T08:59:59.999Z,\n,,x\n'
    expected = (
        "origin,at,note,weather.at,weather.temp,weather.gusts,weather.sky\n"
        f'JFK,2013-07-04T09:00:00Z,"007, late",{AT}.0,70.5,,\n'
        "JFK,2013-07-04T08:59:59.999Z,,,,,\n,,x,,,,\n"
    )
    assert expected == asked(store, rows)


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(["2013-07-04T09:00:00Z", "2013-07-04T09:00:00.000Z", str(AT), f"{AT}.0"]),
        pl.Series([AT]), pl.Series([float(AT)]),
        pl.Series([NINE]), pl.Series([NINE.replace(tzinfo=None)]),
        pl.Series([NINE]).dt.convert_time_zone("America/New_York"), pl.Series([NINE]).dt.cast_time_unit("ms"),
    ],
)  # fmt: skip
def test_times(column: pl.Series) -> None:
    """Texts, numbers and moments, each alike."""
    assert [NINE] * len(column) == moments(column).to_list()
    assert [datetime(2013, 7, 4, tzinfo=UTC)] == moments(pl.Series([date(2013, 7, 4)])).to_list()


@pytest.mark.parametrize("text", ["yesterday", "2013-07-04", "2013-07-04T09:00:00", "nan", "inf", "-1", "1e12"])
def test_what_is_no_time(store: Store, text: str) -> None:
    """Is named with its line."""
    with pytest.raises(
        Problem, match=rf"rows\.csv, line 3: at: found '{text}', allowed is 2013-07-04T12:15:00Z or Unix"
    ):
        asked(store, f"origin,at\nJFK,{AT}\nJFK,{text}\n")


@pytest.mark.parametrize(
    ("rows", "name", "more", "said"),
    [
        ("origin,at\nJFK,1,2\n", "rows.csv", {}, "allowed is a whole CSV file, with a header"),
        ("", "rows.csv", {}, "allowed is a whole CSV file, with a header"),
        (b"PAR1 but not whole", "rows.parquet", {}, "allowed is a whole Parquet file"),
        ("origin,at\n", "rows.json", {}, "found the ending .json, allowed are .csv and .parquet"),
        ("origin,at\n", "rows.csv", {"output": "out"}, "found the ending of no format"),
        ("from,at\n", "rows.csv", {}, "found no column origin; it has: from, at"),
        ("origin,at,weather.temp\n", "rows.csv", {}, "has a column weather.temp already"),
        ("origin,at\n", "rows.csv", {"output": "taken.csv"}, "taken.csv is there already: name another file"),
        ("origin,at\n", "rows.csv", {"output": "no/folder.csv"}, "name a file in a folder that is there"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(store: Store, rows: str | bytes, name: str, more: dict[str, Any], said: str) -> None:
    """The file, what was found and what is allowed; what is there stays."""
    (store.folder / "taken.csv").write_text("mine")
    with pytest.raises(Problem, match=said):
        asked(store, rows, name, **more)
    assert "mine" == (store.folder / "taken.csv").read_text()
    assert [] == [path.name for path in store.folder.iterdir() if "incoming" in path.name]


def test_whole_numbers_as_ids(store: Store) -> None:
    """Are compared as numbers; another text is named with its line."""
    flight = {**WEATHER, "types": {**WEATHER["types"], "airport": "Integral"}}
    store.arrive([Arrival("7", AT, AT, 70.5)])
    found = asked(store, f"origin,at\n007,{AT}\n8,{AT}\n", groups={"weather": flight})
    assert [f"007,{AT},{AT}.0,70.5,,", f"8,{AT},,,,"] == found.splitlines()[1:]
    with pytest.raises(Problem, match=r"line 2: origin: found 'JFK', allowed is a whole number"):
        asked(store, f"origin,at\nJFK,{AT}\n", output="other.csv", groups={"weather": flight})


def test_answers_of_the_program(store: Store) -> None:
    """Exit code and file say what came of a job."""

    def of(job: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        places = {"online": str(store.folder / "online.db"), "offline": str(store.folder / "offline")}
        (store.folder / "job.json").write_text(json.dumps({**places, "groups": {"weather": WEATHER}, **job}))
        return main(store.folder), json.loads((store.folder / "answer.json").read_bytes())

    assert (0, {"compacted": {}}) == of({"do": "compact"})
    wanted = {"time": "at", "wanted": [("weather", "origin")], "written": "any"}
    code, answer = of({"do": "join", "rows": str(store.folder / "no.csv"), "output": "out.csv", **wanted})
    assert (1, f"there is no {store.folder}/no.csv") == (code, answer["refused"])
