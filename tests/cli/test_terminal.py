"""What changes when a person sits in front of it: questions, colours, lines that are redrawn."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time

import pytest

from shipway.local.places import Places
from tests.cli.answers import NOW, count, environment, event, rollout, run, status, succeeded, waiting, waits
from tests.cli.daemon_double import DaemonDouble
from tests.waiting import PATIENCE


def _typed(app: Places, *arguments: str, keys: str = "", **variables: str) -> tuple[int, str]:
    """The exit code and all that a terminal showed; `keys` are typed at the first question."""
    master, slave = pty.openpty()
    settings = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")}
    process = subprocess.Popen(
        [sys.executable, "-m", "shipway", *arguments], stdin=slave, stdout=slave, stderr=slave, cwd=app.root,
        env={**settings, "TERM": "xterm", "COLUMNS": "100", "LINES": "40", "PYTHONIOENCODING": "utf-8", **variables},
    )  # fmt: skip
    os.close(slave)
    shown = b""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if select.select([master], [], [], 0.2)[0]:
            try:
                shown += os.read(master, 65536)
            except OSError:  # the other end is closed: the program has ended
                break
        if keys and b"[y/N] " in shown:
            os.write(master, keys.encode())
            keys = ""
    os.close(master)
    return process.wait(PATIENCE), shown.decode().replace("\r\n", "\n")


@pytest.fixture
def gated(daemon: DaemonDouble) -> DaemonDouble:
    """A run at the gate of prod that ends well once it is approved."""
    whole = {"run": waiting(), "rollouts": []}
    daemon.answer("GET", "/v1/runs/12", whole, {"run": succeeded(), "rollouts": []})
    daemon.answer("GET", "/v1/runs/12/events", {"run": waiting(), "events": []})
    daemon.answer("GET", "/v1/runs/12/events", {"run": run(), "events": [event(6, "done", "approved", "prod")]})
    daemon.answer("GET", "/v1/runs/12/events", {"run": succeeded(), "events": [event(7, "end", "done")]})
    daemon.answer("GET", "/v1/status", status(environment(rollout=rollout())))
    daemon.answer("POST", "/v1/runs/12/approve", waiting())
    return daemon


def test_a_no_changes_nothing(app: Places, gated: DaemonDouble) -> None:
    """An approval is asked about on a terminal, and a no is exit code 3."""
    code, shown = _typed(app, "approve", "12", keys="n\n")
    assert 3 == code
    assert "Approve r42 for prod? [y/N] n\n" in shown
    assert "not confirmed\n  nothing changed\n" in shown
    assert [] == [asked for asked in gated.asked if asked[0] == "POST"]


def test_a_yes_goes_on_and_shows_where_it_is(app: Places, gated: DaemonDouble) -> None:
    """The present stage stands on a line of its own, which the next event replaces."""
    code, shown = _typed(app, "approve", "12", keys="y\n")
    assert 0 == code
    assert "  … prod: shifting, 5 % of clients, step 1 of 3: 5 → 25 → 100 %   " in shown
    assert "\n\x1b[1A\x1b[J" in shown
    assert "  \x1b[32m✔\x1b[0m approved\n" in shown


@pytest.mark.parametrize(("columns", "break_"), [(100, " "), (60, "\n    ")])
def test_what_a_step_waits_for_is_drawn_in_one_place(
    app: Places, daemon: DaemonDouble, columns: int, break_: str
) -> None:
    """Each look replaces the one before, whatever room it took, and nothing of it stays."""
    path = "/v1/runs/12/events"
    daemon.answer("GET", "/v1/runs/12", {"run": run(), "rollouts": []}, {"run": succeeded(), "rollouts": []})
    daemon.answer("GET", path, *[{"run": run(), "events": []}] * 2)
    daemon.answer("GET", path, {"run": succeeded(), "events": [event(7, "end", "done")]})
    for seen in (12, 49):
        needs = waits(count("requests", seen, 50), until=NOW - 10**9)
        daemon.answer("GET", "/v1/status", status(environment(rollout=rollout(waiting=needs))))
    daemon.answer("GET", "/v1/status", status(environment()))
    code, shown = _typed(app, "run", "follow", "12", NO_COLOR="1", COLUMNS=str(columns))
    line = f"  … prod: step 1 of 3 (5 %) waits for clients: {{}} of 50{break_}requests; else rolls back in 0.0 s\n"
    erased = f"\x1b[{line.count(chr(10))}A\x1b[J"
    assert f"{line.format(12)}{erased}{line.format(49)}{erased}" in shown
    assert (0, True) == (code, shown.endswith("prod serves r42, 3/3 tasks, model v1.2\n"))


def test_yes_skips_the_question(app: Places, gated: DaemonDouble) -> None:
    """`--yes` is for scripts that have a terminal."""
    code, shown = _typed(app, "approve", "12", "--yes", NO_COLOR="1")
    assert (0, False) == (code, "[y/N]" in shown)
    assert "  ✔ approved\n" in shown


def test_an_environment_without_approvals_is_not_asked_about(app: Places, daemon: DaemonDouble) -> None:
    """What needs no one's approval needs no question either."""
    daemon.answer("GET", "/v1/status", status(environment("dev", approval=None), environment()))
    daemon.answer("POST", "/v1/environments/dev/rollback", run(kind="rollback", subject="roll back r42", path=["dev"]))
    code, shown = _typed(app, "rollback", "--env", "dev", "--detach")
    assert (0, False) == (code, "[y/N]" in shown)
    code, shown = _typed(app, "rollback", "--env", "prod", keys="\n")
    assert 3 == code
    assert "Take prod back to the release before? [y/N]" in shown
