"""`deploy`, `runs`, `run`, `approve`, `reject`, `retry`: runs of the pipeline and their gates."""

from __future__ import annotations

import time

import click

from shipway.cli import options
from shipway.cli.follow import follow, hand_over, last_event
from shipway.cli.group import Group
from shipway.cli.here import client as client_here
from shipway.cli.render.preview import preview_lines
from shipway.cli.render.runs import run_details, run_table, title
from shipway.cli.render.story import event_lines
from shipway.cli.render.text import plain
from shipway.cli.terminal import confirm, say, say_json, tell


@click.command()
@click.argument("commit", required=False)
@options.environment(help="Go as far as this environment; default: as far as the branch goes.")
@options.detach()
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@options.as_json()
def deploy(commit: str | None, environment: str | None, detach: bool, dry_run: bool, as_json: bool) -> int:
    """Take a commit to where its branch goes.

    COMMIT is a branch, a tag or an id, a branch where a tag has the same name; the default is the newest commit of the
    branch checked out. Only what is committed counts. Builds what changed, makes a release, and rolls it out
    environment by environment, as far as the first approval. What serves the same already is left alone.
    """
    client = client_here()
    if dry_run:
        preview = client.get("preview", commit=commit, environment=environment)
        if as_json:
            say_json(preview)
        else:
            say(preview_lines(preview))
        return 3 if any(step["wrong"] for step in preview["steps"]) else 0
    run = client.post("runs", commit=commit, environment=environment)
    (tell if as_json else say)(f"– {plain(note)}" for note in run["notes"])
    return hand_over(client, run, detach=detach, as_json=as_json)


@click.command()
@options.lines(20)
@options.as_json()
def runs(lines: int, as_json: bool) -> int:
    """List the runs, the newest first."""
    answer = client_here().get("runs", limit=min(lines, 1000))
    if as_json:
        say_json(answer)
    else:
        say(run_table(answer["runs"], time.time()))
    return 0


@click.group(cls=Group)
def run() -> None:
    """Look at one run: show, follow."""


@run.command()
@click.argument("id", metavar="RUN")
@options.as_json()
def show(id: str, as_json: bool) -> int:
    """Show a run and everything that happened in it."""
    client = client_here()
    answer = client.get("runs", id)
    events = client.get("runs", id, "events", after=0, wait=0)["events"]
    if as_json:
        say_json({**answer, "events": events})
        return 0
    say(run_details(answer["run"], answer["rollouts"], time.time()))
    heading = None
    for event in events:
        first = event["environment"] not in (None, heading) and len(answer["run"]["path"]) > 1
        heading = event["environment"] or heading
        say(event_lines(event, heading if first else None))
    return 0


@run.command(name="follow")
@click.argument("id", metavar="RUN")
@options.as_json()
def follow_run(id: str, as_json: bool) -> int:
    """Follow a run until it ends or waits; the exit code is the run's.

    While a step of a rollout waits for clients, stderr says how many of how many it has seen, how long it waits at
    most, and what then: on a terminal always anew in the same place, elsewhere when another quarter is reached.
    """
    client = client_here()
    return follow(client, client.get("runs", id)["run"], as_json=as_json)


@click.command()
@click.argument("id", metavar="RUN")
@options.why()
@options.yes()
@options.detach()
@options.as_json()
def approve(id: str, why: str, yes: bool, detach: bool, as_json: bool) -> int:
    """Let a run that waits for approval go on.

    Follows it to its end, or to its next approval.
    """
    client = client_here()
    run = client.get("runs", id)["run"]
    if run["gate"]:
        confirm(f"{title(run)}\nApprove {run['release']} for {run['gate']['environment']}?", yes)
    after = last_event(client, id)
    run = client.post("runs", id, "approve", why=why)
    return hand_over(client, run, detach=detach, as_json=as_json, after=after)


@click.command()
@click.argument("id", metavar="RUN")
@options.why()
@options.as_json()
def reject(id: str, why: str, as_json: bool) -> int:
    """End a run that waits for approval.

    What serves stays as it is.
    """
    client = client_here()
    run = client.post("runs", id, "reject", why=why)
    if as_json:
        say_json({"run": run})
    else:
        say(f"✔ {title(run)}: rejected; nothing was rolled out")
    return 0


@click.command()
@click.argument("id", metavar="RUN")
@options.detach()
@options.as_json()
def retry(id: str, detach: bool, as_json: bool) -> int:
    """Do again what an ended run was to do.

    It is a new run. What is built is not built again, and approvals are asked for again.
    """
    client = client_here()
    return hand_over(client, client.post("runs", id, "retry"), detach=detach, as_json=as_json)
