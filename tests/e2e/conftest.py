"""An app of one Python file, in a repository of its own, steered through the real command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from shipway.local.places import places_of
from tests.free_ports import free_port
from tests.waiting import wait_for

SERVICE = """
import http.server, os, signal, sys, threading

ANSWER = "hello"

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status, text = answer(self.path)
        body = text.encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

def answer(path):
    return 200, f"{ANSWER} from {os.environ['SHIPWAY_RELEASE']}"

server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print("listening", flush=True)
server.serve_forever()
"""


class Shipway:
    """One app's folder and the `shipway` command in it, run by an interpreter that has Shipway."""

    def __init__(self, root: Path, python: str | Path = sys.executable) -> None:
        self.root, self.python = root, python
        self.ports = {"dev": free_port(), "prod": free_port()}
        (root / "hello").mkdir(parents=True)
        (root / "hello" / "app.py").write_text(SERVICE)
        self.description: dict[str, Any] = {
            "app": "hello",
            "services": {"hello": {"path": "hello", "command": "python app.py", "lock": "none", "routes": ["/*"]}},
            "environments": {
                "dev": {
                    "branch": "develop",
                    "port": self.ports["dev"],
                    "tasks": {"min": 1, "max": 2},
                    "rollout": {"strategy": "rolling", "step_wait": 0, "bake": 0, "keep_warm": 0},
                },
                "prod": {
                    "branch": "main",
                    "after": "dev",
                    "port": self.ports["prod"],
                    "tasks": {"min": 2, "max": 3},
                    "rollout": {"strategy": "canary", "steps": [20, 60], "step_wait": 0.5, "bake": 0.5},
                    "approval": {"roles": ["lead"]},
                },
            },
            "roles": {"lead": ["*"]},
        }
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "Test")
        self.git("config", "user.email", "test@example.org")
        self.commit("first")

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=self.root, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, message: str) -> str:
        """Commit everything, the description as it now is included."""
        (self.root / "shipway.yaml").write_text(yaml.safe_dump(self.description, sort_keys=False))
        (self.root / ".gitignore").write_text(".shipway/\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def answer_with(self, text: str, message: str) -> str:
        """Commit a service that answers otherwise."""
        (self.root / "hello" / "app.py").write_text(SERVICE.replace('ANSWER = "hello"', f'ANSWER = "{text}"'))
        return self.commit(message)

    def behave(self, code: str, message: str) -> str:
        """Commit a service whose `answer(path)` is this code."""
        body = textwrap.indent(textwrap.dedent(code), "    ")
        old = "    return 200, f\"{ANSWER} from {os.environ['SHIPWAY_RELEASE']}\"\n"
        assert old in SERVICE
        (self.root / "hello" / "app.py").write_text(SERVICE.replace(old, body))
        return self.commit(message)

    def run(self, *arguments: str, expect: int | None = 0, **options: Any) -> subprocess.CompletedProcess[str]:
        """`shipway ARGUMENTS`; fails the test when the exit code is not the expected one."""
        done = subprocess.run(
            [self.python, "-m", "shipway", *arguments],
            cwd=self.root, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
            **{"timeout": 120, **options},
        )  # fmt: skip
        if expect is not None:
            assert expect == done.returncode, f"shipway {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: str, expect: int | None = 0) -> Any:
        """The command's one JSON object."""
        return json.loads(self.run(*arguments, "--json", expect=expect).stdout)

    def up(self) -> None:
        self.run("up", "--detach")

    def deploy(self) -> Any:
        """HEAD as far as it goes without a person: the run."""
        return self.json("deploy")["run"]

    def release(self) -> Any:
        """HEAD to prod, approved: the run."""
        return self.json("approve", self.deploy()["id"], "--why", "test", "--yes", expect=None)["run"]

    def environment(self, name: str) -> Any:
        return next(e for e in self.json("status")["environments"] if e["name"] == name)

    def kill_daemon(self) -> None:
        """`kill -9`; returns once the process is gone."""
        pid = int((self.root / ".shipway" / "daemon.lock").read_text())
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)

    def processes(self) -> list[str]:
        """What still runs of this app."""
        mine = str(self.root)
        runtime = str(places_of(self.root, os.getuid()).runtime)
        found = []
        for process in psutil.process_iter(["cmdline", "cwd", "status"]):
            line = " ".join(process.info["cmdline"] or [])
            inside = (process.info["cwd"] or "").startswith(mine)
            if process.info["status"] != psutil.STATUS_ZOMBIE and (inside or mine in line or runtime in line):
                found.append(line)
        return found


@pytest.fixture
def python() -> Path:
    """The interpreter that runs the `shipway` command."""
    return Path(sys.executable)


@pytest.fixture
def shipway(tmp_path: Path, python: Path) -> Iterator[Shipway]:
    """A hello app; everything it started is gone afterwards."""
    app = Shipway(tmp_path / "app", python)
    yield app
    if (app.root / ".shipway" / "daemon.lock").exists():
        app.run("up", "--detach", expect=None)
        app.run("down", "--yes", expect=None)
    wait_for(lambda: not app.processes())
