"""Where versions, their parameter and captured requests lie in the tests: in a folder, or in AWS as moto plays it."""

from __future__ import annotations

import json
import shutil
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from conftest import Publish, point
from ml_model_service.aws.addresses import s3_in
from ml_model_service.capture.sinks import Sink, sink_at
from ml_model_service.versions.parameter import VersionParameter, parameter_at
from ml_model_service.versions.sources import Source, source_at

Environ = dict[str, Any]
Fault = Callable[[Environ, Callable[..., Any]], Iterable[bytes] | None]
"""Answers a request instead of AWS, or None."""


class Place(Protocol):
    """A bucket, a parameter and a bucket for what is captured. Each has its own."""

    urls: dict[str, str]
    """By the variable that tells a task: MODEL_BUCKET, MODEL_VERSION_PARAMETER, CAPTURE."""

    def publish(self, version: str, which: int = 0, /, **changes: Any) -> None:
        """A version, or the same one anew; as the fixture `publish` has it."""

    def write(self, version: str, name: str, data: bytes) -> None:
        """One file of a version."""

    def read(self, version: str, name: str) -> bytes:
        """One file of a version."""

    def remove(self, version: str, name: str = "") -> None:
        """A version, or a file of it."""

    def point(self, text: str) -> None:
        """What the parameter says."""

    def latest(self, text: str) -> None:
        """What `latest` in the bucket says."""

    def captured(self) -> dict[str, list[Any]]:
        """The lines that were captured, by path."""

    def parameter(self) -> VersionParameter:
        """As a task reads it."""

    def source(self) -> Source:
        """The bucket as a task reads it."""

    def sink(self, endpoint: str) -> Sink:
        """Where a task captures to."""

    def close(self) -> None:
        """The test is over."""


class _Reads:
    urls: dict[str, str]

    def parameter(self) -> VersionParameter:
        return parameter_at(self.urls["MODEL_VERSION_PARAMETER"])

    def sink(self, endpoint: str) -> Sink:
        return sink_at(self.urls["CAPTURE"])(endpoint)

    def close(self) -> None:
        """Nothing was made."""


class Folder(_Reads):
    """On this machine."""

    def __init__(self, folder: Path, publish: Publish) -> None:
        self.bucket, self._parameter, self._monitoring = folder / "bucket", folder / "parameter", folder / "monitoring"
        self.bucket.mkdir()
        self._publish = publish
        self.urls = {
            "MODEL_BUCKET": str(self.bucket),
            "MODEL_VERSION_PARAMETER": self._parameter.as_uri(),
            "CAPTURE": self._monitoring.as_uri(),
        }

    def publish(self, version: str, which: int = 0, /, **changes: Any) -> None:
        shutil.rmtree(self.bucket / version, ignore_errors=True)
        self._publish(self.bucket, version, which, **changes)

    def write(self, version: str, name: str, data: bytes) -> None:
        (self.bucket / version / name).write_bytes(data)

    def read(self, version: str, name: str) -> bytes:
        return (self.bucket / version / name).read_bytes()

    def remove(self, version: str, name: str = "") -> None:
        file = self.bucket / version / name
        file.unlink() if name else shutil.rmtree(file)

    def point(self, text: str) -> None:
        point(self._parameter, text)

    def latest(self, text: str) -> None:
        point(self.bucket / "latest", text)

    def captured(self) -> dict[str, list[Any]]:
        return {
            path.relative_to(self._monitoring).as_posix(): _lines(path.read_bytes())
            for path in sorted(self._monitoring.rglob("*.jsonl"))
        }

    def source(self) -> Source:
        return source_at(self.bucket, ())


