"""The parts' programs as real processes, each in its own part's locked environment."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipway.local.processes import free_port
from shipway.local.python_environment import PythonEnvironments

ROOT = Path(__file__).parents[2]
_START = 20.0
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

    @contextmanager
    def serving(
        self, arguments: Sequence[str], log: Path, variables: Mapping[str, str], ready: str | None = "/ping"
    ) -> Iterator[Service]:
        """`python ARGUMENTS --host 127.0.0.1`, its port told as the platforms do, once `ready` answers 200."""
        port = free_port()
        told = {"PORT": str(port), "SAGEMAKER_BIND_TO_PORT": str(port)}
        with log.open("wb") as file:
            process = subprocess.Popen(
                [f"{self.environment}/bin/python", *arguments, "--host", "127.0.0.1"],
                cwd=self.folder, env=self.variables | told | dict(variables), stdin=subprocess.DEVNULL,
                stdout=file, stderr=subprocess.STDOUT,
            )  # fmt: skip
        yield from _kept(Service(process, port, log), ready)


@dataclass(frozen=True, slots=True)
class Image:
    """The model service's image, and the engine that runs it."""

    engine: str
    name: str

    @contextmanager
    def serving(
        self, log: Path, variables: Mapping[str, str], mounts: Mapping[Path, str], ready: str | None = "/ping"
    ) -> Iterator[Service]:
        """`<image> serve` as the platform starts it, folders mounted (host → container)."""
        port = free_port()
        given = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
        laid = [word for host, inside in mounts.items() for word in ("--volume", f"{host}:{inside}")]
        command = [self.engine, "run", "--rm", "--publish", f"127.0.0.1:{port}:8080", *given, *laid, self.name, "serve"]
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        yield from _kept(Service(process, port, log), ready)


def _kept(service: Service, ready: str | None) -> Iterator[Service]:
    try:
        if ready is not None:
            service.wait(ready)
        yield service
    finally:
        with suppress(subprocess.TimeoutExpired):
            service.stop()


def engine() -> str | None:
    """A container engine that answers, if there is one."""
    for name in ("docker", "podman"):
        try:
            done = subprocess.run([name, "info"], capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0 and not re.search("^(ERROR|Cannot connect)", done.stdout + done.stderr, re.MULTILINE):
            return name
    return None


def publish(trained: Path, bucket: Path, version: str) -> Path:
    """Lay a training's output into a bucket as a version, as publishing does; answers the version's folder."""
    folder = bucket / version
    folder.mkdir(parents=True)
    described = json.loads((trained / "metadata.json").read_text()) | {"version": version}
    for name in described["files"]:
        os.link(trained / name, folder / name)
    (folder / "metadata.json").write_text(json.dumps(described))
    return folder


def wait_for(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until the condition holds; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
