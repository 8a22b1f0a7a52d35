"""The mobile app as Shipway builds it: from its commit, confined, into the bucket."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from shipway.core.description.device_app import DeviceApp
from shipway.local.apps.bucket import BundleBucket
from shipway.local.apps.bundle_builder import BundleBuilder
from shipway.local.apps.node import NodeEnvironments
from shipway.local.builds.confinement import Confinement
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.source.git_source import GitSource
from tests.mobile.app import ROOT, App


@pytest.fixture(scope="session")
def described() -> DeviceApp:
    """Ontime's app, which the manual describes in comments."""
    manual = (ROOT / "shipway.yaml").read_text()
    section = re.search(r"^# apps:\n(?:#.*\n)+", manual, re.MULTILINE)
    assert section is not None
    live = re.sub(r"^# ?", "", section[0], flags=re.MULTILINE)
    return DeviceApp.model_validate(yaml.safe_load(live)["apps"]["mobile-app"])


def test_shipway_builds_the_bundle_that_the_apps_own_tools_build(
    app: App, bundle: str, described: DeviceApp, tmp_path: Path
) -> None:
    """The bundle of the committed app is the one that its own tools build; unchanged, it is not built again."""
    clean = not subprocess.run(
        ["git", "status", "--porcelain", "mobile-app"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    source, state, told = GitSource(ROOT), tmp_path / "state", []
    confinement = Confinement.of_machine(state)
    bucket = BundleBucket(state / "bucket")
    # Environments and packages are shared with other runs.
    environments = ROOT / ".venv" / "parts"
    nodes = NodeEnvironments(environments, PythonEnvironments(environments, confinement))
    builder = BundleBuilder(state, source, bucket, nodes, confinement)
    commit = source.resolve("HEAD")
    built = builder.build(commit, "mobile-app", described, told.append)
    if clean:  # else the tools have built the changed app, and Shipway the committed one
        assert bundle == f"sha256:{built.content}"
    assert built == builder.build(commit, "mobile-app", described, told.append)
    assert f"mobile-app: unchanged, {built.version}" == told[-1]
