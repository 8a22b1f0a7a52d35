"""What the pipeline relies on of the app's repository: of git, and of the tests' own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from shipway.core.errors import UsageError
from shipway.core.ports.building import Source
from shipway.local.source.git_source import GitSource
from tests.doubles.source import FakeSource
from tests.git_repository import Repository


class Bench(Protocol):
    """A repository: c1, and c2 after it, on main; d1 on another line. c2 is checked out, with a new file in web/."""

    @property
    def source(self) -> Source: ...

    def id(self, name: str) -> str:
        """The commit's id."""


@dataclass
class InMemory:
    """The tests' own."""

    source: FakeSource

    def id(self, name: str) -> str:
        return name


@dataclass
class InGit:
    """The real one."""

    source: GitSource
    ids: dict[str, str]

    def id(self, name: str) -> str:
        return self.ids[name]


def in_memory(folder: Path) -> Bench:
    source = FakeSource()
    source.files, source.dirty = {"shipway.yaml": b"app: hello\n"}, "c2"
    return InMemory(source)


def in_git(folder: Path) -> Bench:
    repository = Repository(folder / "repository")
    ids = {"c1": repository.commit({"shipway.yaml": "app: hello\n", "web/app.py": "1"}, "subject of c1")}
    repository.git("checkout", "-q", "-b", "aside")
    ids["d1"] = repository.commit({"web/app.py": "d"}, "subject of d1")
    repository.git("checkout", "-q", "main")
    ids["c2"] = repository.commit({"web/app.py": "2"}, "subject of c2")
    (repository.folder / "web" / "new").write_text("not committed")
    return InGit(GitSource(repository.folder), ids)


@pytest.fixture(params=[in_memory, in_git], ids=["in memory", "git"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """Each of the two."""
    made: Bench = request.param(tmp_path)
    return made


def test_a_commit_is_told_by_its_id(bench: Bench) -> None:
    """With its subject."""
    found = bench.source.resolve(bench.id("c1"))
    assert (bench.id("c1"), "subject of c1") == (found.id, found.subject)


@pytest.mark.parametrize("name", ["unknown", "", " "])
def test_what_names_no_commit_is_a_usage_error(bench: Bench, name: str) -> None:
    """Whether or not it could be a name."""
    with pytest.raises(UsageError):
        bench.source.resolve(name)


def test_the_branch_that_is_checked_out(bench: Bench) -> None:
    """By its name."""
    assert "main" == bench.source.current_branch()


def test_files_are_read_as_committed(bench: Bench) -> None:
    """One that the commit lacks is a usage error that names it."""
    commit = bench.source.resolve(bench.id("c1"))
    assert b"app: hello\n" == bench.source.read(commit, "shipway.yaml")
    with pytest.raises(UsageError, match="missing\\.yaml"):
        bench.source.read(commit, "missing.yaml")


@pytest.mark.parametrize(
    ("commit", "newer", "expected"),
    [("c1", "c2", True), ("c2", "c1", False), ("c1", "c1", True), ("d1", "c2", False), ("c2", "d1", False)],
)
def test_whether_a_commit_is_among_the_ancestors(bench: Bench, commit: str, newer: str, expected: bool) -> None:
    """Itself included; other lines are not."""
    assert expected is bench.source.is_in(bench.id(commit), bench.id(newer))


def test_what_is_not_committed_is_told_of_the_commit_that_is_checked_out(bench: Bench) -> None:
    """Below the folders that are asked for; of other commits there is nothing to tell."""
    checked_out, older = (bench.source.resolve(bench.id(name)) for name in ("c2", "c1"))
    assert ["web/new"] == bench.source.uncommitted(checked_out, ["web"])
    assert [] == bench.source.uncommitted(older, ["web"])


def test_a_folder_has_a_name_from_the_root_and_from_elsewhere(bench: Bench) -> None:
    """However it is written; only what lies inside has one."""
    folder = bench.source.folder
    assert ("web/models", "web") == (folder("web/./models"), folder("web/models/.."))
    assert ("models", "../web") == (folder("web/models", "web"), folder("web", "other"))
    for outside in ("", ".", "..", "web/../../elsewhere", "/elsewhere"):
        with pytest.raises(UsageError, match="is outside of"):
            folder(outside)
