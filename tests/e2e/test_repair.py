"""Each advice about a broken state is followed word by word, while the app goes on serving."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import sqlite3
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shipway.local.places import places_of
from tests.e2e.conftest import Shipway
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipway]:
    """A hello app that serves in dev; these tests break it one after the other and leave it whole."""
    made = Shipway(tmp_path_factory.mktemp("repair") / "app")
    made.up()
    made.deploy()
    yield made
    made.run("up", "--detach", expect=None)
    made.run("down", "--yes", expect=None)
    wait_for(lambda: not made.processes())


def follow(app: Shipway, error: dict[str, str]) -> None:
    """Type what the fix says, command by command."""
    commands = re.findall(r"shipway(?: [a-z-]+)+", error["fix"])
    assert commands, error
    # What follows a semicolon or "if" is the way for other cases.
    for command in commands[-1:] if "if it stays like this" in error["fix"] else commands[:1]:
        known = [word for word in shlex.split(command)[1:] if word not in ("which", "if", "that")]
        app.run(known[0], *[word for word in known[1:] if word.startswith("--")])


def failure(app: Shipway, *arguments: str) -> dict[str, str]:
    """The error of a command that has to fail."""
    error: dict[str, str] = app.json(*arguments, expect=1)["error"]
    return error


def serves(app: Shipway) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{app.ports['dev']}/", timeout=30) as answer:
        body: bytes = answer.read()
        return body


def task_process(app: Shipway) -> int:
    (pid,) = (p.pid for p in psutil.process_iter(["cmdline"]) if _is_task(p, app.root))
    return int(pid)


def _is_task(process: psutil.Process, root: Path) -> bool:
    try:
        return process.info["cmdline"] == ["python", "app.py"] and process.cwd().startswith(str(root))
    except psutil.Error:
        return False


def remembers(app: Shipway, text: str) -> bool:
    return text in (app.root / ".shipway" / "serving.json").read_text()


def test_a_damaged_database_costs_its_history_and_nothing_that_serves(app: Shipway) -> None:
    """It is kept aside; the release that serves is known again, and so are numbers: the next deploy goes through."""
    before, task = app.environment("dev")["release"], task_process(app)
    wait_for(lambda: remembers(app, before))
    app.kill_daemon()
    database = app.root / ".shipway" / "state.db"
    garbage = b"no database " * 4096
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        database.with_name(name).write_bytes(garbage)
    follow(app, failure(app, "up", "--detach"))
    assert (before, task) == (app.environment("dev")["release"], task_process(app))
    assert b"hello from" in serves(app)
    (kept,) = database.parent.glob("state.db.damaged-*")
    assert garbage == kept.read_bytes()
    assert "recalled" in [entry["action"] for entry in app.json("audit")["entries"]]
    app.answer_with("again", "after the repair")
    assert "succeeded" == app.json("deploy", "--env", "dev")["run"]["status"]
    assert (b"again", True) == (serves(app)[:5], app.environment("dev")["release"] != before)


def test_a_frozen_daemon_is_told_in_seconds_and_started_anew(app: Shipway) -> None:
    """`up` says what to do within seconds, and doing it brings the control plane back."""
    pid = app.json("status")["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        error = failure(app, "up", "--detach")
        # far less than the minute that a call may take
        assert time.monotonic() - began < 50
        assert "answers nothing" in error["what"]
        follow(app, error)
    finally:
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGCONT)
    assert pid != app.json("status")["pid"]
    assert serves(app)


def test_a_removed_runtime_folder_is_made_again(app: Shipway) -> None:
    """Whatever cleaned `/tmp`: the daemon listens again by itself, and it is the same one."""
    pid = app.json("status")["pid"]
    shutil.rmtree(places_of(app.root, os.getuid()).runtime)
    error = app.json("status", expect=None)
    if "error" in error:
        follow(app, error["error"])
    wait_for(lambda: app.json("status", expect=None).get("router", {}).get("running"))
    assert pid == app.json("status")["pid"]
    assert serves(app)


def test_tasks_without_their_records_are_found_by_their_processes(app: Shipway) -> None:
    """With `tasks/` and `logs/` deleted nothing is restarted, and the next deploy works."""
    task = task_process(app)
    shutil.rmtree(app.root / ".shipway" / "logs")
    shutil.rmtree(app.root / ".shipway" / "tasks")
    app.kill_daemon()
    app.up()
    assert (task, 1) == (task_process(app), app.environment("dev")["services"][0]["ready"])
    shutil.rmtree(app.root / ".shipway" / "tasks")
    app.answer_with("third", "without folders")
    assert "succeeded" == app.json("deploy", "--env", "dev")["run"]["status"]
    assert b"third" == serves(app)[:5]


@pytest.mark.parametrize("place", ["router/state.json", "tasks"])
def test_damaged_records_are_made_again(app: Shipway, place: str) -> None:
    """The router's state and a task's record come from what runs; the task is not even restarted."""
    task = task_process(app)
    app.kill_daemon()
    path = app.root / ".shipway" / place
    (path if path.is_file() else next(path.glob("*.json"))).write_text("{")
    follow(app, failure(app, "up", "--detach"))
    assert (task, 1) == (task_process(app), app.environment("dev")["services"][0]["ready"])
    assert serves(app)


def test_nothing_is_repaired_that_is_whole(app: Shipway) -> None:
    """A dry run tells the plan and leaves the damage; a second repair finds nothing."""
    database = app.root / ".shipway" / "state.db"
    assert {"dry_run": False, "steps": []} == app.json("repair")
    assert "– nothing is broken here\n" == app.run("repair").stdout
    app.run("down", "--keep-tasks")
    with sqlite3.connect(database) as journal:
        journal.execute("PRAGMA journal_mode=DELETE")
    whole = database.read_bytes()
    database.write_bytes(b"x" * 8192)
    planned = [step["does"].partition(".damaged")[0] for step in app.json("repair", "--dry-run")["steps"]]
    assert (["kept as state.db", "started"], b"x" * 8192) == (planned, database.read_bytes())
    database.write_bytes(whole)
    app.up()
