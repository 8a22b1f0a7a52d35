"""Reads of Shipway's online file as a service reads it: the backend's own module, in the backend's environment."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from backend_api.live import _QUERY, LiveFeatures, _record
from reads import GROUP, serve


def main(file: Path) -> None:
    """One record, and what a prediction asks for: an airport's two records, parsed."""
    live = LiveFeatures(file, deadline=1.0)
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, isolation_level=None)) as database:

        def get_record(id: str) -> dict[str, str]:
            record = _record(database.execute(_QUERY, (GROUP, id)).fetchone())
            assert record is not None
            return record

        def of_an_airport(id: str) -> None:
            # What the service would not read again: it keeps what it has read until somebody writes.
            live._stored.clear()
            assert not live.of(id).missing

        serve({"one record": get_record, "a prediction's two records": of_an_airport})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
