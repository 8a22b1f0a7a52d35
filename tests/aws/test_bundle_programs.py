"""What CodeBuild runs of an app's bundle: its build, its place in a release, and in a rollout and the way back."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from shipway.aws.bundles import AwsBundles
from shipway.aws.calls import Calls
from shipway.aws.names import names_of
from shipway.aws.parameters import Parameters
from shipway.aws.release_store import ReleaseStore
from shipway.core.apps.offering import Offering
from shipway.core.contract.bundles import Offer, read_offer, version_of
from shipway.core.releases.release import Release
from shipway.local.apps.bucket import BundleBucket
from shipway.local.apps.bundle_builder import BundleBuilder
from shipway.local.apps.node import NodeEnvironments
from shipway.local.builds.confinement import Confinement
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.source.git_source import GitSource
from shipway.wiring import bundle_program, rollout_program
from tests.aws.descriptions import with_bundles
from tests.aws.doubles import Killed
from tests.aws.rollout_bench import BACKEND, Bench
from tests.doubles.aws.bundles import publish
from tests.git_repository import Repository

APP = with_bundles()
NAMES = names_of(APP)


@pytest.fixture
def repository(tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The app, committed; programs find moto's AWS."""
    for program in (bundle_program, rollout_program):
        monkeypatch.setattr(program, "Calls", lambda region, **_: calls)
    for bucket in (NAMES.bundles_bucket, NAMES.models_bucket):
        calls.call("s3", "create_bucket", Bucket=bucket)
    found = Repository(tmp_path / "source")
    found.commit({
        "shipway.yaml": yaml.safe_dump(APP.model_dump(mode="json", exclude_unset=True)),
        "phone/index.html": "hello", "phone/native.json": '{"version": "1.0", "build": 3}',
    })  # fmt: skip
    return found


@pytest.fixture
def environ(repository: Repository, tmp_path: Path) -> dict[str, str]:
    """CodeBuild's variables in the build of the bundle."""
    return {"CODEBUILD_SRC_DIR": str(tmp_path / "source")}


def test_a_build_makes_the_bundle_that_this_machine_makes(environ, calls, tmp_path, capsys):
    """The same digest, in S3 with all that is beside it; an unchanged app is not built again."""
    assert 0 == bundle_program.main(["build", "--app", "phone"], environ), capsys.readouterr().err
    output = json.loads((tmp_path / "source/build-output.json").read_text())
    source, state = GitSource(tmp_path / "source"), tmp_path / "state"
    confinement = Confinement.of_machine(tmp_path)
    nodes = NodeEnvironments(state, PythonEnvironments(state, confinement))
    builder = BundleBuilder(state, source, BundleBucket(state / "bundles"), nodes, confinement)
    ours = builder.build(source.resolve("HEAD"), "phone", APP.apps["phone"], lambda _: None)
    assert {"app": "phone", "version": ours.version, "content": ours.content} == output
    bundles = AwsBundles(calls, NAMES, Parameters(calls))
    assert replace(ours, built_at=0.0) == replace(bundles.bundle(ours.version), built_at=0.0)
    bundles.verify(ours.version, ours.content)
    built_at = bundles.bundle(ours.version).built_at
    assert 0 == bundle_program.main(["build", "--app", "phone"], environ)
    assert "phone: unchanged" in capsys.readouterr().err
    assert built_at == bundles.bundle(ours.version).built_at


def test_a_damaged_bundle_is_built_again(environ, calls, capsys):
    """What was changed in the bucket is put there anew."""
    bundle_program.main(["build", "--app", "phone"], environ)
    bundles = AwsBundles(calls, NAMES, Parameters(calls))
    (bundle,) = bundles.versions()
    bundles._put(f"{bundle.version}/bundle.zip", b"other")
    assert 0 == bundle_program.main(["build", "--app", "phone"], environ)
    bundles.verify(bundle.version, bundle.content)


def test_an_app_that_there_is_not_is_named(environ, capsys):
    assert 2 == bundle_program.main(["build", "--app", "watch"], environ)
    assert "allowed: phone" in capsys.readouterr().err


def _release_environ(environ: dict[str, str], tmp_path: Path, *, bundle: bool = True) -> dict[str, str]:
    """CodeBuild's variables in the release action."""
    found = environ | {"CODEBUILD_RESOLVED_SOURCE_VERSION": "c" * 40}
    outputs = {f"{service}_image": {"service": service, "digest": "sha256:" + "1" * 64} for service in APP.services}
    if bundle:
        outputs["phone_bundle"] = {"app": "phone", "version": version_of("1.0.0", "a" * 64), "content": "a" * 64}
    for name, output in outputs.items():
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "build-output.json").write_text(json.dumps(output))
        found[f"CODEBUILD_SRC_DIR_{name.replace('-', '_')}"] = str(tmp_path / name)
    return found


def test_a_release_carries_its_bundle(environ, calls, tmp_path, capsys):
    """By version and the SHA-256 of its content, and in the story."""
    assert 0 == rollout_program.main(["release"], _release_environ(environ, tmp_path))
    found = ReleaseStore(calls, NAMES).release("r1")
    assert (version_of("1.0.0", "a" * 64), "a" * 64) == (found.app_version, found.app_digest)
    assert f"bundle {found.app_version}" in capsys.readouterr().err


