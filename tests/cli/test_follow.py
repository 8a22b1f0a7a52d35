from __future__ import annotations

import json

import pytest

from shipway.cli import follow as following
from shipway.cli.client.over_socket import SocketClient
from shipway.cli.client.protocol import NotRunning
from shipway.cli.commands import daemon as house
from shipway.cli.follow import follow
from shipway.cli.main import run as shipway
from shipway.cli.tail import new_lines
from shipway.local.places import Places
from tests.cli.answers import Json, count, environment, event, rollout, run, status, succeeded, waits
from tests.cli.daemon_double import HANG_UP, DaemonDouble

Capture = pytest.CaptureFixture[str]


def test_a_daemon_that_is_killed_and_comes_back_loses_no_event(
    app: Places, daemon: DaemonDouble, capsys: Capture
) -> None:
    """The follower waits for the next daemon and goes on where it was."""
    path = "/v1/runs/12/events"
    daemon.answer("GET", path, {"run": run(), "events": [event(1, "done", "one")]})
    daemon.answer("GET", path, {}, status=HANG_UP)
    daemon.answer("GET", path, {"run": succeeded(), "events": [event(2, "done", "two"), event(3, "end", "end")]})
    daemon.answer("GET", "/v1/runs/12", {"run": succeeded(), "rollouts": []})
    daemon.answer("GET", "/v1/status", status(environment()))
    assert 0 == follow(SocketClient(str(app.socket)), run(), as_json=False)
    said = capsys.readouterr()
    assert ["  ✔ one", "  ✔ two"] == said.out.splitlines()[1:3]
    assert "waiting up to 60 s for it to come back" in said.err


def test_a_daemon_that_stays_away_is_given_up(
    app: Places, daemon: DaemonDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while the follower says how the run goes on."""
    monkeypatch.setattr(following, "PATIENCE", 0.0)
    daemon.stop()
    with pytest.raises(NotRunning) as raised:
        follow(SocketClient(str(app.socket)), run(), as_json=False)
    assert "run 12 goes on once Shipway runs again" == raised.value.state
    assert "shipway up --detach, then shipway run follow 12" == raised.value.fix


def test_the_events_behind_the_last_look_are_told_before_the_end(
    app: Places, daemon: DaemonDouble, capsys: Capture
) -> None:
    """A run that has ended is not left before its last event was there."""
    path = "/v1/runs/12/events"
    daemon.answer("GET", path, {"run": succeeded(), "events": [event(1, "done", "one")]})
    daemon.answer("GET", path, {"run": succeeded(), "events": [event(2, "done", "two"), event(3, "end", "end")]})
    daemon.answer("GET", "/v1/runs/12", {"run": succeeded(), "rollouts": []})
    daemon.answer("GET", "/v1/status", status(environment()))
    assert 0 == follow(SocketClient(str(app.socket)), run(), as_json=False)
    assert "  ✔ two" in capsys.readouterr().out


@pytest.mark.parametrize("as_json", [False, True])
def test_in_a_pipe_a_wait_is_told_rarely(app: Places, daemon: DaemonDouble, capsys: Capture, as_json: bool) -> None:
    """Once when it begins and at each further quarter, on stderr; stdout is what it is without a wait."""
    looks = [waits(count("requests", seen, 50), holds_from=0, until=1e12) for seen in range(50)]
    steps: list[Json | None] = [None, *looks, None]
    path = "/v1/runs/12/events"
    daemon.answer("GET", path, *[{"run": run(), "events": []}] * len(steps))
    daemon.answer("GET", path, {"run": succeeded(), "events": [event(7, "done", "passed"), event(8, "end", "end")]})
    daemon.answer("GET", "/v1/runs/12", {"run": succeeded(), "rollouts": []})
    daemon.answer("GET", "/v1/status", *[status(environment(rollout=rollout(waiting=step))) for step in steps])
    daemon.answer("GET", "/v1/status", status(environment()))
    assert 0 == follow(SocketClient(str(app.socket)), run(), as_json=as_json)
    said = capsys.readouterr()
    told = [line for line in said.err.splitlines() if "waits" in line]
    assert ["0 of 50", "13 of 50", "25 of 50", "38 of 50"] == [
        line.split(": ")[2].split(" requests")[0] for line in told
    ]
    assert all(line.startswith("  · prod: step 1 of 3 (5 %) waits for clients: ") for line in told)
    if as_json:
        assert {"run": succeeded(), "rollouts": []} == json.loads(said.out)
    else:
        assert ["  ✔ passed", "prod serves r42, 3/3 tasks, model v1.2"] == said.out.splitlines()[1:]


def test_the_view_of_up_tells_a_wait_in_a_log(
    app: Places, daemon: DaemonDouble, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Once among the changes, however often it looks, until the daemon is gone."""
    monkeypatch.setattr(house, "_REDRAW", 0.0)
    held = rollout(waiting=waits(count("requests", 12, 50), holds_from=0, until=1))
    looks = [rollout(), held, held, held]
    daemon.answer("GET", "/v1/status", *[status(environment(rollout=look)) for look in looks])
    daemon.answer("GET", "/v1/status", {}, status=HANG_UP)
    assert 1 == shipway(["up"])
    told = "· prod: step 1 of 3 (5 %) waits for clients: 12 of 50 requests; else rolls back in 0.0 s"
    assert [told] == [line for line in capsys.readouterr().out.splitlines() if line.startswith("· ")]


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        ([], ["a"], ["a"]),
        (["a", "b"], ["a", "b"], []),
        (["a", "b", "c"], ["b", "c", "d"], ["d"]),
        (["a", "a"], ["a", "a", "a"], ["a"]),
        (["a"], ["x", "y"], ["x", "y"]),
        (["a"], [], []),
    ],
)
def test_new_lines_of_a_tail(before: list[str], after: list[str], new: list[str]) -> None:
    """What overlaps was told already."""
    assert new == new_lines(before, after)
