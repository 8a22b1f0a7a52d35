"""The player, through the real command line, with an app of one file and a short story."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

pytestmark = pytest.mark.e2e

SERVICE = """\
import http.server, json, os, signal, sys, threading

SAYS = "hello"
served = iter(range(10**9))


def status():
    return 200


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps({"says": SAYS}).encode()
        self.send_response(200 if self.path == "/health" else status())
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""
DESCRIPTION = {
    "app": "tiny",
    "services": {"web": {"path": "web", "command": "python app.py", "lock": "none", "routes": ["/*"]}},
    "environments": {
        "prod": {
            "branch": "main",
            "port": 8080,
            "tasks": {"min": 2, "max": 3},
            "rollout": {"strategy": "canary", "steps": [20], "step_wait": 0.2, "bake": 0.2},
            "approval": {"roles": ["lead"]},
        }
    },
    "roles": {"lead": ["*"]},
}
STORY: dict[str, Any] = {
    "title": "Tiny",
    "copy": ["shipway.yaml", "web"],
    "environment": "prod",
    "load": {"rate": 100, "devices": 200},
    "request": {"path": "/", "expect": {"says": "string"}},
    "steps": [
        {"name": "first", "tell": "The first release."},
        {"name": "bad", "tell": "Half of it fails.", "patch": "bad.patch", "commit": "Break it", "ends": "rolled_back"},
        {"name": "killed", "tell": "kill -9.", "patch": "good.patch", "commit": "Greet", "kill_daemon": True},
    ],
}
GOOD = """\
--- a/web/app.py
+++ b/web/app.py
@@ -1,4 +1,4 @@
 import http.server, json, os, signal, sys, threading

-SAYS = "hello"
+SAYS = "welcome"
 served = iter(range(10**9))
"""
BAD = """\
--- a/web/app.py
+++ b/web/app.py
@@ -7,4 +7,4 @@
 def status():
-    return 200
+    return 500 if next(served) % 2 else 200


"""


def _checkout(folder: Path, story: dict[str, Any]) -> Path:
    (folder / "web").mkdir(parents=True)
    (folder / "demo").mkdir()
    (folder / "web" / "app.py").write_text(SERVICE)
    (folder / "shipway.yaml").write_text(yaml.safe_dump(DESCRIPTION))
    (folder / "demo" / "story.yaml").write_text(yaml.safe_dump(story))
    (folder / "demo" / "good.patch").write_text(GOOD)
    (folder / "demo" / "bad.patch").write_text(BAD)
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    return folder


def _play(checkout: Path, temporary: Path, *words: str) -> subprocess.Popen[str]:
    temporary.mkdir(exist_ok=True)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(temporary)}
    return subprocess.Popen(
        [sys.executable, "-m", "shipway", "demo", "--json", *words],
        cwd=checkout,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _nothing_is_left(temporary: Path) -> None:
    assert [] == list(temporary.glob("shipway-demo-*"))
    commands = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert [] == [command for command in commands if str(temporary) in command]


def test_a_story_is_played_to_its_end(tmp_path: Path) -> None:
    """A release, a bad commit and a killed daemon: nothing is lost but what the canary let through, nothing is left."""
    story = STORY | {"steps": [STORY["steps"][0], STORY["steps"][1] | {"candidate_may_fail": True}, STORY["steps"][2]]}
    with _play(_checkout(tmp_path / "checkout", story), tmp_path / "tmp") as demo:
        printed, told = demo.communicate(timeout=120)
    result = json.loads(printed)
    assert (True, 0) == (result["ok"], demo.returncode), told
    assert ["set up", "first", "bad", "killed"] == [step["name"] for step in result["steps"]]
    _, first, bad, killed = result["steps"]
    assert (0, 0) == (first["failed"], killed["failed"])
    assert 0 < bad["failed"] < bad["sent"] / 4
    assert 0 < result["rollback_seconds"] < bad["seconds"]
    assert re.search(r"kill -9 \d+", told)
    _nothing_is_left(tmp_path / "tmp")


def test_a_broken_promise_is_told_and_fails_the_demo(tmp_path: Path) -> None:
    """A bad commit that was not announced as one breaks the promise of zero failures: exit code 1, and why."""
    story = STORY | {"steps": STORY["steps"][:2]}
    with _play(_checkout(tmp_path / "checkout", story), tmp_path / "tmp") as demo:
        printed, _ = demo.communicate(timeout=120)
    result = json.loads(printed)
    assert (False, 1, 1) == (result["ok"], demo.returncode, len(result["broken"]))
    assert re.fullmatch(
        r"bad: \d+ of [\d,]+ requests failed \(status \d+; \d+ of r2, such as: GET / answered 500, expected 200: .*\)",
        result["broken"][0],
    )
    _nothing_is_left(tmp_path / "tmp")


def _wait_for_the_first_release(demo: subprocess.Popen[str]) -> None:
    assert demo.stderr is not None
    for line in demo.stderr:
        if line.strip().startswith("✔ every answer comes from r1"):
            return
    raise AssertionError(f"the demo ended with {demo.wait()}")


def test_an_interrupted_demo_leaves_nothing(tmp_path: Path) -> None:
    """SIGTERM in the middle of a step, given twice, ends everything that the demo started: exit code 130."""
    with _play(_checkout(tmp_path / "checkout", STORY), tmp_path / "tmp") as demo:
        _wait_for_the_first_release(demo)
        demo.send_signal(signal.SIGTERM)
        demo.send_signal(signal.SIGTERM)
        _, told = demo.communicate(timeout=120)
    assert 130 == demo.returncode, told
    assert "interrupted; cleaning up" in told
    assert "still ran" not in told
    _nothing_is_left(tmp_path / "tmp")


def test_a_closed_terminal_leaves_nothing(tmp_path: Path) -> None:
    """Nobody reads what it says any more, as when the window is closed: it cleans up all the same."""
    with _play(_checkout(tmp_path / "checkout", STORY), tmp_path / "tmp") as demo:
        _wait_for_the_first_release(demo)
        assert demo.stderr is not None
        demo.stderr.close()
        demo.send_signal(signal.SIGHUP)
        assert 130 == demo.wait(timeout=120)
    _nothing_is_left(tmp_path / "tmp")


def test_a_killed_demo_is_named_by_the_next_and_cleared(tmp_path: Path) -> None:
    """`kill -9` leaves tasks and router; the next demo names them, and `demo --clear` stops and removes them."""
    checkout = _checkout(tmp_path / "checkout", STORY | {"steps": STORY["steps"][:1]})
    with _play(checkout, tmp_path / "tmp") as demo:
        _wait_for_the_first_release(demo)
        demo.kill()
        demo.wait(timeout=120)
    (left,) = (tmp_path / "tmp").glob("shipway-demo-*")
    with _play(checkout, tmp_path / "tmp") as demo:
        _, told = demo.communicate(timeout=120)
    assert re.search(rf"killed before it could clean up: {left}, \d+ processes run in it\..*shipway demo --clear", told)
    with _play(checkout, tmp_path / "tmp", "--clear") as clearing:
        printed, told = clearing.communicate(timeout=120)
    assert {"removed": [str(left)]} == json.loads(printed), told
    _nothing_is_left(tmp_path / "tmp")
