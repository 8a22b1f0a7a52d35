"""What the pipeline's actions run: arguments and variables in, number or story out, exit code."""

import json
from pathlib import Path
from typing import Any

import pytest

from shipway.aws.calls import Calls
from shipway.aws.release_store import ReleaseStore
from shipway.wiring import rollout_program
from tests.aws.descriptions import HERE
from tests.aws.rollout_bench import Bench, release, told

COMMIT = "c" * 40


@pytest.fixture
def source(tmp_path: Path) -> dict[str, str]:
    """CodeBuild's variables and folders, as the release action has them."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app/shipway.yaml").write_bytes((HERE / "app.yaml").read_bytes())
    environ = {"CODEBUILD_SRC_DIR": str(tmp_path / "app"), "CODEBUILD_RESOLVED_SOURCE_VERSION": COMMIT}
    for n, service in enumerate(("backend-api", "ml-model-service")):
        folder = tmp_path / f"{service}-image"
        folder.mkdir()
        output = {"service": service, "digest": f"sha256:{str(n) * 64}", "tree": "a" * 40}
        (folder / "build-output.json").write_text(json.dumps(output))
        environ[f"CODEBUILD_SRC_DIR_{service.replace('-', '_')}_image"] = str(folder)
    return environ


@pytest.fixture
def models(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> str:
    """AWS for the program, with a bucket that holds an approved model, which `latest` names."""
    monkeypatch.setattr(rollout_program, "Calls", lambda region, **_: calls)
    bucket = "ontime-123456789012-ml-models-bucket"
    calls.call("s3", "create_bucket", Bucket=bucket)
    metadata = {
        "approval": {"status": "approved"}, "model_file": "model.txt",
        "files": {"model.txt": {"sha256": "d" * 64}}, "feature_schema_digest": f"sha256:{'e' * 64}",
    }  # fmt: skip
    calls.call("s3", "put_object", Bucket=bucket, Key="v1.0/metadata.json", Body=json.dumps(metadata).encode())
    calls.call("s3", "put_object", Bucket=bucket, Key="latest", Body=b"v1.0\n")
    return bucket


def test_a_release_holds_the_digests_the_commit_and_the_model(source, models, calls, names, capsys):
    assert 0 == rollout_program.main(["release"], source)
    assert "r1\n" == capsys.readouterr().out
    found = ReleaseStore(calls, names).release("r1")
    assert ("0" * 64, "1" * 64) == tuple(artifact.digest for artifact in found.artifacts.values())
    address = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/ontime/backend-api@sha256:{'0' * 64}"
    assert address == found.artifacts["backend-api"].address
    assert (COMMIT, "v1.0", "d" * 64, "e" * 64) == (
        found.commit, found.model_version, found.model_digest, found.request_schema,
    )  # fmt: skip


def test_the_same_action_repeated_makes_no_second_release(source, models, capsys):
    for _ in range(2):
        assert 0 == rollout_program.main(["release"], source)
    assert "r1\nr1\n" == capsys.readouterr().out


def test_a_release_before_the_first_model_names_none(source, models, calls, capsys):
    calls.call("s3", "delete_object", Bucket=models, Key="latest")
    assert 0 == rollout_program.main(["release"], source)
    assert "none was promoted yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (lambda e: Path(e["CODEBUILD_SRC_DIR_backend_api_image"], "build-output.json").unlink(), 1, "is missing"),
        (lambda e: e.pop("CODEBUILD_SRC_DIR_backend_api_image"), 1, "no build has handed on an image of backend-api"),
        (
            lambda e: Path(e["CODEBUILD_SRC_DIR_backend_api_image"], "build-output.json").write_text('{"digest": 1}'),
            1,
            'is not {"service": NAME, "digest"',
        ),
        (lambda e: e.update(CODEBUILD_RESOLVED_SOURCE_VERSION="main"), 1, "'main' is no commit"),
    ],
)
def test_what_builds_do_not_hand_on_is_named(source, models, capsys, spoil: Any, code: int, said: str):
    spoil(source)
    assert code == rollout_program.main(["release"], source)
    told = capsys.readouterr()
    assert ("", True) == (told.out, said in told.err), told.err


def test_a_dry_run_prints_the_plan_and_changes_nothing(source, capsys, monkeypatch):
    """The plan stands in the story, with what AWS does otherwise."""
    bench = Bench()
    bench.store.add_release(lambda number: release(number, bench.app, "2"))
    bench.store.add_release(lambda number: release(number, bench.app, "8"))
    before = dict(bench.s3.objects)
    monkeypatch.setattr(rollout_program, "Calls", lambda region, **_: Known(bench))
    words = ["rollout", "--environment", "prod", "--release", "r2", "--dry-run"]
    assert 0 == rollout_program.main(words, source)
    assert "prod: r1 → r2, canary 5 → 100 %" in capsys.readouterr().err
    assert before == bench.s3.objects


def test_an_environment_that_the_release_does_not_know_is_a_mistake(source, capsys, monkeypatch):
    bench = Bench()
    bench.store.add_release(lambda number: release(number, bench.app, "2"))
    monkeypatch.setattr(rollout_program, "Calls", lambda region, **_: Known(bench))
    assert 2 == rollout_program.main(["rollout", "--environment", "moon", "--release", "r1"], source)
    assert "name one of: dev, prod" in capsys.readouterr().err


def test_without_the_source_the_bucket_says_which_app_it_is(tmp_path, capsys):
    environ = {"CODEBUILD_SRC_DIR": str(tmp_path)}
    assert 2 == rollout_program.main(["rollout", "--environment", "prod", "--release", "r1"], environ)
    assert "run it in the folder of shipway.yaml" in capsys.readouterr().err
    environ |= {"RELEASES_BUCKET": "on-time-123456789012-releases", "AWS_REGION": "eu-central-1"}
    names = rollout_program.names_in(environ)
    assert ("on-time", "123456789012", "eu-central-1") == (names.app, names.account, names.region)


class Known(Calls):
    """The bench's AWS, with the account that shipway.yaml names."""

    def __init__(self, bench: Bench) -> None:
        super().__init__("us-east-1", client=bench.calls.client)

    def check_account(self, wanted: str) -> str:
        return f"arn:aws:iam::{wanted}:user/ann"


def test_what_terraform_tells_is_read_as_it_writes_it():
    """The keys of infra/modules/service/told.tf are those that are read here."""
    text = (HERE.parents[1] / "infra/modules/service/told.tf").read_text()
    bench = Bench()
    for key in told(bench.app, "prod", "backend-api"):
        assert f"    {key} " in text, key
