"""What the pipeline relies on of builds: of those on this machine, and of the tests' own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from shipway.core.description.app import Service
from shipway.core.errors import Refused
from shipway.core.ports.building import Builder
from shipway.core.releases.release import Artifact, Commit
from shipway.local.builds.address import address_of
from shipway.local.builds.builder import LocalBuilder
from shipway.local.builds.confinement import Confinement
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.source.git_source import GitSource
from tests.doubles.builder import FakeBuilder
from tests.git_repository import Repository

SERVICE = Service.model_validate(
    {"path": "web", "command": "python app.py", "test": "python check.py", "lock": "none", "routes": ["/*"]}
)


class Bench(Protocol):
    """Commits of a service: c1; c2 with other code; c3 with c1's code again; bad, whose tests fail."""

    @property
    def builder(self) -> Builder: ...

    def commit(self, name: str) -> Commit:
        """The commit."""

    def damage(self, artifact: Artifact) -> None:
        """Change a file of it."""


@dataclass
class InMemory:
    """The tests' own."""

    builder: FakeBuilder

    def commit(self, name: str) -> Commit:
        return Commit(name, "", "ann", "main")

    def damage(self, artifact: Artifact) -> None:
        self.builder.damaged.add(artifact.digest)


@dataclass
class OnThisMachine:
    """The real one."""

    builder: LocalBuilder
    source: GitSource
    ids: dict[str, str]

    def commit(self, name: str) -> Commit:
        return self.source.resolve(self.ids[name])

    def damage(self, artifact: Artifact) -> None:
        file = Path(address_of(artifact).tree, "app.py")
        file.chmod(0o644)
        file.write_text("another")


def in_memory(folder: Path) -> Bench:
    builder = FakeBuilder()
    builder.failing, builder.trees = {"bad"}, {"c3": "c1"}
    return InMemory(builder)


def on_this_machine(folder: Path) -> Bench:
    repository, state = Repository(folder / "repository"), folder / ".shipway"
    trees = {"c1": ("1", "pass"), "c2": ("2", "pass"), "c3": ("1", "pass"), "bad": ("3", "raise SystemExit(1)")}
    ids = {name: repository.commit({"web/app.py": app, "web/check.py": check}) for name, (app, check) in trees.items()}
    source = GitSource(repository.folder)
    builder = LocalBuilder(
        state, source, PythonEnvironments(state / "environments"), Confinement.of_machine(folder), test_timeout=300
    )
    return OnThisMachine(builder, source, ids)


@pytest.fixture(params=[in_memory, on_this_machine], ids=["in memory", "this machine"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """Each of the two."""
    made: Bench = request.param(tmp_path)
    return made


def build(bench: Bench, name: str) -> Artifact:
    """The service's artifact at a commit."""
    return bench.builder.build(bench.commit(name), "web", SERVICE, lambda line: None)


def test_an_artifact_is_named_by_its_content(bench: Bench) -> None:
    """64 digits; the same for the same tree, another for another one."""
    first, again, other = (build(bench, name) for name in ("c1", "c1", "c2"))
    assert (64, "web") == (len(first.digest), first.service)
    assert first == again
    assert first.digest != other.digest


def test_an_unchanged_tree_has_the_artifact_that_it_had(bench: Bench) -> None:
    """Whatever commit it is asked for by."""
    first, later = build(bench, "c1"), build(bench, "c3")
    assert first == later


def test_a_commit_whose_tests_fail_makes_no_artifact(bench: Bench) -> None:
    """Each time that it is asked for, and others are not held up."""
    for _ in range(2):
        with pytest.raises(Refused, match=r"web.* failed its tests"):
            build(bench, "bad")
    assert build(bench, "c1").digest


def test_what_was_changed_after_its_build_is_refused(bench: Bench) -> None:
    """By name; others are fine, and the next build makes it good."""
    first, other = build(bench, "c1"), build(bench, "c2")
    bench.damage(first)
    with pytest.raises(Refused, match=f"artifact {first.short} of web was changed"):
        bench.builder.verify(first)
    bench.builder.verify(other)
    assert first == build(bench, "c1")
    bench.builder.verify(first)
