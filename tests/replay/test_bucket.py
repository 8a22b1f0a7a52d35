"""Months come into the bucket whole, and what is there stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipway.core.errors import ShipwayError
from shipway.replay.bucket import months_of, upload
from shipway.replay.events import Upload

MARCH = Upload("2020-03", "parcels", "march.csv")


def test_a_month_comes_once(tmp_path: Path) -> None:
    """Its folder appears with its file; another one of the month is not taken."""
    bucket = tmp_path / "bucket"
    (tmp_path / "march.csv").write_text("a\n1\n")
    assert upload(bucket, tmp_path, MARCH)
    (tmp_path / "march.csv").write_text("a\n2\n")
    assert not upload(bucket, tmp_path, MARCH)
    assert "a\n1\n" == (bucket / "parcels" / "2020-03" / "march.csv").read_text()
    assert ["2020-03"] == [path.name for path in (bucket / "parcels").iterdir()]
    assert ["2020-03"] == months_of(bucket, ["parcels", "scales"])


def test_what_a_killed_replay_left_is_no_month(tmp_path: Path) -> None:
    """A copy that was broken off is hidden, and made again."""
    (tmp_path / "bucket" / "parcels" / ".2020-03.incoming").mkdir(parents=True)
    assert [] == months_of(tmp_path / "bucket", ["parcels"])
    (tmp_path / "march.csv").write_text("a\n1\n")
    assert upload(tmp_path / "bucket", tmp_path, MARCH)
    assert ["2020-03"] == [path.name for path in (tmp_path / "bucket" / "parcels").iterdir()]


def test_a_file_that_is_not_there_is_the_programs_fault(tmp_path: Path) -> None:
    """It tells of a file once it has written it."""
    with pytest.raises(ShipwayError, match=r"told of march\.csv, which is not there"):
        upload(tmp_path / "bucket", tmp_path, MARCH)
    assert [] == months_of(tmp_path / "bucket", ["parcels"])
