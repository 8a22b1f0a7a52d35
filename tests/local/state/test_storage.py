"""What lies below `.shipway`: counted, and let go of by age and need."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from shipway.core.description.app import Retention
from shipway.core.releases.release import Artifact
from shipway.local.builds.address import Address
from shipway.local.builds.sealed_tree import seal
from shipway.local.files.file_lock import locked
from shipway.local.state.storage import GRACE, Needed, Storage

DAY = 86400.0
POLICY = Retention(releases=2, builds=7 * DAY, logs=14 * DAY, capture=30 * DAY)
NOTHING = Needed()
OLD, NEW = "a" * 64, "b" * 64


def _make(path: Path, days: float, content: str = "x" * 10_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    for each in (path, path.parent):
        os.utime(each, (time.time() - days * DAY,) * 2)
    return path


def _unneeded(state: Path, needed: Needed = NOTHING) -> set[tuple[str, str]]:
    return {(i.kind, Path(i.path).relative_to(state).as_posix()) for i in Storage(state).unneeded(POLICY, needed)}


@pytest.mark.parametrize("kind", ["artifact", "environment"])
def test_builds_go_when_nobody_needs_them_and_nobody_used_them_lately(tmp_path: Path, kind: str) -> None:
    """Old ones only, named by a digest; what a kept release is made of stays."""
    folder = tmp_path / f"{kind}s"
    for name, days in ((OLD, 8), (NEW, 6), ("c" * 64, 100), ("bare-1", 100)):
        _make(folder / name / "file", days)
    needed = Needed((Artifact("web", "c" * 64, Address("", str(folder / ("c" * 64))).text()),))
    assert {(kind, f"{kind}s/{OLD}")} == _unneeded(tmp_path, needed)


def test_a_policy_of_no_days_leaves_what_a_run_may_be_about_to_record(tmp_path: Path) -> None:
    """A build that was touched within the hour stays in any case."""
    _make(tmp_path / "artifacts" / OLD / "file", 0)
    _make(tmp_path / "artifacts" / NEW / "file", 1.1 * GRACE / DAY)
    policy = Retention(releases=2, builds=0)
    assert [NEW] == [Path(item.path).name for item in Storage(tmp_path).unneeded(policy, Needed())]


def test_environments_that_another_app_shares_stay(tmp_path: Path) -> None:
    """A linked folder belongs to somebody whose needs are not known."""
    _make(tmp_path / "shared" / OLD / "file", 100)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "environments").symlink_to(tmp_path / "shared")
    assert set() == _unneeded(tmp_path / "state")


def test_logs_of_tasks_that_there_are_stay(tmp_path: Path) -> None:
    """Their rotated parts too; logs of gone tasks and of builds go by age."""
    running = _make(tmp_path / "logs" / "prod" / "t1.log", 20)
    for name in ("logs/prod/t1.log.1", "logs/prod/t2.log", "logs/prod/t2.log.1", "builds/abc-web.log"):
        _make(tmp_path / name, 20)
    _make(tmp_path / "logs" / "prod" / "t3.log", 13)
    gone = {("log", name) for name in ("logs/prod/t2.log", "logs/prod/t2.log.1", "builds/abc-web.log")}
    assert gone == _unneeded(tmp_path, Needed(logs=frozenset({running})))


def test_captured_requests_go_by_age_and_ground_truth_stays(tmp_path: Path) -> None:
    """Whatever else lies in the bucket is not touched."""
    bucket = tmp_path / "monitoring-bucket"
    old = _make(bucket / "ontime" / "v1-0" / "2026" / "01" / "02" / "03" / "a.jsonl", 40)
    _make(bucket / "ontime" / "v1-0" / "2026" / "03" / "02" / "03" / "b.jsonl", 2)
    _make(bucket / "ground-truth" / "ontime" / "2026" / "01" / "02" / "03" / "c.jsonl", 40)
    storage, needed = Storage(tmp_path), Needed(captured=frozenset({bucket / "ontime"}))
    (item,) = storage.unneeded(POLICY, needed)
    assert ("capture", str(old)) == (item.kind, item.path)
    assert storage.remove(item)
    assert ["03"] == [path.name for path in (bucket / "ontime" / "v1-0" / "2026").iterdir()]


def test_sealed_trees_can_be_removed_and_builds_in_progress_cannot(tmp_path: Path) -> None:
    """A build holds its artifact's lock; what is removed was renamed first, so it never looks whole."""
    _make(tmp_path / "artifacts" / OLD / "tree" / "file", 100)
    os.utime(tmp_path / "artifacts" / OLD, (0, 0))
    seal(tmp_path / "artifacts" / OLD / "tree")
    storage = Storage(tmp_path)
    (item,) = storage.unneeded(POLICY, Needed())
    with locked(tmp_path / "artifacts" / f".{OLD}.lock", 1, "building"):
        assert not storage.remove(item)
    assert storage.remove(item)
    assert [f".{OLD}.lock"] == [path.name for path in (tmp_path / "artifacts").iterdir()]


def test_an_interrupted_removal_is_finished(tmp_path: Path) -> None:
    """What was renamed and not yet removed goes with the next round."""
    _make(tmp_path / "environments" / f".going-{OLD}" / "file", 0)
    Storage(tmp_path).sweep()
    assert [] == list((tmp_path / "environments").iterdir())


def test_bytes_are_counted_once_by_what_they_are_for(tmp_path: Path) -> None:
    """Hard links between environments share their bytes, as they do on disk."""
    first = _make(tmp_path / "environments" / OLD / "file", 0, "x" * 100_000)
    (tmp_path / "environments" / NEW).mkdir()
    os.link(first, tmp_path / "environments" / NEW / "file")
    _make(tmp_path / "data" / "file", 0, "x" * 50_000)
    used = Storage(tmp_path).used()
    assert 100_000 <= used["environments"] < 150_000
    assert 50_000 <= used["other"] < 90_000
    assert used["all"] == sum(count for name, count in used.items() if name != "all")


def test_bundles_go_when_no_device_needs_them(tmp_path: Path) -> None:
    """Old ones only, with their source maps; those that stay are named, and what else lies in the bucket stays."""
    bucket = tmp_path / "app-bundles-bucket"
    old, new, needed = (f"1.0.0-{letter * 12}" for letter in "abc")
    for name, days in ((old, 8), (new, 6), (needed, 100), ("notes", 100)):
        _make(bucket / name / "bundle.zip", days)
    (bucket / f".going-{new}").mkdir()
    storage = Storage(tmp_path, bucket)
    (item,) = storage.unneeded(POLICY, Needed(bundles=frozenset({needed})))
    assert ("bundle", str(bucket / old)) == (item.kind, item.path)
    assert storage.used()["bundles"] >= 40_000
    with locked(bucket / f".{old}.lock", 1, "storing"):
        assert not storage.remove(item)
    assert storage.remove(item)
    storage.sweep()
    assert {new, needed, "notes"} == {path.name for path in bucket.iterdir() if not path.name.startswith(".")}
    assert [] == list(bucket.glob(".going-*"))