class Aws(_Reads):
    """Filled with plain boto3 calls, as a data scientist does it, in a server that answers as AWS does."""

    def __init__(self, server: AwsServer, scratch: Path, publish: Publish) -> None:
        name = f"t-{uuid.uuid4().hex[:12]}"
        self._s3, self._ssm = server.client("s3"), server.client("ssm")
        self._bucket, self._parameter = f"{name}-models", f"/{name}/dev/model-version"
        self._scratch, self._publish = scratch, publish
        self._made: list[Source] = []
        for bucket in (self._bucket, f"{name}-monitoring"):
            self._s3.create_bucket(Bucket=bucket)
        self._monitoring = f"{name}-monitoring"
        self.urls = {
            "MODEL_BUCKET": f"s3://{self._bucket}/ontime",
            "MODEL_VERSION_PARAMETER": f"ssm://{self._parameter}",
            "CAPTURE": f"s3://{self._monitoring}/dev/capture",
        }

    def publish(self, version: str, which: int = 0, /, **changes: Any) -> None:
        shutil.rmtree(self._scratch / version, ignore_errors=True)
        folder = self._publish(self._scratch, version, which, **changes)
        for file in sorted(folder.iterdir(), key=lambda file: file.name == "metadata.json"):
            self.write(version, file.name, file.read_bytes())

    def write(self, version: str, name: str, data: bytes) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=f"ontime/{version}/{name}", Body=data)

    def read(self, version: str, name: str) -> bytes:
        body = self._s3.get_object(Bucket=self._bucket, Key=f"ontime/{version}/{name}")["Body"]
        data: bytes = body.read()
        return data

    def remove(self, version: str, name: str = "") -> None:
        for key in [f"ontime/{version}/{one}" for one in ([name] if name else ["metadata.json", "model.txt"])]:
            self._s3.delete_object(Bucket=self._bucket, Key=key)

    def point(self, text: str) -> None:
        self._ssm.put_parameter(Name=self._parameter, Value=text, Type="String", Overwrite=True)

    def latest(self, text: str) -> None:
        self._s3.put_object(Bucket=self._bucket, Key="ontime/latest", Body=f"{text}\n".encode())

    def captured(self) -> dict[str, list[Any]]:
        keys = [one["Key"] for one in self._s3.list_objects_v2(Bucket=self._monitoring).get("Contents", ())]
        return {
            key.removeprefix("dev/capture/"): _lines(
                self._s3.get_object(Bucket=self._monitoring, Key=key)["Body"].read()
            )
            for key in keys
        }

    def source(self) -> Source:
        address = s3_in(self.urls["MODEL_BUCKET"])
        assert address is not None
        self._made.append(source_at(address, ()))
        return self._made[-1]

    def same_source(self) -> Source:
        """The one that was made last."""
        return self._made[-1]

    def forget_parameter(self) -> None:
        """Delete it."""
        self._ssm.delete_parameter(Name=self._parameter)

    def close(self) -> None:
        for source in self._made:
            source.close()


def _lines(data: bytes) -> list[Any]:
    return [json.loads(line) for line in data.splitlines()]


class AwsServer:
    """S3 and Parameter Store in this process, behind a socket. `faults` may answer in its place, each for once."""

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Silent(WSGIRequestHandler):
            def log(self, type: str, message: str, *args: Any) -> None:
                """No line for each request."""

        self._moto = DomainDispatcherApplication(create_backend_app)
        self.faults: list[Fault] = []
        self.asked: list[str] = []
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=Silent)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.environ = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str) -> Any:
        """A client of boto3."""
        import boto3

        return boto3.client(
            service, "us-east-1", endpoint_url=self.environ["AWS_ENDPOINT_URL"],
            aws_access_key_id="test", aws_secret_access_key="test",
        )  # fmt: skip

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Let `fault` answer meanwhile."""
        self.faults.append(fault)
        try:
            yield
        finally:
            self.faults.remove(fault)

    def stop(self) -> None:
        """No thread and no port is left."""
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def _answer(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        target = environ.get("HTTP_X_AMZ_TARGET") or environ["PATH_INFO"]
        self.asked.append(f"{environ['REQUEST_METHOD']} {target}")
        for fault in tuple(self.faults):
            answer = fault(environ, start_response)
            if answer is not None:
                return answer
        found: Iterable[bytes] = self._moto(environ, start_response)
        return found
