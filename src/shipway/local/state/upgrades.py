"""Upgrades the database of an earlier Shipway: numbered steps, each done once, all in one transaction."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from shipway.core.errors import ShipwayError
from shipway.local.builds.address import Address


def _trials_are_experiments(db: sqlite3.Connection) -> None:
    db.execute("UPDATE documents SET kind='Experiment' WHERE kind='Trial'")
    db.execute("UPDATE counters SET name='experiment' WHERE name='trial'")


def _artifacts_have_an_address(db: sqlite3.Connection) -> None:
    for id, body in db.execute("SELECT id, body FROM documents WHERE kind='Release'").fetchall():
        release = with_addresses(json.loads(body))
        db.execute("UPDATE documents SET body=? WHERE kind='Release' AND id=?", (json.dumps(release), id))


def with_addresses(release: dict[str, Any]) -> dict[str, Any]:
    """A stored release whose artifacts still have their folders as fields of their own, as it is stored today."""
    artifacts = release.get("artifacts", {})
    for artifact in artifacts.values():
        if "path" in artifact:
            artifact["address"] = Address(artifact.pop("path"), artifact.pop("environment", "")).text()
            artifact.pop("commit", None)
    return {"commits": dict.fromkeys(artifacts, release["commit"]), **release}


UPGRADES = (_trials_are_experiments, _artifacts_have_an_address)
"""Step n leads from version n to n + 1. The first tables have version 0."""


def upgrade(db: sqlite3.Connection, path: Path) -> None:
    """Bring the database at `path` to today's version, after a copy of it beside it as `state.db.before-N`.

    Raises ShipwayError for one that a later Shipway has written.
    """
    (found,) = db.execute("PRAGMA user_version").fetchone()
    if found > len(UPGRADES):
        raise ShipwayError(
            f"{path} was written by a later version of Shipway: it has version {found}, this one knows {len(UPGRADES)}",
            fix="install the later version again",
            state="nothing was changed",
        )
    if found == len(UPGRADES):
        return
    if db.execute("SELECT EXISTS (SELECT 1 FROM documents)").fetchone()[0]:
        _copy(db, path.with_name(f"{path.name}.before-{len(UPGRADES)}"))
    db.execute("BEGIN IMMEDIATE")
    try:
        for step in UPGRADES[found:]:
            step(db)
        db.execute(f"PRAGMA user_version={len(UPGRADES)}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _copy(db: sqlite3.Connection, destination: Path) -> None:
    unfinished = destination.with_name(destination.name + ".new")
    unfinished.unlink(missing_ok=True)
    with closing(sqlite3.connect(unfinished)) as copy:
        db.backup(copy)
    unfinished.replace(destination)
