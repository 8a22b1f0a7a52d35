"""Secrets through the real command line: handed to those alone who name them, and to be found nowhere."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from shipway.core.errors import Refused
from shipway.local.places import places_of
from tests.e2e.conftest import Shipway
from tests.waiting import wait_for

VALUE = 'k3y of "great" value/42'
NEXT = "another-key-of-great-value"
CHATTY = """
import os, sys
print("began with", os.environ["MAPS_API_KEY"], flush=True)
print(repr(os.environ["MAPS_API_KEY"]), file=sys.stderr, flush=True)
"""
MIGRATE = CHATTY + "sys.exit(os.path.exists('broken') and 'no table for ' + os.environ['MAPS_API_KEY'])\n"
TEST = "import os, sys; sys.exit(os.environ['MAPS_API_KEY'] != 'placeholder')"


@pytest.fixture
def app(shipway: Shipway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shipway:
    """A service that names a secret, says it aloud, and answers its length; the key's folder is the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = shipway.root / "hello"
    (folder / "migrate.py").write_text(MIGRATE)
    (folder / "check.py").write_text(TEST)
    service = shipway.description["services"]["hello"]
    service |= {"secrets": ["MAPS_API_KEY"], "before_traffic": "python migrate.py", "test": "python check.py"}
    shipway.description["environments"]["dev"]["rollout"]["keep_warm"] = 60
    shipway.behave(
        """
        if path == "/crash":
            print("last words:", os.environ["MAPS_API_KEY"], flush=True)
            os._exit(3)
        return 200, str(len(os.environ["MAPS_API_KEY"]))
        """,
        "needs a key",
    )
    return shipway


def give(app: Shipway, value: str) -> str:
    done = subprocess.run(
        [app.python, "-m", "shipway", "secrets", "set", "MAPS_API_KEY", "--env", "dev"],
        cwd=app.root, input=f"{value}\n", capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout


def answer(app: Shipway, path: str = "/") -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{app.ports['dev']}{path}", timeout=10) as answer:
            return answer.read().decode()
    except OSError as error:
        return str(error)


def test_a_value_is_nowhere_but_in_the_tasks(app: Shipway, tmp_path: Path) -> None:
    """After deploys, a crash, a failing task, a failing migration, a change of the value and a rollback."""
    app.up()
    refused = app.run("deploy", "--env", "dev", expect=Refused.exit_code)
    assert "Next: shipway secrets set MAPS_API_KEY --env dev" in refused.stderr
    give(app, VALUE)
    assert "succeeded" == app.json("deploy", "--env", "dev")["run"]["status"]
    assert str(len(VALUE)) == answer(app)

    answer(app, "/crash")
    wait_for(lambda: answer(app) == str(len(VALUE)), "the task is back")
    app.behave(
        "return 200, ''\nprint(os.environ['MAPS_API_KEY']); sys.exit('bad key ' + os.environ['MAPS_API_KEY'])", "x"
    )
    broken = (app.root / "hello" / "app.py").read_text()
    (app.root / "hello" / "app.py").write_text(
        "import os, sys\nsys.exit('bad key ' + os.environ['MAPS_API_KEY'])\n" + broken
    )
    app.commit("a task that fails")
    assert "bad key ***" in app.json("deploy", "--env", "dev", expect=4)["run"]["reason"]
    (app.root / "hello" / "broken").touch()
    app.commit("a migration that fails")
    assert "no table for ***" in app.json("deploy", "--env", "dev", expect=4)["run"]["reason"]
    app.git("revert", "--no-edit", "HEAD", "HEAD~1", "HEAD~2")

    said = give(app, NEXT)
    assert "hello: the tasks that run keep the former value" in said
    redeploy = said.strip().rpartition("shipway ")[2].split()
    assert str(len(VALUE)) == answer(app)
    assert "succeeded" == app.json(*redeploy)["run"]["status"]
    assert str(len(NEXT)) == answer(app)
    assert "already serves exactly this" in app.run(*redeploy).stdout
    assert "succeeded" == app.json("rollback", "--env", "dev", "--yes")["run"]["status"]
    assert str(len(VALUE)) == answer(app)

    lines = [line["line"] for line in app.json("logs", "--env", "dev")["lines"]]
    assert {"began with ***", "last words: ***"} & set(lines)
    places = places_of(app.root, os.getuid())
    assert [] == list(_holders(app.root)) + list(_holders(places.runtime)) + list(_holders(tmp_path))
    tasks = [process for process in _processes(app) if "app.py" in " ".join(process.cmdline())]
    assert tasks
    for process in _processes(app):
        assert not _values_in(" ".join(process.cmdline()).encode()), process
        assert not _values_in(json.dumps(process.environ()).encode()) or process in tasks, process
    refused = app.run("secrets", "unset", "MAPS_API_KEY", "--env", "dev", "--yes", expect=Refused.exit_code)
    assert "MAPS_API_KEY is named by hello of shipway.yaml" in refused.stderr


def _holders(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and _values_in(path.read_bytes()):
            yield str(path)


def _values_in(data: bytes) -> bool:
    written = [form for value in (VALUE, NEXT) for form in (value, json.dumps(value)[1:-1], quote(value, safe=""))]
    return any(form.encode() in data for form in written)


def _processes(app: Shipway) -> list[psutil.Process]:
    """The daemon, and all that it started."""
    state, runtime = str(app.root / ".shipway"), str(places_of(app.root, os.getuid()).runtime)
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join([*process.cmdline(), *process.environ().values(), process.cwd()])
        except psutil.Error:
            continue
        if process.pid != os.getpid() and (state in words or runtime in words or str(app.root) in words):
            found.append(process)
    return found
