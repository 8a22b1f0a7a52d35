"""The parts' programs as real processes, each in its own part's locked environment."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from shipway.local.builds.python_environment import PythonEnvironments
from tests.free_ports import free_port

ROOT = Path(__file__).parents[2]
_START = 60.0
_STOP = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Service:
    """A running service. Connections are kept while it answers on them."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log
        self.url = f"http://127.0.0.1:{port}"
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(
        self, method: str, path: str, body: bytes | str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on the kept connection. Raises OSError, HTTPException."""
        try:
            self._connection.request(method, path, body, dict(headers or {}))
            answer = self._connection.getresponse()
            content = answer.read()
        except BaseException:
            self._connection.close()
            raise
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, content)

    def predict(self, rows: Sequence[Mapping[str, Any]], path: str = "/invocations", **headers: str) -> Answer:
        """The answer for rows as JSON; `headers` by their names with _ for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, json.dumps({"instances": rows}), {"content-type": "application/json", **named})

    def wait(self, path: str, status: int = 200) -> Answer:
        """The first answer with that status; fails with the log's end when there is none in time."""
        deadline = time.monotonic() + _START
        last: object = "no answer"
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                answer = self.ask("GET", path)
            except (OSError, http.client.HTTPException) as error:
                last = error
            else:
                if answer.status == status:
                    return answer
                last = answer
            time.sleep(0.02)
        words = self.log.read_text(errors="replace")[-2000:]
        raise AssertionError(f"{path} did not answer {status}: {last}; the log ends with\n{words}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Exit code after the signal; killed when it does not end in time."""
        self._connection.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(_STOP)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class Program:
    """A part's Python programs in the environment of its requirements.lock."""

    def __init__(self, part: str) -> None:
        self.folder = ROOT / part
        environments = PythonEnvironments(ROOT / ".venv" / "parts")
        lock = (self.folder / "requirements.lock").read_bytes()
        self.environment = environments.ensure(lock, part, lambda line: print(line, flush=True)).path
        self.variables = environments.variables(self.environment, str(self.folder)) | {"PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `python ARGUMENTS` to its end."""
        return subprocess.run(
            [f"{self.environment}/bin/python", *arguments], cwd=self.folder, env=self.variables | variables,
            capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip

    def begin(
        self, arguments: Sequence[str], output: IO[bytes], variables: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start `python ARGUMENTS`; who calls ends it."""
        return subprocess.Popen(
            [f"{self.environment}/bin/python", *arguments], cwd=self.folder, env=self.variables | dict(variables),
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip

    @contextmanager
    def serving(
        self, arguments: Sequence[str], log: Path, variables: Mapping[str, str], ready: str | None = "/ping"
    ) -> Iterator[Service]:
        """`python ARGUMENTS --host 127.0.0.1`, its port told as the platforms do, once `ready` answers 200."""
        port = free_port()
        told = {"PORT": str(port), "SAGEMAKER_BIND_TO_PORT": str(port)}
        with log.open("wb") as file:
            process = self.begin([*arguments, "--host", "127.0.0.1"], file, told | dict(variables))
        yield from kept(Service(process, port, log), ready)


def kept(service: Service, ready: str | None) -> Iterator[Service]:
    """The service, once `ready` answers 200; stopped afterwards."""
    try:
        if ready is not None:
            service.wait(ready)
        yield service
    finally:
        with suppress(subprocess.TimeoutExpired):
            service.stop()


def publish(trained: Path, bucket: Path, version: str) -> Path:
    """Lay a training's output into a bucket as a version, as publishing does; answers the version's folder."""
    folder = bucket / version
    folder.mkdir(parents=True)
    described = json.loads((trained / "metadata.json").read_text()) | {"version": version}
    for name in described["files"]:
        os.link(trained / name, folder / name)
    (folder / "metadata.json").write_text(json.dumps(described))
    return folder
