"""One value of a shipway.yaml is changed; all else stays as people wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipway.core.errors import UsageError
from shipway.description.editing import set_value, with_value

TEXT = """\
app: toy # ours
aws:
  # the account
  account: "1" # in quotes

  size: minimal # for now
roles: {}
"""


def test_a_value_is_replaced_where_it_stands() -> None:
    """Comments and order stay."""
    assert TEXT.replace("minimal", "recommended") == with_value(TEXT, "aws", "size", "recommended")


def test_a_key_that_is_missing_is_added() -> None:
    """As the section's first line, with the indentation of the others."""
    without = TEXT.replace("  size: minimal # for now\n", "")
    expected = without.replace('  account: "1"', '  size: minimal\n  account: "1"')
    assert expected == with_value(without, "aws", "size", "minimal")


@pytest.mark.parametrize("text", ["app: toy\n", "app: toy\naws: {account: x}\n", "aws:\n", "- a list\n"])
def test_a_section_that_is_not_written_line_by_line_is_left(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="no section aws"):
        with_value(text, "aws", "size", "minimal")


def test_a_value_that_is_not_allowed_changes_nothing(tmp_path: Path) -> None:
    """The file is checked as a whole before it is written."""
    file = tmp_path / "shipway.yaml"
    described = (Path(__file__).parents[2] / "shipway.yaml").read_text()
    file.write_text(described)
    with pytest.raises(UsageError, match=r"aws.size: found 'huge'"):
        set_value(file, "aws", "size", "huge")
    assert described == file.read_text()
    assert set_value(file, "aws", "size", "recommended")
    assert described.replace("size: minimal\n", "size: recommended\n") == file.read_text()
    assert not set_value(file, "aws", "size", "recommended")
