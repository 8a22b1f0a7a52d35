"""Data is believed in nothing: what is wrong is said with file, line, found and allowed."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from training.channels import WrongData, digest, read
from training.seed_bucket import seed
from training.tables import FLIGHTS, WEATHER, Column, Table

PLANES = Table(
    "planes",
    (
        Column("tail", "text", nullable=False),
        Column("seats", "whole number", minimum=1, maximum=900),
        Column("speed", "number"),
        Column("built", "time"),
        Column("note", "text", needed=False),
    ),
    key=("tail",),
)
GOOD = "tail,seats,speed,built\nN1,55,0.5,2013-01-01T10:00:00Z\nN2,NA,,NA\n"


def planes(folder: Path, content: str | bytes, name: str = "2013-01/planes.csv") -> Path:
    """A channel of one file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def test_csv_and_parquet_give_the_same_rows(tmp_path: Path) -> None:
    """A channel may have files of both kinds, in folders; columns may be in any order, unread ones there or not."""
    planes(tmp_path / "csv", GOOD)
    planes(tmp_path / "csv", 'seats,tail,built,speed,note\n7,N3,NA,1e3,"two\nlines"\n', "2013-02/planes.csv")
    found = read(tmp_path / "csv", PLANES)
    assert [("N1", 55, 0.5), ("N2", None, None), ("N3", 7, 1000.0)] == found.select("tail", "seats", "speed").rows()

    (tmp_path / "parquet").mkdir()
    # as libraries without nulls write whole numbers with gaps, and times with a zone
    other = found.with_columns(pl.col("seats").cast(pl.Float64).fill_null(float("nan")).alias("seats"))
    other = other.with_columns(pl.col("built").dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin"))
    other.write_parquet(tmp_path / "parquet" / "planes.parquet")
    assert read(tmp_path / "parquet", PLANES).equals(found)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "planes.csv: found an empty file, allowed is a header"),
        (GOOD[:-3], "line 3: found no end of the line, allowed is a whole file"),
        (GOOD[:-4] + "\n", "line 3: found 3 fields, allowed are 4, as in line 1"),
        (GOOD + "N4,1,1,NA,more\n", "line 4: found 5 fields, allowed are 4, as in line 1"),
        (GOOD + "\n", "line 4: found 0 fields"),
        (GOOD + '"N4,1,1,NA\n', "line 4: found unexpected end of data, allowed is CSV with quotes in pairs"),
        (
            GOOD + '"a\nb",1,1,NA\nN4,many,1,NA\n',
            'line 6: seats: found "many", allowed is a whole number from 1 to 900',
        ),
        (GOOD + "N4,5.5,1,NA\n", 'line 4: seats: found "5.5", allowed is a whole number from 1 to 900, or NA'),
        (GOOD + "N4,901,1,NA\n", 'line 4: seats: found "901", allowed is a whole number from 1 to 900'),
        (GOOD + "N4,1,inf,NA\n", 'line 4: speed: found "inf", allowed is a finite number'),
        (
            GOOD + "N4,1,1,yesterday\n",
            'built: found "yesterday", allowed is a time in UTC such as 2013-07-04T12:00:00Z',
        ),
        (GOOD + "NA,1,1,NA\n", "line 4: tail: found nothing, allowed is text"),
        (GOOD + "N1,1,1,NA\n", "found two rows of tail N1, allowed is one"),
        (GOOD.replace("speed", "seats"), "line 1: found column seats 2 times, allowed is once"),
        (GOOD.replace("speed", "sped"), 'line 1: found column "sped", allowed are tail, seats, speed, built, note'),
        ("tail,seats,built\nN1,1,NA\n", "line 1: found no column speed, needed are tail, seats, speed, built"),
        (GOOD.encode() + b"N\xff,1,1,NA\n", "line 4: found a byte 0xff, allowed is UTF-8"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, content: str | bytes, words: str) -> None:
    """Broken, cut off or wrong CSV is refused at its first mistake."""
    with pytest.raises(WrongData) as refused:
        read(planes(tmp_path, content), PLANES)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (pl.col("seats").cast(pl.String), "seats: found type String, allowed is a whole number from 1 to 900"),
        (pl.lit(5.5).alias("seats"), 'row 1: seats: found "5.5", allowed is a whole number'),
        (pl.lit(None).cast(pl.String).alias("tail"), "row 1: tail: found nothing, allowed is text"),
        (pl.lit(1).alias("wings"), 'found column "wings", allowed are tail'),
    ],
)
def test_a_mistake_in_parquet_is_named_with_its_row(tmp_path: Path, wrong: pl.Expr, words: str) -> None:
    """Parquet has types of its own, which must be those of the table."""
    read(planes(tmp_path / "csv", GOOD), PLANES).with_columns(wrong).write_parquet(tmp_path / "planes.parquet")
    (tmp_path / "csv" / "2013-01" / "planes.csv").unlink()
    with pytest.raises(WrongData, match=words.replace("(", r"\(")):
        read(tmp_path, PLANES)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("planes.parquet", "allowed is a whole Parquet file"),
        ("planes.csv.gz", "found .gz, allowed are .csv and .parquet"),
        (".part", "found no file, allowed are files that end with .csv or .parquet"),
    ],
)
def test_other_files_are_named(tmp_path: Path, name: str, words: str) -> None:
    """A file that is not a table's is refused; hidden ones are passed over."""
    with pytest.raises(WrongData, match=words):
        read(planes(tmp_path, "half", name), PLANES)


