"""The mobile app as Shipway builds it: from its commit, confined, into the bucket."""

from __future__ import annotations

import subprocess
import zipfile
from dataclasses import dataclass

import pytest

from shipway.core.apps.crashes import frames
from shipway.core.contract.bundles import Bundle
from shipway.core.description.device_app import DeviceApp
from shipway.core.releases.release import Commit
from shipway.description.reader import parse
from shipway.local.apps.bucket import BundleBucket
from shipway.local.apps.bundle_builder import BundleBuilder
from shipway.local.apps.node import NodeEnvironments
from shipway.local.apps.source_maps import SourceMaps
from shipway.local.builds.confinement import Confinement
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.source.git_source import GitSource
from tests.mobile.app import ROOT


@pytest.fixture(scope="session")
def described() -> DeviceApp:
    """Ontime's app, as the manual describes it."""
    return parse((ROOT / "shipway.yaml").read_text()).apps["mobile-app"]


@dataclass(frozen=True)
class Workshop:
    """What builds bundles of this repository's commits, what it told, and where they lie."""

    builder: BundleBuilder
    bucket: BundleBucket
    commit: Commit
    told: list[str]

    def build(self, described: DeviceApp) -> Bundle:
        return self.builder.build(self.commit, "mobile-app", described, self.told.append)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    source, state = GitSource(ROOT), tmp_path_factory.mktemp("shipway") / "state"
    confinement = Confinement.of_machine(state)
    bucket = BundleBucket(state / "bucket")
    # Environments and packages are shared with other runs.
    environments = ROOT / ".venv" / "parts"
    nodes = NodeEnvironments(environments, PythonEnvironments(environments, confinement))
    builder = BundleBuilder(state, source, bucket, nodes, confinement)
    return Workshop(builder, bucket, source.resolve("HEAD"), [])


def test_shipway_builds_the_bundle_that_the_apps_own_tools_build(
    workshop: Workshop, bundle: str, described: DeviceApp
) -> None:
    """The bundle of the committed app is the one that its own tools build; unchanged, it is not built again."""
    clean = not subprocess.run(
        ["git", "status", "--porcelain", "mobile-app"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    built = workshop.build(described)
    if clean:  # else the tools have built the changed app, and Shipway the committed one
        assert bundle == f"sha256:{built.content}"
    assert built == workshop.build(described)
    assert f"mobile-app: unchanged, {built.version}" == workshop.told[-1]


def test_errors_are_told_at_the_apps_own_source(workshop: Workshop, described: DeviceApp) -> None:
    """The bundle names no source maps and has none; those beside it lead from its one long line to the app's file."""
    version, own = workshop.build(described).version, "mobile-app/src/services/started.service.ts"
    with zipfile.ZipFile(workshop.bucket.folder / version / "bundle.zip") as archive:
        files = {name: archive.read(name).decode(errors="replace") for name in archive.namelist()}
    assert [] == [name for name, text in files.items() if name.endswith(".map") or "sourceMappingURL" in text]
    word = "/ota/started"
    (name, text) = next(item for item in files.items() if word in item[1])
    before = text[: text.index(word)]
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    (frame,) = frames(f"TypeError: boom\n    at f (https://localhost/{name}:{line}:{column})")
    place = SourceMaps(workshop.bucket.maps(version)).place(frame)
    written = GitSource(ROOT).read(workshop.commit, own).decode().splitlines()
    expected = next(number for number, content in enumerate(written, 1) if word in content)
    assert place is not None
    assert f"src/services/started.service.ts:{expected}" == place.rpartition(":")[0].removeprefix("mobile-app/")
