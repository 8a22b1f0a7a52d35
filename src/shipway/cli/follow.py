"""Follows a run: its events as they happen, until it ends or waits for a person."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import click

from shipway.cli.client.protocol import Client, Lost, NotRunning
from shipway.cli.render.runs import title
from shipway.cli.render.story import event_lines, outcome, progress_line
from shipway.cli.render.waiting import SparseNews
from shipway.cli.terminal import LiveBlock, fold, is_live, say, say_json, tell

PATIENCE = 60.0
"""Seconds without a daemon after which a follower gives up: a restarted one goes on with the run."""
_PAUSE = 0.2
Write = Callable[[str | Iterable[str]], None]


@dataclass
class _Look:
    """What the last look at a run brought."""

    run: dict[str, Any]
    last: str = ""
    number: int = 0
    heading: str | None = None

    @property
    def over(self) -> bool:
        """Whether there is nothing more to wait for: the run's last event has been told."""
        if self.run["live"]:
            return self.run["status"] == "waiting" and self.last == "gate"
        return self.last == "end"


def follow(client: Client, run: dict[str, Any], *, as_json: bool, after: int = 0) -> int:
    """Tell the run's events after a number, then how it ended. Answers the exit code of the run."""
    write: Write = tell if as_json else say
    daemon = _PatientClient(client, run["id"])
    try:
        write(title(run))
        _watch(daemon, _Look(run, number=after), write)
        whole = daemon.get("runs", run["id"])
        write(outcome(whole, daemon.get("status"), time.time()))
    except (KeyboardInterrupt, click.Abort):
        tell(f"\nrun {run['id']} goes on.  Look again: shipway run follow {run['id']}")
        return 130
    if as_json:
        say_json(whole)
    return int(whole["run"]["exit_code"])


def hand_over(client: Client, run: dict[str, Any], *, detach: bool, as_json: bool, after: int = 0) -> int:
    """Follow a run, or with `detach` only say that it has begun."""
    if not detach:
        return follow(client, run, as_json=as_json, after=after)
    if as_json:
        say_json({"run": run})
    else:
        say([title(run), f"  Follow: shipway run follow {run['id']}"])
    return 0


def last_event(client: Client, id: str) -> int:
    """The number of a run's newest event, 0 when it has none."""
    events = client.get("runs", id, "events", after=0, wait=0)["events"]
    return int(events[-1]["number"]) if events else 0


class _PatientClient:
    """Asks again while no daemon answers: a killed one is followed by the next, which goes on with the run."""

    def __init__(self, client: Client, run: str) -> None:
        self.live = LiveBlock()
        self._client = client
        self._run = run

    def get(self, *segments: str, **query: Any) -> dict[str, Any]:
        """As `Client.get`. Raises Lost or NotRunning when the daemon stays away."""
        deadline = time.monotonic() + PATIENCE
        told = False
        while True:
            try:
                return self._client.get(*segments, **query)
            except (Lost, NotRunning) as error:
                if time.monotonic() > deadline:
                    error.state = f"run {self._run} goes on once Shipway runs again"
                    error.fix = f"shipway up --detach, then shipway run follow {self._run}"
                    raise
                if not told:
                    self.live.clear()
                    tell(f"  · Shipway does not answer; waiting up to {PATIENCE:.0f} s for it to come back")
                    told = True
            time.sleep(_PAUSE)


def _watch(daemon: _PatientClient, look: _Look, write: Write) -> None:
    """Tell events until the run is over."""
    wait = 1.0 if is_live() else 5.0
    id, news = look.run["id"], SparseNews()
    try:
        while not look.over:
            answer = daemon.get("runs", id, "events", after=look.number, wait=wait, timeout=wait + 30.0)
            daemon.live.clear()
            for event in answer["events"]:
                write(event_lines(event, _heading(look, event)))
                look.number, look.last = event["number"], event["kind"]
            had_ended, look.run = not look.run["live"], answer["run"]
            if had_ended and not answer["events"]:
                break
            if not look.over:
                _show_progress(daemon, look.run, news)
    finally:
        daemon.live.clear()


def _show_progress(daemon: _PatientClient, run: dict[str, Any], news: SparseNews) -> None:
    """What the run does at this moment: one line drawn anew, or on no terminal the rare news of what it waits for."""
    status, now = daemon.get("status"), time.time()
    if is_live():
        daemon.live.draw(fold(progress_line(run, status, now)))
    else:
        tell(f"  · {line}" for line in news.lines(status, now, run["id"]))


def _heading(look: _Look, event: dict[str, Any]) -> str | None:
    """The name of the environment that begins with this event, if the run goes through several."""
    environment: str | None = event["environment"]
    if environment is None or environment == look.heading or len(look.run["path"]) < 2:
        return None
    look.heading = environment
    return environment
