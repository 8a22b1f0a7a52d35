"""What the pipeline relies on of the model registry: of the one over a bucket, and of the tests' own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from shipway.core.errors import Refused, UsageError
from shipway.core.ports.models import Models
from shipway.core.views.models import Publishing
from shipway.registry.folder_store import FolderStore
from shipway.registry.registry import ModelRegistry
from tests.doubles.models import FakeModels, a_version
from tests.model_folders import write_model

AT = 1_790_000_000.0


class Bench(Protocol):
    """A registry with v1.0 and v1.1, both pending, and what happens to it from outside."""

    @property
    def models(self) -> Models: ...

    def point(self, version: str) -> None:
        """Somebody writes `latest` by hand."""

    def damage(self, version: str) -> None:
        """The model file changes after it was published."""

    def baked(self) -> str | None:
        """Which version lies in the folder that `bake` was told."""

    def trained(self) -> str:
        """A folder that a training wrote."""


@dataclass
class InMemory:
    """The tests' own."""

    folder: Path
    models: FakeModels

    def point(self, version: str) -> None:
        self.models.current = version

    def damage(self, version: str) -> None:
        self.models.damaged.add(version)

    def baked(self) -> str | None:
        return self.models.baked[0] if self.models.baked else None

    def trained(self) -> str:
        return "trained"


@dataclass
class OverABucket:
    """The real one."""

    folder: Path
    models: ModelRegistry

    def point(self, version: str) -> None:
        FolderStore(self.folder).point(version)

    def damage(self, version: str) -> None:
        file = self.folder / version / "model.txt"
        file.chmod(0o644)
        file.write_bytes(b"another tree\n")

    def baked(self) -> str | None:
        files = list((self.folder / "baked").glob("model.txt"))
        return f"v1.{files[0].read_text().strip()}" if files else None

    def trained(self) -> str:
        return str(write_model(self.folder.parent / "trained", b"tree\n"))


def in_memory(folder: Path) -> Bench:
    models = FakeModels()
    models.current, models.versions = None, {name: a_version(name) for name in ("v1.0", "v1.1")}
    return InMemory(folder, models)


def over_a_bucket(folder: Path) -> Bench:
    models = ModelRegistry(FolderStore(folder))
    for minor in (0, 1):
        models.publish(write_model(folder.parent / f"trained-{minor}", f"{minor}\n".encode()), None, "jonas")
    return OverABucket(folder, models)


