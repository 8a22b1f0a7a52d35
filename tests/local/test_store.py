"""The store on a disk that is full: what SQLite says becomes a fault with a fix, and nothing is half written."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipway.core.errors import ShipwayError
from shipway.core.records import Warm
from shipway.local.store import Store


def test_a_full_disk_ends_the_transaction(tmp_path: Path) -> None:
    """The write that did not fit is undone; once there is room, later writes are durable again."""
    store = Store(tmp_path / "state.db")
    store._do("PRAGMA max_page_count=12")
    with pytest.raises(ShipwayError, match="full"):
        _write_much(store)
    assert [] == store.all(Warm)
    store._do("PRAGMA max_page_count=1000000")
    store.put("later", Warm("blue", "r1", 0.0))
    store.close()
    assert Warm("blue", "r1", 0.0) == Store(tmp_path / "state.db").get(Warm, "later")


def _write_much(store: Store) -> None:
    with store.transaction():
        for number in range(100):
            store.put(str(number), Warm("blue", "x" * 3000, 0.0))
