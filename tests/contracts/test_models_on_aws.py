"""A model from publishing to answers, with AWS as moto's server plays it: S3, Parameter Store, a service that runs.

The model service is a real process in its own environment. It has nothing but addresses in common with the desk.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipway.aws.calls import Calls
from shipway.aws.model_desk import AwsModelDesk
from shipway.aws.model_moves import ModelParts
from shipway.aws.names import Names
from shipway.aws.read_back import Answer
from shipway.aws.release_store import ReleaseStore
from shipway.aws.version_store import S3VersionStore
from shipway.core.description.app import Probe
from shipway.core.errors import Refused
from shipway.core.views.models import Publishing
from shipway.description.reader import parse
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.registry.registry import ModelRegistry
from tests.contracts.programs import ROOT, Program, Service
from tests.doubles.source import FakeSource
from tests.free_ports import free_port
from tests.model_example import write_example
from tests.waiting import wait_for

pytestmark = pytest.mark.lengthy

ROW = {"origin": "EWR", "minute": 480}
NAMES = Names("ontime", "123456789012", "us-east-1")


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """What a client is told of the server, for as long as the test lasts."""
    part = ROOT / "ml-model-service"
    lock = (part / "requirements-test.lock").read_bytes()
    environment = PythonEnvironments(ROOT / ".venv" / "parts").ensure(lock, f"{part.name}'s tests", print).path
    port = free_port()
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": NAMES.region}
    told = {**keys, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    with (tmp_path / "moto.log").open("wb") as log:
        server = subprocess.Popen(
            [f"{environment}/bin/python", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            env=os.environ | {"MOTO_ECS_SERVICE_RUNNING": "1"}, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        wait_for(lambda: _listens(port), "moto listens")
        yield told
    finally:
        server.kill()
        server.wait()


def _listens(port: int) -> bool:
    try:
        http.client.HTTPConnection("127.0.0.1", port, timeout=5).connect()
    except OSError:
        return False
    return True


def _prepared(calls: Calls) -> None:
    """What Terraform makes."""
    for bucket in (NAMES.models_bucket, NAMES.releases_bucket, NAMES.monitoring_bucket):
        calls.call("s3", "create_bucket", Bucket=bucket)
    told = {"host": "dev.ontime.example.com", "cpu": 256, "memory": 512, "architecture": "ARM64"}
    for name, text in {
        NAMES.model_version("dev"): "none",
        NAMES.told("dev", "backend-api"): json.dumps(told),
    }.items():
        calls.call("ssm", "put_parameter", Name=name, Value=text, Type="String")
    calls.call("ecs", "create_cluster", clusterName=NAMES.cluster("dev"))
    container = {"name": "model", "image": "none", "memory": 512}
    calls.call("ecs", "register_task_definition", family="model", containerDefinitions=[container])
    calls.call(
        "ecs", "create_service", cluster=NAMES.cluster("dev"), serviceName="ml-model-service", taskDefinition="model",
        desiredCount=1,
    )  # fmt: skip


def _desk(calls: Calls, service: Service) -> AwsModelDesk:
    """The verbs, which ask the service itself: there is no load balancer."""

    def ask(host: str, probe: Probe) -> Answer:
        answer = service.predict([ROW], "/predict")
        return Answer(answer.status, answer.headers.get("x-model-version"))

    registry = ModelRegistry(S3VersionStore(calls, NAMES.models_bucket))
    parts = ModelParts(
        parse((ROOT / "shipway.yaml").read_bytes()), NAMES, calls, registry, ReleaseStore(calls, NAMES), ask
    )
    return AwsModelDesk(parts, FakeSource())


def test_a_published_version_serves_without_a_new_task(
    aws: dict[str, str], model_service: Program, tmp_path: Path
) -> None:
    """Promoted by its parameter and read back from answers; a damaged one is not promoted; what was asked is captured."""
    calls = Calls(NAMES.region)
    _prepared(calls)
    variables = aws | {
        "MODEL_BUCKET": f"s3://{NAMES.models_bucket}",
        "MODEL_VERSION_PARAMETER": f"ssm://{NAMES.model_version('dev')}",
        "CAPTURE": f"s3://{NAMES.monitoring_bucket}/dev/capture",
        "TMPDIR": str(tmp_path),
    }
    arguments = ["-m", "ml_model_service"]
    with model_service.serving(arguments, tmp_path / "service.log", variables, ready="/health") as service:
        wait_for(lambda: b"no version was promoted yet" in service.ask("GET", "/ready").body)
        desk = _desk(calls, service)
        for number in range(3):
            folder = write_example(tmp_path / f"trained-{number}")
            described = json.loads((folder / "metadata.json").read_text())
            (folder / "metadata.json").write_text(json.dumps(described | {"dataset_version": f"flights-{number}"}))
            desk.publish(str(folder), None, "ann", Publishing(), lambda line: None)
        for version in ("v1.0", "v1.1"):
            done = desk.promote(version, ["dev"], "ann", "better", canary=False)
            assert (f"dev: 3 of 3 answers named {version}", f"new releases take {version}") == done.told
        assert "dev: 3 of 3 answers named v1.0" == desk.roll_back(["dev"], "ann", "worse").told[0]
        calls.call("s3", "put_object", Bucket=NAMES.models_bucket, Key="v1.2/model.txt", Body=b"another tree\n")
        with pytest.raises(Refused, match=r"model v1\.2: model\.txt has sha256"):
            desk.promote("v1.2", ["dev"], "ann", "", canary=False)
        assert [0.25] == service.predict([ROW]).json()["predictions"]
    captured = calls.call("s3", "list_objects_v2", Bucket=NAMES.monitoring_bucket)["Contents"]
    assert {"dev/capture/delays/v1-0", "dev/capture/delays/v1-1"} == {
        "/".join(one["Key"].split("/")[:4]) for one in captured
    }
