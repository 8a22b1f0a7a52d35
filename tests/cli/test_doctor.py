from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shipway.cli.commands.checks import AskedDaemon
from shipway.cli.main import run as shipway
from shipway.core.checks import Check
from shipway.local import doctor
from shipway.local.places import Places
from shipway.local.router.ports import Holder
from shipway.local.secrets.key import Keys, key_file
from shipway.local.secrets.sealed_secrets import SealedSecrets
from shipway.wiring import local
from tests.cli.answers import environment, status
from tests.cli.daemon_double import DaemonDouble

YAML = """
app: toy
services:
  web: {path: web, command: "python server.py {port}", lock: none, routes: [/api/*]}
environments:
  dev: {branch: main, port: PORT, tasks: {min: 1, max: 1}, rollout: {strategy: rolling}}
"""


@pytest.fixture
def commit(app: Places, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes a commit of everything, at a date."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.com")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)

    def commit(date: str) -> None:
        monkeypatch.setenv("GIT_COMMITTER_DATE", date)
        for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "First"]):
            subprocess.run(["git", *words], cwd=app.root, check=True)

    return commit


def description(app: Places, *own_ports: int) -> list[Check]:
    return list(doctor.description(app, local.LocalWiring(app.root).described, own_ports))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("found", "state"), [((3, 34, 1), "bad"), ((3, 35, 0), "good"), ((3, 40, 1), "good"), ((4, 0, 0), "good")]
)
def test_an_sqlite_that_is_too_old_is_named(
    found: tuple[int, ...], state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store needs what came with 3.35; systems that are still in use have 3.37 and 3.40."""
    monkeypatch.setattr("sqlite3.sqlite_version_info", found)
    monkeypatch.setattr("sqlite3.sqlite_version", ".".join(map(str, found)))
    check = doctor.sqlite()
    assert ("SQLite", state) == (check.name, check.state)
    assert check.found.startswith(".".join(map(str, found)))
    assert bool(check.fix) == (state == "bad")


def test_a_python_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """3.10 is, 3.11 and later are not."""
    for version, state in (((3, 10, 13), "bad"), ((3, 11, 0), "good"), ((3, 13, 0), "good")):
        monkeypatch.setattr(doctor.sys, "version_info", version)
        assert state == doctor.python().state


def test_a_folder_without_a_commit_can_not_be_deployed(app: Places) -> None:
    """Releases are made of commits."""
    assert ["bad"] == [check.state for check in doctor.repository(app.root)]


def test_what_is_not_committed_is_worth_a_word(app: Places, commit: Callable[[str], None]) -> None:
    """A dirty tree is no fault, but it is not what gets deployed."""
    commit("2026-01-01T00:00:00Z")
    assert ["good", "good"] == [check.state for check in doctor.repository(app.root)]
    (app.root / "new.txt").write_text("x")
    repository, committed = doctor.repository(app.root)
    assert repository.found.startswith("main at ")
    assert (
        Check("committed", "optional", "1 file is not", "commit them: only what is committed is deployed") == committed
    )


def test_a_clock_behind_the_newest_commit_is_wrong(app: Places, commit: Callable[[str], None]) -> None:
    """A commit from the future says that the clock is behind."""
    assert "good" == doctor.clock(app.root).state
    commit(f"@{int(time.time()) + 7200} +0000")
    assert ("bad", "behind the newest commit by 120 min") == (
        doctor.clock(app.root).state,
        doctor.clock(app.root).found,
    )


def test_an_old_or_missing_haproxy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version is read from the binary itself."""
    binary = tmp_path / "haproxy"
    binary.write_text("#!/bin/sh\necho HAProxy version 2.4.1-x 2021/01/01\n")
    binary.chmod(0o755)
    monkeypatch.setattr(doctor, "_haproxy", lambda: str(binary))
    assert Check("HAProxy", "bad", "version 2.4.1-x, needed: 2.8 or later", doctor.haproxy().fix) == doctor.haproxy()
    monkeypatch.setattr(doctor, "_haproxy", lambda: None)
    assert "not found" == doctor.haproxy().found


def test_the_haproxy_of_the_package_will_do() -> None:
    """The dependency brings a binary that is new enough."""
    assert "good" == doctor.haproxy().state


def test_a_taken_port_is_a_fault_and_our_own_is_not(app: Places, daemon: DaemonDouble) -> None:
    """Free, somebody else's, ours."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        (app.root / "shipway.yaml").write_text(YAML.replace("PORT", str(port)))
        described, taken = description(app)
        assert Check("shipway.yaml", "good", "toy: web in dev") == described
        assert "bad" == taken.state
        assert re.fullmatch(rf"dev: taken by .+, process {os.getpid()}", taken.found)
        daemon.answer("GET", "/v1/status", status(environment("dev", url=f"http://127.0.0.1:{port}")))
        asked = AskedDaemon()
        assert set() == asked.ports()
        list(asked.checks())
        assert Check(f"port {port}", "good", "dev: ours") == description(app, *asked.ports())[1]


def test_a_malformed_description_is_a_finding(app: Places) -> None:
    """The doctor goes on; the mistake is told as `validate` tells it."""
    (found,) = description(app)
    assert "bad" == found.state
    assert "shipway.yaml:1: environments: missing" in found.found


def test_the_daemon_may_be_away_but_not_broken(app: Places, daemon: DaemonDouble) -> None:
    """Not running is no fault; nonsense is."""
    daemon.answer("GET", "/v1/status", b"?", status(environment()))
    assert ["bad"] == [check.state for check in AskedDaemon().checks()]
    assert Check("daemon", "good", "pid 4711, Shipway 0.1.0") == next(AskedDaemon().checks())
    daemon.stop()
    assert [Check("daemon", "optional", "not running", "shipway up --detach")] == list(AskedDaemon().checks())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only_is_a_fault(app: Places) -> None:
    """The state has to be written somewhere."""
    app.root.chmod(0o500)
    assert "bad" == doctor.writing(app).state


def test_the_whole_examination(app: Places, commit: Callable[[str], None], capsys: pytest.CaptureFixture[str]) -> None:
    """Every line has a mark; the exit code says whether anything that is needed is missing."""
    (app.root / "shipway.yaml").write_text(YAML.replace("PORT", str(_free_port())))
    (app.root / "web").mkdir()
    (app.root / "web" / "server.py").write_text("")
    commit("2026-01-01T00:00:00Z")
    assert 0 == shipway(["doctor"])
    assert "✔ everything that Shipway needs is here" == capsys.readouterr().out.splitlines()[-1]
    (app.root / "shipway.yaml").write_text("app: toy\n")
    assert 1 == shipway(["doctor", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert (False, ["shipway.yaml"]) == (answer["ok"], [c["name"] for c in answer["checks"] if c["state"] == "bad"])


def test_secrets_that_no_task_could_be_given_are_a_fault(app: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are any; with the way back."""
    assert [] == list(doctor.secrets(app))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(app.root / "config"))
    SealedSecrets(app.secrets, Keys(key := key_file(os.environ))).set("dev", "KEY", "of great value")
    assert [("good", f"their key is in {key}: keep a copy")] == [(c.state, c.found) for c in doctor.secrets(app)]
    key.unlink()
    [check] = doctor.secrets(app)
    assert ("bad", True) == (check.state, f"rm {app.secrets}" in check.fix)


