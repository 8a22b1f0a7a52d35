"""The emulator that runs ECS's tasks as containers, routes its load balancer to them, and is a registry of images."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from tests.contracts.programs import ROOT
from tests.waiting import wait_for

ACCOUNT, REGION = "000000000000", "us-east-1"
PROGRAM = ROOT / ".venv" / "infra-rehearsal" / "bin" / "ministack"
_START = 120.0


@dataclass(frozen=True, slots=True)
class Emulator:
    """Where it answers, for clients of this machine. In tasks it has another address, which it tells them itself."""

    port: int
    clients: dict[str, Any] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """What AWS's programs and libraries are told."""
        return {
            "AWS_ENDPOINT_URL": f"http://localhost:{self.port}", "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip

    def client(self, service: str) -> Any:
        """boto3's, made once."""
        if service not in self.clients:
            self.clients[service] = boto3.client(
                service, endpoint_url=f"http://localhost:{self.port}", region_name=REGION,
                aws_access_key_id="test", aws_secret_access_key="test",
            )  # fmt: skip
        return self.clients[service]

    def ask(self, host: str, method: str, path: str, body: object = None) -> tuple[int, dict[str, str], Any]:
        """What the load balancer of that host name answers: status, headers, JSON or text. Status 0: no answer."""
        status, headers, text = self.answer(host, method, path, body)
        try:
            return status, headers, json.loads(text) if status else None
        except ValueError:
            return status, headers, text.decode(errors="replace")

    def answer(self, host: str, method: str, path: str, body: object = None) -> tuple[int, dict[str, str], bytes]:
        """The same as bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            sent = None if body is None else json.dumps(body).encode()
            connection.request(method, path, sent, {"host": host, "content-type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            return 0, {}, b""
        finally:
            connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text


@contextmanager
def emulator(port: int, folder: Path, settings: Mapping[str, str]) -> Iterator[Emulator]:
    """It runs while the block does; `settings` are environment variables. Its log is emulator.log in `folder`."""
    environment = (
        os.environ
        | {"GATEWAY_PORT": str(port), "MINISTACK_DOCKER_TIMEOUT": "300", "ALB_TARGET_CONNECT_TIMEOUT_SECONDS": "2"}
        | settings
    )
    with (folder / "emulator.log").open("wb") as log:
        server = subprocess.Popen([PROGRAM], env=environment, cwd=folder, stdout=log, stderr=log)
        try:
            found = Emulator(port)
            wait_for(lambda: _answers(found, server), "the emulator answers", seconds=_START)
            yield found
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _answers(found: Emulator, server: subprocess.Popen[bytes]) -> bool:
    assert server.poll() is None, "the emulator ended at once: see emulator.log"
    return found.ask("localhost", "GET", "/_ministack/health")[0] == 200
