"""The store on a disk that is full or damaged: what SQLite says becomes a fault with a fix, and nothing is half written."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from shipway.core.description.app import App
from shipway.core.description.values import STORED
from shipway.core.errors import ShipwayError
from shipway.core.events import AuditEntry
from shipway.core.releases.release import Release
from shipway.core.rollouts.records import Lock, Warm
from shipway.local.state.former_state import set_aside
from shipway.local.state.store import Store


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


def test_damage_that_shows_late_is_told_as_damage(tmp_path: Path) -> None:
    """A page that can't be read is no full disk, though the file could be opened."""
    path = tmp_path / "state.db"
    store = Store(path)
    for number in range(200):
        store.put(str(number), Lock("prod", "x" * 100, 0.0, 0.0))
    store.close()
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(ShipwayError, match="is damaged"):
        Store(path).all(Lock)


def test_the_former_database_of_runs_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is kept under another name, and the log says so; the second time there is nothing to say."""
    caplog.set_level("INFO")
    for name in ("runs.db", "runs.db-wal", "state.db"):
        (tmp_path / name).write_bytes(b"garbage")
    set_aside(tmp_path)
    assert ["runs.db.unused", "runs.db.unused-wal", "state.db"] == sorted(file.name for file in tmp_path.iterdir())
    assert "runs.db is not read any more: it is runs.db.unused now and may be deleted" in caplog.messages
    caplog.clear()
    set_aside(tmp_path)
    assert [] == caplog.messages


def test_a_release_of_before_is_read_though_its_description_would_be_refused_today(tmp_path: Path) -> None:
    """Rules that came later hold for what is written from now on; what served by the old ones can go back."""
    description = {
        "app": "shop",
        "services": {
            "web": {"path": "web", "command": "python app.py $PORT && true", "routes": ["/*"], "ready": "/r y"}
        },
        "environments": {
            "prod": {"branch": "main", "port": 8080, "tasks": {"min": 1, "max": 1}, "rollout": {"strategy": "rolling"}}
        },
    }
    with pytest.raises(ValidationError):
        App.model_validate(description)
    store = Store(tmp_path / "state.db")
    store.put("r1", Release("r1", "abc", App.model_validate(description, context=STORED)))
    (release,) = store.all(Release)
    assert ("/r y", release) == (release.app.services["web"].ready, store.get(Release, "r1"))
    store.close()


def test_what_was_done_to_an_environment_in_a_time(tmp_path: Path) -> None:
    """Oldest first, both ends included, and nothing about another environment or about none."""
    store = Store(tmp_path / "state.db")
    written = [(1.0, "prod"), (2.0, "prod"), (2.5, "dev"), (2.5, None), (3.0, "prod"), (2.25, "prod"), (4.0, "prod")]
    for at, environment in written:
        store.add_audit(AuditEntry(at, "ann", "deploy", environment, "why", {"at": 9, "environment": "prod"}))
    found = store.audited("prod", 2.0, 3.0)
    assert [(2, 2.0), (5, 3.0), (6, 2.25)] == [(entry.number, entry.at) for entry in found]
    assert {"at": 9, "environment": "prod"} == found[0].detail
    store.close()