def test_validate(app: Places, capsys: pytest.CaptureFixture[str]) -> None:
    """A good description in a few lines; a bad one as usage, with the line of each mistake."""
    assert 2 == shipway(["validate"])
    assert "shipway.yaml:1: environments: missing" in capsys.readouterr().err
    (app.root / "other.yaml").write_text(YAML.replace("PORT", "8080"))
    assert 0 == shipway(["validate", "other.yaml"])
    assert "✔ other.yaml: toy, services web\n  main: dev (rolling)\n" == capsys.readouterr().out
    assert 0 == shipway(["validate", "other.yaml", "--json"])
    assert {"dev": ["dev"]} == json.loads(capsys.readouterr().out)["paths"]


def test_a_part_of_the_daemon_that_does_not_work_is_a_fault(app: Places, daemon: DaemonDouble) -> None:
    """Doctor names what it is for and what is wrong."""
    loops = [{"name": name, "purpose": f"keeps {name}", "quiet": 0.0, "fault": ""} for name in ("tasks", "router")]
    daemon.answer("GET", "/v1/status", status(loops=loops))
    daemon.answer("GET", "/v1/status", status(loops=[loops[0], loops[1] | {"fault": "has ended"}]))
    assert ["good", "good"] == [check.state for check in AskedDaemon().checks()]
    _, check = AskedDaemon().checks()
    assert ("bad", "what keeps router has ended") == (check.state, check.found)


def test_what_cannot_be_confined_is_said_to_be_trusted(app: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without bubblewrap a commit's tests run as whoever runs Shipway; that is worth a word."""
    monkeypatch.setenv("PATH", str(app.root))
    found = doctor.confinement(app)
    trusted = "bubblewrap (bwrap) is not installed: builds and tests of every commit are trusted"
    assert ("optional", trusted) == (found.state, found.found)


def test_the_port_of_a_router_without_its_control_plane_is_ours(app: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the daemon has ended the router serves on; that is no stranger, and nothing is to be mended."""
    own = Holder("this app's own haproxy, process 7", "shipway repair", own=True)
    monkeypatch.setattr("shipway.local.doctor.holder_of", lambda port, root: own)
    with socket.create_server(("127.0.0.1", 0)) as router:
        port = router.getsockname()[1]
        found = doctor._port("dev", port, set(), app.root)
    assert Check(f"port {port}", "good", "dev: ours, whether or not the control plane runs") == found


def test_the_description_is_compared_with_the_newest_commit(
    app: Places, commit: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not committed can't be deployed, however well it lies in the working copy; `doctor` says the same."""
    text = YAML.replace("PORT", str(_free_port()))
    (app.root / "shipway.yaml").write_text(text)
    assert 0 == shipway(["validate"])
    assert "– folders, lock files and programs were not looked up: " in capsys.readouterr().err
    commit("2026-01-01T00:00:00Z")
    (app.root / "web").mkdir()
    (app.root / "web" / "server.py").write_text("")
    assert 2 == shipway(["validate"])
    told = capsys.readouterr().err
    assert "shipway.yaml:4: services.web.path: commit " in told
    assert "has no web; commit it: git add web && git commit" in told
    (check,) = [check for check in description(app) if check.name == "shipway.yaml"]
    assert ("bad", True) == (check.state, "services.web.path" in check.found)
    commit("2026-01-02T00:00:00Z")
    (app.root / "shipway.yaml").write_text(text + "# more\n")
    assert 0 == shipway(["validate"])
    assert (
        "– shipway.yaml is not committed as it stands here; deploy takes it as committed\n" == capsys.readouterr().err
    )
