"""The program as a process: what it imports, pipes, signals, encodings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shipway.local.places import Places
from tests.cli.answers import environment, run, status
from tests.cli.daemon_double import DaemonDouble

HEAVY = (
    "pydantic",
    "yaml",
    "sqlite3",
    "rich",
    "http.client",
    "shipway.core.description.app",
    "shipway.wiring.local_platform",
)


def _start(*arguments: str, **options: object) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-m", "shipway", *arguments], stdout=pipe, stderr=pipe, **options)  # type: ignore[call-overload, no-any-return]


def test_nothing_heavy_is_imported_at_the_start() -> None:
    """The help is there at once, because it needs little."""
    code = f"import sys, shipway.cli.main; print([name for name in {HEAVY} if name in sys.modules])"
    assert "[]\n" == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_status_needs_no_heavy_import_either(app: Places, daemon: DaemonDouble) -> None:
    """A look at the daemon costs HTTP and nothing more."""
    daemon.answer("GET", "/v1/status", status(environment()))
    code = (
        "import sys; from shipway.cli.main import run; code = run(['status']);"
        f"print(code, [name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=app.root)
    assert "0 ['http.client']" == done.stdout.splitlines()[-1]


def test_a_reader_that_goes_away_is_no_fault(app: Places, daemon: DaemonDouble) -> None:
    """`shipway audit | head` ends without a traceback."""
    entry = {"number": 1, "at": 0, "who": "a", "action": "b", "environment": None, "why": "x" * 500, "detail": {}}
    daemon.answer("GET", "/v1/audit", {"entries": [entry] * 2000})
    process = _start("audit", cwd=app.root)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert b"" == process.stderr.read()
    process.stderr.close()
    assert 1 == process.wait(60)


def test_ctrl_c_while_following_says_that_the_run_goes_on(app: Places, daemon: DaemonDouble) -> None:
    """The run is not the follower's to end."""
    daemon.answer("POST", "/v1/runs", run())
    daemon.answer("GET", "/v1/runs/12/events", {"run": run(), "events": []})
    daemon.answer("GET", "/v1/status", status(environment()))
    process = _start("deploy", cwd=app.root)
    assert process.stdout is not None
    process.stdout.readline()  # the head line: it follows now
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert "\nrun 12 goes on.  Look again: shipway run follow 12\n" == err.decode()
    assert 130 == process.returncode


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_will_do(app: Places, daemon: DaemonDouble, encoding: str) -> None:
    """Marks and arrows have plain stand-ins; a subject in another script breaks nothing."""
    daemon.answer("GET", "/v1/status", status(environment(subject="日本 ✈"), runs=[run()]))
    process = _start("status", cwd=app.root, env={**os.environ, "PYTHONIOENCODING": encoding})
    out, err = process.communicate(timeout=60)
    assert (0, b"") == (process.returncode, err)
    assert ("dev → prod" if encoding == "utf-8" else "dev -> prod") in out.decode(encoding)


def test_a_daemon_that_can_not_start_says_why(app: Places) -> None:
    """The daemon's own error and exit code reach the person; nothing of the app's folder stands in for the product."""
    (app.root / "shipway.yaml").write_text("app: toy\nservices: nothing\n")
    for name in ("shipway", "pydantic"):
        (app.root / name).mkdir()
        (app.root / name / "__init__.py").write_text("raise SystemExit('the wrong one')")
    program = Path(sys.executable).with_name("shipway")
    done = subprocess.run([program, "up", "--detach"], cwd=app.root, capture_output=True, text=True, check=False)
    assert (2, "") == (done.returncode, done.stdout)
    assert [
        "✘ shipway.yaml:1: environments: missing; add it",
        "  shipway.yaml:2: services: found 'nothing'; expected a mapping of names",
    ] == done.stderr.splitlines()[1:3]


def test_up_keeps_no_keys_of_the_shell(app: Places, daemon: DaemonDouble) -> None:
    """It may watch for days, and what a process was started with can be read all the time."""
    daemon.answer("GET", "/v1/status", status(environment()))
    process = _start("up", cwd=app.root, env={**os.environ, "AWS_SECRET_ACCESS_KEY": "of-the-person-at-the-shell"})
    assert process.stdout is not None
    process.stdout.readline()  # it watches now
    started_with = Path(f"/proc/{process.pid}/environ").read_bytes()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert (b"PATH=" in started_with, b"AWS_SECRET_ACCESS_KEY" in started_with) == (True, False)