@pytest.fixture(params=[in_memory, over_a_bucket], ids=["in memory", "over a bucket"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """Each of the two."""
    made: Bench = request.param(tmp_path / "bucket")
    return made


def test_at_first_new_releases_take_nothing(bench: Bench) -> None:
    """Published is not promoted."""
    assert None is bench.models.latest_name()
    with pytest.raises(Refused, match="no model version was promoted"):
        bench.models.latest()
    assert "pending" == bench.models.get("v1.0").approval_status


def test_promoting_approves_a_pending_version(bench: Bench) -> None:
    """With who did it, and why."""
    bench.models.make_latest("v1.1", "mei", "better at night", AT)
    found = bench.models.latest()
    assert ("v1.1", "approved", "mei") == (found.version, found.approval_status, found.approval_by)
    assert "better at night" in (found.approval_why or "")
    assert ("v1.1", "pending") == (bench.models.latest_name(), bench.models.get("v1.0").approval_status)


def test_an_approval_stays_that_of_who_gave_it(bench: Bench) -> None:
    """Whoever promotes later does not take its place."""
    bench.models.decide("v1.0", "approved", "mei", "fine", AT)
    bench.models.make_latest("v1.0", "bob", "now", AT + 1)
    assert ("mei", "fine") == (bench.models.latest().approval_by, bench.models.latest().approval_why)


def test_what_is_not_approved_goes_into_no_release(bench: Bench) -> None:
    """Not even where somebody wrote it into `latest` by hand; its name can be read all the same."""
    bench.point("v1.1")
    with pytest.raises(Refused, match=r"v1\.1 is pending; only an approved version"):
        bench.models.latest()
    assert "v1.1" == bench.models.latest_name()


def test_a_version_that_was_rejected_since_goes_into_no_release(bench: Bench) -> None:
    """`latest` goes on naming it."""
    bench.models.make_latest("v1.0", "mei", "", AT)
    bench.models.decide("v1.0", "rejected", "ann", "biased", AT)
    with pytest.raises(Refused, match=r"v1\.0 is rejected"):
        bench.models.latest()
    assert "v1.0" == bench.models.latest_name()


@pytest.mark.parametrize("decision", ["rejected", "archived"])
def test_only_a_person_s_own_decision_brings_a_version_back(bench: Bench, decision: str, tmp_path: Path) -> None:
    """Neither promoting nor baking does; approving it anew does."""
    bench.models.decide("v1.1", decision, "ann", "biased", AT)  # type: ignore[arg-type]
    with pytest.raises(
        Refused, match=rf"v1\.1 was {decision} by ann \(biased\)|v1\.1 was {decision} \(biased\) by ann"
    ):
        bench.models.make_latest("v1.1", "bob", "again", AT)
    with pytest.raises(Refused, match=f"was {decision}"):
        bench.models.bake("v1.1", str(tmp_path / "bucket" / "baked"))
    assert (None, None) == (bench.models.latest_name(), bench.baked())
    bench.models.decide("v1.1", "approved", "ann", "measured again", AT)
    bench.models.make_latest("v1.1", "bob", "again", AT)
    assert "v1.1" == bench.models.latest().version


def test_the_same_decision_again_changes_nothing(bench: Bench) -> None:
    """The first one's person and reason stay, and none is needed."""
    first = bench.models.decide("v1.0", "approved", "mei", "fine", AT)
    assert first == bench.models.decide("v1.0", "approved", "bob", "", AT + 1) == bench.models.get("v1.0")


@pytest.mark.parametrize(("by", "why"), [("", "fine"), ("mei", ""), (" ", "fine"), ("mei", "x" * 2001)])
def test_a_decision_needs_a_person_and_a_reason(bench: Bench, by: str, why: str) -> None:
    """And of a length that can be read."""
    with pytest.raises(UsageError, match="a decision needs a person, and a reason"):
        bench.models.decide("v1.0", "approved", by, why, AT)
    assert "pending" == bench.models.get("v1.0").approval_status


def test_files_without_their_digests_go_nowhere(bench: Bench, tmp_path: Path) -> None:
    """What the metadata says can still be read, and the version can be rejected."""
    bench.damage("v1.1")
    for call in (
        lambda: bench.models.verified("v1.1"),
        lambda: bench.models.decide("v1.1", "approved", "mei", "fine", AT),
        lambda: bench.models.make_latest("v1.1", "mei", "", AT),
        lambda: bench.models.bake("v1.1", str(tmp_path / "bucket" / "baked")),
    ):
        with pytest.raises(Refused, match=r"model v1\.1: model\.txt has"):
            call()
    assert ("pending", None, None) == (
        bench.models.get("v1.1").approval_status, bench.models.latest_name(), bench.baked(),
    )  # fmt: skip
    assert "rejected" == bench.models.decide("v1.1", "rejected", "mei", "damaged", AT).approval_status


@pytest.mark.parametrize("version", ["v9.9", "v1", "", "latest", "../v1.0"])
def test_a_name_that_leads_nowhere_is_a_usage_error(bench: Bench, version: str, tmp_path: Path) -> None:
    """Everywhere, and nothing changes."""
    for call in (
        lambda: bench.models.get(version),
        lambda: bench.models.verified(version),
        lambda: bench.models.decide(version, "approved", "mei", "fine", AT),
        lambda: bench.models.make_latest(version, "mei", "", AT),
        lambda: bench.models.bake(version, tmp_path / "bucket" / "baked"),
    ):
        with pytest.raises(UsageError):
            call()
    assert None is bench.models.latest_name()


def test_baking_leaves_the_version_in_the_folder(bench: Bench, tmp_path: Path) -> None:
    """The one baked before makes room."""
    for name in ("v1.0", "v1.1"):
        assert name == bench.models.bake(name, tmp_path / "bucket" / "baked").version
        assert name == bench.baked()


def test_versions_are_listed_with_what_is_known_of_them(bench: Bench) -> None:
    """Oldest first; an unknown one has no metadata."""
    assert ["v1.0", "v1.1"] == [model.version for model in bench.models.list()]
    assert "v1.1" == bench.models.metadata("v1.1")["version"]
    with pytest.raises(UsageError):
        bench.models.metadata("v9.9")


def test_a_published_version_waits_for_a_decision(bench: Bench) -> None:
    """By default it is the next one, of whoever published it; new releases go on with what they take."""
    found = bench.models.publish(bench.trained(), None, "jonas", Publishing(), lambda line: None)
    assert ("v1.2", "pending", "v1.2") == (found.version, found.approval_status, bench.models.list()[-1].version)
    assert None is bench.models.latest_name()


def test_two_versions_are_compared(bench: Bench) -> None:
    """Both have to be there."""
    assert bench.models.compare("v1.0", "v1.1", lambda line: None)
    with pytest.raises(UsageError):
        bench.models.compare("v1.0", "v9.9", lambda line: None)


def test_a_version_is_baked_as_it_is(bench: Bench, tmp_path: Path) -> None:
    """Its files lie in the folder then."""
    assert "v1.1" == bench.models.bake("v1.1", str(tmp_path / "bucket" / "baked")).version
    assert "v1.1" == bench.baked()
