"""What the pipeline relies on of bundles: of those of this machine, of those in S3 (moto), and of the tests' own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from moto import mock_aws

from shipway.aws.bundles import AwsBundles
from shipway.aws.calls import Calls as AwsCalls
from shipway.aws.names import Names
from shipway.aws.parameters import Parameters
from shipway.core.apps.gate import CalledApi, Foreseen
from shipway.core.contract.bundles import Bundle, Offer
from shipway.core.description.device_app import Calls, DeviceApp
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.ports.building import Bundles
from shipway.core.ports.telling import Tell
from shipway.core.releases.release import Commit
from shipway.local.apps.bucket import BundleBucket
from shipway.local.apps.bundle_builder import BundleBuilder
from shipway.local.apps.bundles import LocalBundles
from shipway.local.apps.node import NodeEnvironments
from shipway.local.builds.confinement import Confinement
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.model_tasks.parameters import FileParameters
from shipway.local.source.git_source import GitSource
from tests.doubles.bundles import FakeBundles
from tests.git_repository import Repository

APP = DeviceApp(path="phone", build="sh -c 'mkdir dist && cp index.html dist/'", lock="none", updates="updates")
DOCUMENT = {"paths": {"/ask": {"get": {}}}}


Committed = Callable[[str, "tuple[str, ...] | None"], tuple[Commit, DeviceApp]]


@dataclass(frozen=True)
class Build:
    """Builds a commit whose app has this text. It calls nothing, or `GET /ask`, which may be `optional`."""

    bundles: Builder
    committed: Committed

    def __call__(self, text: str, optional: tuple[str, ...] | None = None) -> Bundle:
        commit, app = self.committed(text, optional)
        return self.bundles.build(commit, "phone", app, lambda _: None)

    def foresee(self, text: str, optional: tuple[str, ...] | None = None) -> Foreseen:
        commit, app = self.committed(text, optional)
        return self.bundles.foresee(commit, "phone", app)


@dataclass(frozen=True)
class _BuiltHere:
    """Builds on this machine, and puts what was built into S3."""

    here: Bundles
    there: AwsBundles
    folder: Path

    def build(self, commit: Commit, name: str, app: DeviceApp, tell: Tell) -> Bundle:
        return self.there.add(self.folder / self.here.build(commit, name, app, tell).version)

    def foresee(self, commit: Commit, name: str, app: DeviceApp) -> Foreseen:
        return self.here.foresee(commit, name, app)


class Builder(Protocol):
    """What a build is asked of."""

    def build(self, commit: Commit, name: str, app: DeviceApp, tell: Tell) -> Bundle: ...
    def foresee(self, commit: Commit, name: str, app: DeviceApp) -> Foreseen: ...


@pytest.fixture
def s3() -> Iterator[AwsBundles]:
    """Bundles in S3, before anything was offered."""
    names = Names("ontime", "123456789012", "us-east-1")
    with mock_aws():
        calls = AwsCalls(names.region)
        calls.call("s3", "create_bucket", Bucket=names.bundles_bucket)
        for environment in ("dev", "prod"):
            calls.call("ssm", "put_parameter", Name=names.offer(environment), Value="none", Type="String")
        yield AwsBundles(calls, names, Parameters(calls))


@pytest.fixture(params=["in memory", "this machine", "s3"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Bundles, Build]:
    """Each of them, where nothing answers devices. What lies in S3 was built on this machine."""
    if request.param == "in memory":
        fake = FakeBundles()
        fake.counts = None

        def in_memory(text: str, optional: tuple[str, ...] | None) -> tuple[Commit, DeviceApp]:
            fake.called = {} if optional is None else {"web": CalledApi(DOCUMENT, ("GET /ask",), optional)}
            return Commit(text, "", ""), APP

        return fake, Build(fake, in_memory)
    repository, state = Repository(tmp_path / "app"), tmp_path / "app" / ".shipway"
    source, confinement = GitSource(tmp_path / "app"), Confinement.of_machine(tmp_path / "app")
    bucket = BundleBucket(state / "bucket")
    nodes = NodeEnvironments(state / "environments", PythonEnvironments(state / "environments", confinement))
    builder = BundleBuilder(state, source, bucket, nodes, confinement)
    bundles = LocalBundles(builder, bucket, FileParameters(state / "parameters"), lambda _: ())

    def committed(text: str, optional: tuple[str, ...] | None) -> tuple[Commit, DeviceApp]:
        files = {"index.html": text, "native.json": '{"version": "1.0"}', "api.json": json.dumps(DOCUMENT)}
        commit = repository.commit({f"phone/{name}": content for name, content in files.items()})
        calls = {} if optional is None else {"web": Calls(document="api.json", optional=optional)}
        return source.resolve(commit), APP.model_copy(update={"calls": calls})

    if request.param == "s3":
        there: AwsBundles = request.getfixturevalue("s3")
        built = _BuiltHere(bundles, there, bucket.folder)
        return there, Build(built, committed)
    return bundles, Build(bundles, committed)


def test_equal_apps_are_one_bundle(made: tuple[Bundles, Build]) -> None:
    """The same content has the same version; what is new comes first in the list."""
    bundles, build = made
    first, second = build("one"), build("two")
    assert first == build("one")
    assert first.version != second.version
    assert [second, first] == list(bundles.versions())
    assert first == bundles.bundle(first.version)
    assert {} == dict(bundles.calls(first.version))


def test_what_a_build_comes_to_is_foreseen(made: tuple[Bundles, Build]) -> None:
    """An unchanged app is the bundle that there is; another one is not built by asking."""
    bundles, build = made
    first = build("one", ("GET /ask",))
    foreseen = build.foresee("one", ("GET /ask",))
    assert (first, ("GET /ask",)) == (foreseen.bundle, foreseen.calls["web"].optional)
    assert build.foresee("two").bundle is None
    assert [first] == list(bundles.versions())


def test_what_a_bundle_calls_is_what_was_said_last(made: tuple[Bundles, Build]) -> None:
    """The same content may be described otherwise by a newer commit."""
    bundles, build = made
    first = build("one", ())
    assert {"web": CalledApi(DOCUMENT, ("GET /ask",))} == dict(bundles.calls(first.version))
    assert first.version == build("one", ("GET /ask",)).version
    assert ("GET /ask",) == bundles.calls(first.version)["web"].optional


def test_only_what_was_built_is_verified(made: tuple[Bundles, Build]) -> None:
    """Another content is refused; an unknown version is named."""
    bundles, build = made
    bundle = build("one")
    bundles.verify(bundle.version, bundle.content)
    with pytest.raises(Refused):
        bundles.verify(bundle.version, "0" * 64)
    with pytest.raises(UsageError, match="no bundle"):
        bundles.bundle("1.0.0-000000000000")


def test_the_last_offer_is_in_force(made: tuple[Bundles, Build]) -> None:
    """Of each environment by itself; before the first one there is none."""
    bundles, build = made
    version = build("one").version
    assert bundles.offered("prod") is None
    for offer in (Offer(candidate=version, percent=5.0), Offer(version)):
        bundles.offer("prod", offer)
        assert offer == bundles.offered("prod")
    assert bundles.offered("dev") is None


def test_nobody_tells_where_nothing_answers_devices(made: tuple[Bundles, Build]) -> None:
    """Neither counts nor errors are made up."""
    bundles, _ = made
    for ask in (bundles.told, bundles.crashes):
        with pytest.raises(ShipwayError):
            ask("prod")
