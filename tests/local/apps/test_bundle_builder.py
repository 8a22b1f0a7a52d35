"""Builds of bundles, and the bucket that they come into."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from shipway.core.contract.bundles import BUILTIN, Offer
from shipway.core.description.device_app import Calls, DeviceApp
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.local.apps import node
from shipway.local.apps.bucket import BundleBucket
from shipway.local.apps.bundle_builder import BundleBuilder
from shipway.local.apps.bundles import LocalBundles
from shipway.local.apps.node import NodeEnvironments, check_lock
from shipway.local.builds.confinement import Confinement
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.model_tasks.parameters import FileParameters
from shipway.local.source.git_source import GitSource
from tests.git_repository import Repository

DOCUMENT = {"paths": {"/ask": {"get": {}}, "/other": {"get": {}}}}
FILES: dict[str, str | bytes] = {
    "phone/native.json": '{"version": "1.2", "build": 3}',
    "phone/api.json": json.dumps(DOCUMENT),
    "phone/index.html": "<p>hello",
}
APP = DeviceApp(
    path="phone",
    build="sh -c 'mkdir dist && cp index.html dist/'",
    test="grep -q hello index.html",
    lock="none",
    calls={"web": {"document": "api.json", "operations": ["GET /ask"]}},  # type: ignore[dict-item]
    updates="updates",
)


class Workshop:
    """A repository, and what builds bundles of it."""

    def __init__(self, folder: Path) -> None:
        self.repository = Repository(folder / "app")
        self.state = folder / "app" / ".shipway"
        self.source = GitSource(folder / "app")
        confinement = Confinement.of_machine(folder / "app")
        self.bucket = BundleBucket(self.state / "bucket")
        python = PythonEnvironments(self.state / "environments", confinement)
        nodes = NodeEnvironments(self.state / "environments", python)
        builder = BundleBuilder(self.state, self.source, self.bucket, nodes, confinement)
        self.bundles = LocalBundles(builder, self.bucket, FileParameters(self.state / "parameters"), lambda _: ())
        self.told: list[str] = []

    def build(self, files: dict[str, str | bytes], **changes: Any) -> Any:
        commit = self.source.resolve(self.repository.commit(files))
        return self.bundles.build(commit, "phone", APP.model_copy(update=changes), self.told.append)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def test_a_bundle_is_built_and_kept(workshop: Workshop) -> None:
    """Its metadata says what it is, needs and calls; its zip is what its digest says."""
    bundle = workshop.build(FILES)
    stored = workshop.bucket.folder / bundle.version / "bundle.zip"
    assert ("1.2.0.3", "1.2.0.3", {"web": ("GET /ask",)}) == (bundle.native, bundle.package_version, dict(bundle.uses))
    assert (bundle.digest, bundle.size) == (hashlib.sha256(stored.read_bytes()).hexdigest(), stored.stat().st_size)
    assert DOCUMENT == workshop.bundles.calls(bundle.version)["web"].document
    assert [bundle] == list(workshop.bundles.versions())
    workshop.bundles.verify(bundle.version, bundle.content)


def test_an_unchanged_app_is_not_built(workshop: Workshop) -> None:
    """Another commit with the same folder has the bundle that there is; a change of it makes another one."""
    first = workshop.build(FILES)
    workshop.told.clear()
    assert first == workshop.build({"elsewhere": "x"})
    assert [f"phone: unchanged, {first.version}"] == workshop.told
    second = workshop.build({"phone/index.html": "<p>hello again"})
    assert second.version != first.version
    assert second.version.rpartition("-")[2] == second.content[:12]


def test_equal_bundles_are_one(workshop: Workshop) -> None:
    """A change that leaves the bundle's files as they are makes no second version of them."""
    first = workshop.build(FILES)
    assert first == workshop.build({"phone/README": "x"})
    assert 1 == len(workshop.bundles.versions())


def test_what_it_calls_follows_the_description(workshop: Workshop) -> None:
    """A commit that names other operations, or one more as optional, changes nothing of the bundle but that."""
    first = workshop.build(FILES)
    calls = Calls(document="api.json", operations=("GET /ask", "GET /other"), optional=("GET /other",))
    second = workshop.build({"elsewhere": "x"}, calls={"web": calls})
    assert first.version == second.version
    assert {"web": ("GET /ask", "GET /other")} == dict(second.uses)
    called = workshop.bundles.calls(first.version)["web"]
    assert (("GET /ask", "GET /other"), ("GET /other",)) == (called.operations, called.optional)
    document = DOCUMENT["paths"] | {"/third": {"get": {}}}
    workshop.build({"phone/api.json": json.dumps({"paths": document})})
    assert document == workshop.bundles.calls(first.version)["web"].document["paths"]
    workshop.bundles.verify(first.version, first.content)
    assert 1 == len(workshop.bundles.versions())


def test_a_damaged_one_is_noticed_and_built_again(workshop: Workshop) -> None:
    """A zip that was changed on disk is refused; its commit makes it anew."""
    bundle = workshop.build(FILES)
    stored = workshop.bucket.folder / bundle.version / "bundle.zip"
    whole = stored.read_bytes()
    stored.write_bytes(whole + b"x")
    with pytest.raises(Refused, match="was changed on disk"):
        workshop.bundles.verify(bundle.version, bundle.content)
    with pytest.raises(Refused, match="another content"):
        workshop.bundles.verify(bundle.version, "0" * 64)
    workshop.build({"elsewhere": "y"})
    assert whole == stored.read_bytes()
    (stored.parent / "calls.json").unlink()
    with pytest.raises(Refused, match=r"calls\.json can't be read"):
        workshop.bundles.calls(bundle.version)
    workshop.build({"elsewhere": "z"})
    assert DOCUMENT == workshop.bundles.calls(bundle.version)["web"].document


