"""Databases of earlier versions, opened by today's."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from shipway.core.errors import ShipwayError
from shipway.core.experiments.experiment import Experiment
from shipway.core.releases.release import Release
from shipway.local.builds.address import Address, address_of
from shipway.local.state.serving_copy import ServingCopy
from shipway.local.state.store import Store
from shipway.local.state.upgrades import UPGRADES
from tests.pipeline.house import APP

FIRST = """
CREATE TABLE documents (kind TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE events (number INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT, body TEXT NOT NULL);
CREATE TABLE audit (number INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL);
INSERT INTO documents VALUES ('Trial', 'prod', '{"environment": "prod", "version": "v1.0", "split": [["v1.1", 10.0]]}');
INSERT INTO counters VALUES ('trial', 7);
"""


def first(path: Path) -> Path:
    """A database as the first version left it, with a split under way."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FIRST)
    return path


def of_version_1(path: Path) -> Path:
    """A database of the version after that, with a release that serves."""
    with closing(sqlite3.connect(first(path))) as db, db:
        db.execute("PRAGMA user_version=1")
        db.execute("INSERT INTO documents VALUES ('Release', 'r1', ?)", (json.dumps(release_as_before()),))
    return path


def release_as_before() -> dict[str, Any]:
    """A release whose artifacts have their folders as fields of their own."""
    lies = {"path": "/app x/.shipway/artifacts/aa/tree", "environment": "/app x/.shipway/environments/bb"}
    artifacts = {
        "hello": {"service": "hello", "digest": "a" * 64, "commit": "c0", **lies, "model": None},
        "bare": {"service": "bare", "digest": "b" * 64, "commit": "c1", "path": "/bare/tree", "environment": ""},
    }
    return {"id": "r1", "commit": "c1", "app": APP.model_dump(mode="json"), "artifacts": artifacts}


def check_release(release: Release | None) -> None:
    """What its artifacts are made of lies where it lay."""
    assert release is not None
    assert {
        "hello": Address("/app x/.shipway/artifacts/aa/tree", "/app x/.shipway/environments/bb"),
        "bare": Address("/bare/tree"),
    } == {name: address_of(artifact) for name, artifact in release.artifacts.items()}
    assert ["c1", "c1"] == [release.commit_of(service) for service in release.artifacts]


def version_of(path: Path) -> int:
    """The version that the file names."""
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def test_a_split_under_way_is_found_again_as_an_experiment(tmp_path: Path) -> None:
    """It goes on with its shares, and its number is not given twice."""
    store = Store(first(tmp_path / "state.db"))
    found = store.get(Experiment, "prod")
    assert (("v1.1", 10.0),) == (found.split if found else None)
    assert 8 == store.next_number("experiment")
    store.close()
    assert len(UPGRADES) == version_of(tmp_path / "state.db")


def test_the_file_as_it_was_stays_beside_it(tmp_path: Path) -> None:
    """Whoever puts the earlier version back has what it wrote."""
    Store(first(tmp_path / "state.db")).close()
    with closing(sqlite3.connect(tmp_path / f"state.db.before-{len(UPGRADES)}")) as copy:
        assert [("Trial", "prod")] == copy.execute("SELECT kind, id FROM documents").fetchall()


def test_a_new_database_is_of_today_and_leaves_no_copy(tmp_path: Path) -> None:
    """There is nothing to keep."""
    for _ in range(2):
        Store(tmp_path / "state.db").close()
    assert len(UPGRADES) == version_of(tmp_path / "state.db")
    assert [] == list(tmp_path.glob("*.before-*"))


def test_a_later_version_s_database_is_left_alone(tmp_path: Path) -> None:
    """The error says which version is needed; the file stays as it is."""
    with closing(sqlite3.connect(tmp_path / "state.db")) as db:
        db.execute("PRAGMA user_version=999")
    with pytest.raises(ShipwayError, match="later version of Shipway: it has version 999"):
        Store(tmp_path / "state.db")
    assert 999 == version_of(tmp_path / "state.db")


def test_an_upgrade_that_is_cut_off_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing half-done is left: the next start finds the file as it was."""
    path = first(tmp_path / "state.db")

    def dies(db: sqlite3.Connection) -> None:
        db.execute("UPDATE documents SET kind='Experiment'")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shipway.local.state.upgrades.UPGRADES", (dies,))
        with pytest.raises(KeyboardInterrupt):
            Store(path)
    store = Store(path)
    assert store.get(Experiment, "prod") is not None
    store.close()


def test_the_artifacts_of_a_release_are_found_where_they_were_built(tmp_path: Path) -> None:
    """A side that is kept warm, and a rollback, need them after the upgrade as before it."""
    store = Store(of_version_1(tmp_path / "state.db"))
    check_release(store.get(Release, "r1"))
    store.close()
    check_release(Store(tmp_path / "state.db").get(Release, "r1"))


def test_a_copy_of_what_serves_is_read_as_an_earlier_version_wrote_it(tmp_path: Path) -> None:
    """Who loses the database in the very upgrade has its releases and its experiments all the same."""
    serving = {
        "environments": [{"name": "prod", "history": ["r1"]}],
        "sides": [{"environment": "prod", "side": "blue", "release": "r1", "tasks": 2}],
        "releases": [release_as_before()],
        "trials": [{"environment": "prod", "version": "v1.0", "split": [["v1.1", 10.0]]}],
        "numbers": {"release": 1},
    }
    (tmp_path / "serving.json").write_text(json.dumps(serving))
    store = Store(tmp_path / "state.db")
    assert ["prod"] == [record.name for record in ServingCopy(tmp_path / "serving.json", store).recall()]
    check_release(store.get(Release, "r1"))
    assert 1 == len(store.all(Experiment))
