"""What a join of rows with the history of feature groups asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shipway.core.features.record import event_time

ROW, ANY = "row", "any"


@dataclass(frozen=True, slots=True)
class FeatureJoin:
    """Rows of a CSV or Parquet file, which get the features of groups as of each row's time.

    `rows` and `output` are absolute paths; `time` is the rows' column of times, `keys` for each group that of its ids.
    `written` says which records count by when they were written: `row`, by the row's time; `any`, whenever; or by a Unix
    time.
    """

    rows: str
    output: str
    keys: Mapping[str, str]
    time: str
    written: str | float = ROW


def written_by(text: str) -> str | float:
    """`row`, `any`, or a moment as Unix time. Raises UsageError."""
    return text if text in (ROW, ANY) else event_time("written (row, any, or a moment)", text)