@pytest.mark.parametrize(
    ("files", "changes", "message"),
    [
        ({"phone/index.html": "<p>bye"}, {}, "phone at .* failed its tests"),
        ({}, {"build": "false"}, "could not be built: exit code 1"),
        ({}, {"build": "true"}, "the build left no folder dist"),
        ({}, {"build": "sh -c 'ln -s . dist'"}, "the build left no folder dist"),
        ({}, {"build": "mkdir dist"}, "no index.html"),
    ],
)
def test_what_fails_publishes_nothing(
    workshop: Workshop, files: dict[str, str | bytes], changes: dict[str, str], message: str
) -> None:
    """Whatever goes wrong: the bucket holds no bundle, and the disk no half of one."""
    with pytest.raises(Refused, match=message):
        workshop.build(FILES | files, **changes)
    assert [] == list(workshop.bundles.versions())
    assert [] == list((workshop.state / "apps").glob(".work-*"))


@pytest.mark.parametrize(
    ("files", "changes", "message"),
    [
        ({"phone/native.json": "{}"}, {}, "native version"),
        ({"phone/native.json": "["}, {}, "native.json is not JSON"),
        ({"phone/api.json": "[]"}, {}, "api.json holds no JSON object"),
        ({"phone/api.json": '{"paths": []}'}, {}, "phone/api.json is no OpenAPI document"),
        ({"phone/api.json": '{"paths": {"/ask": null}}'}, {}, "phone/api.json is no OpenAPI document"),
        ({"phone/api.json": '{"paths": {}}'}, {}, "names GET /ask, which phone/api.json does not have"),
        ({}, {"native": "other.json"}, "has no phone/other.json"),
        ({}, {"build": "nosuchprogram"}, "the build command 'nosuchprogram' cannot be started"),
        ({}, {"lock": "package-lock.json"}, "has no phone/package.json"),
        ({"phone/package.json": '{"version": "a/b"}'}, {}, "package version"),
    ],
)
def test_what_is_wrong_is_named(
    workshop: Workshop, files: dict[str, str | bytes], changes: dict[str, str], message: str
) -> None:
    """A file that is missing or wrong is named, before anything is published."""
    with pytest.raises(UsageError, match=message) as raised:
        workshop.build(FILES | files, **changes)
    assert raised.value.fix
    assert [] == list(workshop.bundles.versions())


def test_without_node_the_fix_is_told(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a Node that is new enough says which, and how a wheel brings it."""
    package: dict[str, str | bytes] = {"phone/package.json": '{"version": "1.0.0", "engines": {"node": ">=99"}}'}
    with pytest.raises(UsageError, match="phone needs Node 99 or newer") as raised:
        workshop.build(FILES | package)
    assert "tools: requirements-tools.lock" in raised.value.fix
    monkeypatch.setattr(node.shutil, "which", lambda _: None)  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="and this machine has none"):
        workshop.build({})


@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm on this machine")
def test_npm_runs_under_confinement(workshop: Workshop) -> None:
    """The app's scripts run with Node, offline, and find a node_modules to write to only where there are packages."""
    package = {"name": "phone", "version": "2.0.0", "scripts": {"build": "node make.js"}}
    lock = {
        "name": "phone",
        "version": "2.0.0",
        "lockfileVersion": 3,
        "packages": {"": {"name": "phone", "version": "2.0.0"}},
    }
    files: dict[str, str | bytes] = {
        "phone/package.json": json.dumps(package),
        "phone/package-lock.json": json.dumps(lock),
        "phone/make.js": "require('fs').mkdirSync('dist'); require('fs').writeFileSync('dist/index.html', process.version)",
    }
    bundle = workshop.build(FILES | files, build="npm run build", lock="package-lock.json")
    assert "2.0.0" == bundle.package_version


@pytest.mark.parametrize(
    "lock",
    [
        b"x", b"[]", b"{}",
        json.dumps({"packages": {"node_modules/a": {"version": "1"}}}).encode(),
        json.dumps({"packages": {"a": {"link": True}}}).encode(),
    ],
)  # fmt: skip
def test_packages_have_digests(lock: bytes) -> None:
    """A lock file without them is refused."""
    with pytest.raises(UsageError):
        check_lock(lock, "phone")


def test_an_offer_is_read_back(workshop: Workshop) -> None:
    """What was said of an environment, and nothing where nothing was; nobody tells counts where no task runs."""
    offer = Offer(BUILTIN, "1.0.0-aaaaaaaaaaaa", 5.0)
    assert workshop.bundles.offered("prod") is None
    workshop.bundles.offer("prod", offer)
    assert offer == workshop.bundles.offered("prod")
    with pytest.raises(ShipwayError, match="no task that answers devices runs"):
        workshop.bundles.told("prod")


@pytest.mark.parametrize("version", ["", "..", "../../etc", "1.0.0-aaaaaaaaaaaa", "x" * 500])
def test_unknown_bundles_are_named(workshop: Workshop, version: str) -> None:
    """No name leads out of the bucket."""
    with pytest.raises(UsageError, match="no bundle"):
        workshop.bundles.bundle(version)