def test_one_table_in_both_kinds_is_refused(tmp_path: Path) -> None:
    """A month that lies there as CSV and as Parquet would count twice."""
    planes(planes(tmp_path, GOOD), "", "2013-01/planes.parquet")
    with pytest.raises(WrongData, match="allowed is one of the two"):
        read(tmp_path, PLANES)


def test_the_digest_is_that_of_names_and_content(tmp_path: Path) -> None:
    """A byte, a name or a day makes another digest; where the channel lies does not."""
    one = digest([planes(tmp_path / "a" / "planes", GOOD)])
    assert one == digest([planes(tmp_path / "b" / "planes", GOOD)])
    assert one != digest([planes(tmp_path / "c" / "planes", GOOD.replace("55", "56"))])
    assert one != digest([planes(tmp_path / "d" / "planes", GOOD, "2013-02/planes.csv")])


def test_the_bucket_holds_the_distribution(bucket: Path, flights: pl.DataFrame, weather: pl.DataFrame) -> None:
    """Read from the bucket, flights and weather of the first months are the distribution's."""
    for table, whole in ((FLIGHTS, flights), (WEATHER, weather)):
        found = read(bucket / table.name, table)
        wanted = whole.filter(pl.col("month") <= 2).select(found.columns)
        # the distribution's weather is ordered by airport, the bucket's by month
        assert wanted.sort("time_hour", "origin", maintain_order=True).equals(
            found.sort("time_hour", "origin", maintain_order=True)
        )


def test_seeding_takes_nobodys_place(bucket: Path, tmp_path: Path) -> None:
    """A month may be seeded again, as Parquet elsewhere too; other data in its place is left and said."""
    assert ["2013-02"] == seed(bucket, "2013-02", "2013-02")
    seed(tmp_path, "2013-02", "2013-02", "parquet")
    assert read(tmp_path / "flights", FLIGHTS).equals(read(bucket / "flights", FLIGHTS).filter(pl.col("month") == 2))
    (tmp_path / "weather" / "2013-02" / "weather.csv").write_text("mine")
    with pytest.raises(ValueError, match="is there with other bytes"):
        seed(tmp_path, "2013-02", "2013-02")
    with pytest.raises(ValueError, match="allowed are 2013-01 to 2013-12"):
        seed(tmp_path, "2015-01", "2015-02")