def test_a_release_without_the_described_bundle_is_refused(environ, tmp_path, capsys):
    """The fix is the Terraform that makes the build."""
    assert 1 == rollout_program.main(["release"], _release_environ(environ, tmp_path, bundle=False))
    assert "the bundle of no app, and shipway.yaml has phone" in capsys.readouterr().err


class Devices(Bench):
    """prod of an app with bundles, where r1 serves with its own; r2 has another."""

    def __init__(self) -> None:
        super().__init__(app=APP)
        self.bundles = AwsBundles(self.calls, self.names, Parameters(self.calls))
        self.r1, self.r2 = self._with_bundle(self.r1, "a"), self._with_bundle(self.r2, "b")
        for one in (self.r1, self.r2):
            self.store.add_release(lambda number, one=one: replace(one, id=number))
        assert self.r1.app_version is not None
        self.first = Offer(self.r1.app_version)
        self.ssm.values[self.names.offer(self.environment)] = self.first.text()
        self.store.keep_offering(Offering(self.environment, self.r1.app_version), None)
        self.wire.calls.clear()

    def _with_bundle(self, release: Release, fill: str) -> Release:
        bundle = publish(self.calls, self.names, fill)
        return replace(release, app_version=bundle.version, app_digest=bundle.content)

    def offer(self) -> Offer:
        return read_offer(self.ssm.values[self.names.offer(self.environment)])

    def moment(self, operation: str, **wanted: object) -> int:
        """When the first such call was made."""
        return next(
            n for n, (_, name, request) in enumerate(self.wire.calls)
            if name == operation and all(request.get(key) == value for key, value in wanted.items())
        )  # fmt: skip


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> Devices:
    """The program over it, without a source, as a rollback has none."""
    bench = Devices()
    monkeypatch.setattr(rollout_program, "Calls", lambda region, **_: bench.calls)
    monkeypatch.setattr(rollout_program, "time", SimpleNamespace(time=lambda: bench.now, sleep=bench.sleep))
    monkeypatch.setattr(rollout_program, "ask_public", bench._ask)
    return bench


def _rollout(bench: Devices, release: str, *words: str) -> int:
    environ = {
        "RELEASES_BUCKET": bench.names.releases_bucket,
        "AWS_REGION": "us-east-1",
        "CODEBUILD_SRC_DIR": "/nowhere",
    }
    typed = ["rollout", "--environment", "prod", "--release", release, *words]
    return rollout_program.main(typed, environ | {"EXECUTION": f"e-{release}-{len(words)}"})


def test_the_bundle_goes_out_after_the_api_and_comes_back_before_it(devices: Devices, capsys):
    """Read back first; on the way back the pointer is written before ECS is asked for anything."""
    assert 0 == _rollout(devices, "r2"), capsys.readouterr().err
    assert (devices.r2.app_version, 50.0) == (devices.offer().candidate, devices.offer().percent)
    rule = devices.names.looks_project("prod")
    assert {rule} == devices.events.on
    settled = devices.moment("put_object", Key="prod/history.json")
    assert settled < devices.moment("enable_rule") < devices.moment("put_parameter")
    devices.wire.calls.clear()
    assert 0 == _rollout(devices, "r1", "--back"), capsys.readouterr().err
    assert devices.moment("put_parameter") < devices.moment("update_service")
    assert devices.first.stable == devices.offer().stable
    assert (None, [devices.r2.app_version]) == (devices.offer().candidate, list(devices.offer().taken_back))
    assert set() == devices.events.on
    assert "r1" == devices.serving()[BACKEND]
    actions = [entry.action for entry in devices.store.audit("prod", 20)]
    assert "give devices the bundle before" in actions


def test_a_release_that_is_rolled_back_by_itself_lets_no_bundle_out(devices: Devices, capsys):
    """Its API never served everybody, so no device was offered its bundle."""
    devices.candidate = (600.0, 0.5, 0.05)
    assert 4 == _rollout(devices, "r2"), capsys.readouterr().err
    assert devices.first == devices.offer()
    assert set() == devices.events.on


def test_a_bundle_that_was_changed_stops_the_rollout(devices: Devices, capsys):
    """Before ECS is asked for anything."""
    devices.bundles._put(f"{devices.r2.app_version}/bundle.zip", b"another")
    devices.wire.calls.clear()
    assert 3 == _rollout(devices, "r2")
    assert "was changed in S3" in capsys.readouterr().err
    assert [] == devices.wire.carried_out("update_service")


def test_a_program_that_was_killed_before_the_bundle_lets_it_out_when_it_is_repeated(devices: Devices, capsys):
    """The release serves already; what was left over is done."""

    def kill(_service: str, operation: str) -> None:
        if operation == "enable_rule":
            raise Killed

    devices.wire.before = kill
    with pytest.raises(Killed):
        _rollout(devices, "r2")
    devices.wire.before = lambda service, operation: None
    assert devices.first == devices.offer()
    assert 0 == _rollout(devices, "r2"), capsys.readouterr().err
    assert devices.r2.app_version == devices.offer().candidate
