"""`up`, `down`, `status`, `reload`, `repair`: the daemon and what it looks after."""

from __future__ import annotations

import subprocess
import time
from typing import Any

import click

from shipway.cli import here, options
from shipway.cli.client.protocol import Client, NotRunning
from shipway.cli.render.changes import changes
from shipway.cli.render.status import loop_faults, status_lines
from shipway.cli.render.text import plain
from shipway.cli.render.waiting import SparseNews
from shipway.cli.terminal import LiveBlock, confirm, is_live, say, say_json, tell
from shipway.core.daemon.outside import DaemonProcess

_REDRAW = 1.0
_STOP_TIMEOUT = 20.0


@click.command()
@click.option("--detach", is_flag=True, help="Start it in the background and return once it answers.")
@options.as_json()
def up(detach: bool, as_json: bool) -> int:
    """Start Shipway for the app here, and watch.

    Restores every environment as it was. Ctrl-C ends the view and the control plane that this command started;
    the app goes on serving. `shipway down` stops everything.
    """
    daemon, process = here.daemon(), None
    client = here.client_of(daemon)
    status = _status_if_running(client)
    if status is not None:
        tell(f"Shipway already runs here (pid {status['pid']})")
    else:
        tell("starting Shipway …")
        process = daemon.start()
        status = client.get("status")
        tell(f"✔ Shipway runs (pid {status['pid']})")
    if as_json:
        say_json(status)
        return 0
    if detach or not is_live():
        say(status_lines(status, time.time()))
    if detach:
        return 0
    try:
        _watch(client, status)
    except (KeyboardInterrupt, click.Abort):
        tell("")
    if process is None:
        tell("Shipway goes on.  Stop everything: shipway down")
    else:
        _end_control_plane(client, process)
    return 0


@click.command()
@click.option("--keep-tasks", is_flag=True, help="Stop the control plane only: the app goes on serving.")
@options.yes()
@options.as_json()
def down(keep_tasks: bool, yes: bool, as_json: bool) -> int:
    """Stop every task, the router and the daemon.

    Releases, runs and the audit log stay: `shipway up` restores what served. Stopping what is stopped is no error.
    """
    daemon = here.daemon()
    client = here.client_of(daemon)
    status = _status_if_running(client)
    if status is None and not keep_tasks and daemon.is_left_serving():
        tell("the app serves without its control plane; starting that first, to stop everything in order")
        daemon.start()
        status = client.get("status")
    if status is not None:
        serving = [environment["name"] for environment in status["environments"] if environment["release"]]
        if serving and not keep_tasks:
            confirm(f"{', '.join(serving)} will answer no more. Stop everything?", yes)
        client.post("down", keep_tasks=keep_tasks)
        daemon.wait_until_gone()
    if as_json:
        say_json({"stopped": status is not None, "keep_tasks": keep_tasks})
    elif status is None:
        say("– Shipway is not running here; there is nothing to stop")
    elif keep_tasks:
        say("✔ the control plane is stopped; tasks and router go on serving.  Stop everything: shipway down")
    else:
        say("✔ Shipway is stopped")
    return 0


@click.command()
@options.as_json()
def status(as_json: bool) -> int:
    """Show what serves where, how its clients fare, and what is under way.

    Where more requests failed in the last minutes than the environment's guard allows, it says so loudly. The exit code
    is 0 all the same: the status was told. Programs look at `clients.failing` of `--json`. It is 1 when a part of the
    control plane does not do its work.
    """
    answer = here.client().get("status")
    if as_json:
        say_json(answer)
    else:
        say(status_lines(answer, time.time()))
    return 1 if loop_faults(answer) else 0


@click.command()
@click.option("--uncommitted", is_flag=True, help="Take roles and approvals although they were never committed.")
@options.as_json()
def reload(uncommitted: bool, as_json: bool) -> int:
    """Read roles, approvals and ports again.

    They come from shipway.yaml of the working copy. Roles and approvals must be committed; what changes of them is in
    the audit log. What a release runs comes from its own commit and does not change.
    """
    answer = here.client().post("reload", uncommitted=uncommitted)
    if as_json:
        say_json(answer)
        return 0
    say("✔ shipway.yaml read again" if answer["changed"] else "– shipway.yaml has not changed")
    say(f"  {plain(what)}: {plain(how)}" for what, how in answer["authority"].items())
    return 0


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@options.as_json()
def repair(dry_run: bool, as_json: bool) -> int:
    """Repair what is broken in Shipway's own state.

    Moves damaged files aside (they are kept, with the date), ends a daemon that answers nothing, starts the next one,
    which finds tasks, router and what serves again. Clients notice nothing.
    """
    steps = here.target().repairs()
    for step in () if dry_run else steps:
        step.do()
        if not as_json:
            say(f"✔ {step.found}: {step.does}")
    if as_json:
        told = [{"found": step.found, "does": step.does, "path": step.path} for step in steps]
        say_json({"dry_run": dry_run, "steps": told})
    elif dry_run and steps:
        say(f"· {step.found}: to be {step.does}" for step in steps)
    elif not steps:
        say("– nothing is broken here")
    return 0


def _status_if_running(client: Client) -> dict[str, Any] | None:
    """The daemon's status; None when there is no daemon."""
    try:
        return client.get("status")
    except NotRunning:
        return None


def _watch(client: Client, status: dict[str, Any]) -> None:
    """Redraw the status until Ctrl-C; or tell each change without a terminal. Raises NotRunning at the daemon's end."""
    live, news = LiveBlock(), SparseNews()
    while True:
        live.draw([*status_lines(status, time.time()), "", "Ctrl-C ends this view"])
        time.sleep(_REDRAW)
        before, status = status, client.get("status")
        if not is_live():
            say(changes(before, status))
            say(f"· {line}" for line in news.lines(status, time.time()))


def _end_control_plane(client: Client, process: DaemonProcess) -> None:
    """Stop the daemon that this command started. Tasks and router stay."""
    client.post("down", keep_tasks=True)
    try:
        process.wait(_STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.terminate()
    tell(
        "✔ the control plane is stopped; tasks and router go on serving.  Again: shipway up   Stop it all: shipway down"
    )
