"""Every commit of the committed story passes what its build asks of it: bad ones misbehave in prod alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipway.core.description import DESCRIPTION
from shipway.core.description.app import Service
from shipway.core.releases.release import Commit
from shipway.demo.sandbox import Stage
from shipway.demo.story import read_story
from shipway.description.reader import load
from shipway.local.apps.bucket import BundleBucket
from shipway.local.apps.bundle_builder import BundleBuilder
from shipway.local.apps.node import NodeEnvironments
from shipway.local.builds.builder import LocalBuilder
from shipway.local.builds.confinement import Confinement
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.source.git_source import GitSource

CHECKOUT = Path(__file__).parents[2]

pytestmark = pytest.mark.lengthy


@pytest.fixture
def stage() -> Iterator[Stage]:
    """The repository that the demo makes of this checkout."""
    stage = Stage.make()
    stage.copy_app(CHECKOUT, read_story(CHECKOUT))
    yield stage
    stage.clear()


def test_each_commit_of_the_story_is_built(stage: Stage, tmp_path: Path) -> None:
    """One after the other, as the demo commits and reverts them: the services that it changes pass their own tests.

    The app's bundle is built without Node and without a network.
    """
    source, confinement = GitSource(stage.app), Confinement.of_machine(tmp_path)
    environments = PythonEnvironments(CHECKOUT / ".venv" / "parts")
    builder = LocalBuilder(tmp_path, source, environments, confinement)
    bucket, nodes = BundleBucket(tmp_path / "bundles"), NodeEnvironments(tmp_path / "nodes", environments)
    bundles = BundleBuilder(tmp_path, source, bucket, nodes, confinement)
    app = load(stage.app / DESCRIPTION)
    services = app.services
    assert app.device_app is not None
    offered = bundles.build(source.resolve("HEAD"), *app.device_app, lambda line: None).version
    for step in read_story(CHECKOUT).steps:
        if step.patch and step.commit:
            before = source.resolve("HEAD")
            stage.apply(CHECKOUT / "demo" / step.patch, step.commit)
            commit = source.resolve("HEAD")
            changed = [name for name in services if _changed(source, services[name], before, commit)]
            for name in changed:
                builder.build(commit, name, services[name], lambda line: None)
            bundle = bundles.build(commit, *app.device_app, lambda line: None).version
            assert changed or bundle != offered, step.patch
            if step.is_reverted:
                stage.revert()
            else:
                offered = bundle


def _changed(source: GitSource, service: Service, before: Commit, after: Commit) -> bool:
    folders = (service.path, *service.include)
    return any(source.tree_id(before, folder) != source.tree_id(after, folder) for folder in folders)
