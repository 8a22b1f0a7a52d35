"""`releases`, `logs`, `audit`: what was made, said and done."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import click

from shipway.cli import options
from shipway.cli.here import client as client_here
from shipway.cli.render.lists import audit_table, release_table
from shipway.cli.render.logs import log_line, raw_log_line, said
from shipway.cli.render.text import plain
from shipway.cli.since import since_when
from shipway.cli.tail import new_lines
from shipway.cli.terminal import say, say_json

_POLL = 0.5
_WINDOW = 2000


@click.command()
@options.lines(20)
@options.as_json()
def releases(lines: int, as_json: bool) -> int:
    """List the releases and where each serves."""
    answer = client_here().get("releases", limit=min(lines, 1000))
    if as_json:
        say_json(answer)
    else:
        say(release_table(answer["releases"], time.time()))
    return 0


@click.command()
@click.argument("release", required=False)
@click.option("--release", "named_release", metavar="RELEASE", help="The same as the argument RELEASE.")
@options.environment(help="Only tasks of this environment.")
@click.option("--service", metavar="SERVICE", help="Only tasks of this service.")
@click.option("--errors", is_flag=True, help="Only lines that tell of an error.")
@options.lines(100)
@click.option("--since", metavar="WHEN", help="Only lines of the last 10m, 2h, 1d, or since 2026-11-26T10:00.")
@click.option("--grep", metavar="TEXT", help="Only lines that contain this text, in capitals or not.")
@click.option("--raw", is_flag=True, help="Lines just as they were written, health checks among them.")
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.option("--daemon", is_flag=True, help="What Shipway itself says.")
@click.option("--build", metavar="RUN", help="What the builds and tests of a run said.")
@options.as_json()
def logs(
    *,
    release: str | None,
    named_release: str | None,
    environment: str | None,
    service: str | None,
    errors: bool,
    lines: int,
    since: str | None,
    grep: str | None,
    raw: bool,
    follow: bool,
    daemon: bool,
    build: str | None,
    as_json: bool,
) -> int:
    """Show what tasks, builds or Shipway wrote.

    The newest line comes last. Lines of tasks that are gone are kept. A line of JSON is shown as time, level, request,
    status and milliseconds, then what else it says; health checks that went well are left out. `--raw` shows all as it
    was written, and `--json` has it so. `--since`, `--grep` and `--errors` look at the last 10,000 lines of each log.
    """
    chosen = [name for name, given in (("--daemon", daemon), ("--build", build)) if given]
    of_tasks = any((release, named_release, environment, service, errors))
    if len(chosen) == 2 or (chosen and of_tasks):
        raise click.UsageError(f"{chosen[0]} goes with --lines, --since, --grep, --raw and --follow only")
    if follow and as_json:
        raise click.UsageError("--json prints one object at the end; it does not go with --follow")
    if release and named_release and release != named_release:
        raise click.UsageError(f"two releases are named, {release} and {named_release}: leave one of them out")
    narrowed: dict[str, Any] = {
        "grep": grep or None,
        "since": None if since is None else since_when(since, time.time()),
    }
    client = client_here()
    if daemon:
        read = partial(client.get, "logs", "daemon", **narrowed)
    elif build:
        read = partial(client.get, "logs", "build", run=build, **narrowed)
    else:
        owner: dict[str, Any] = {"environment": environment, "service": service, "release": release or named_release}
        checks = None if raw or as_json else 0
        read = partial(client.get, "logs", **owner, errors=int(errors), checks=checks, **narrowed)
    show = _as_written if raw else _text
    if as_json:
        say_json(read(lines=lines))
    elif follow:
        _follow(read, lines, show)
    else:
        say((show(line) for line in read(lines=lines)["lines"]), as_written=True)
    return 0


@click.command()
@options.lines(50)
@options.as_json()
def audit(lines: int, as_json: bool) -> int:
    """Show who did what, where, when and why.

    The newest entry comes first.
    """
    answer = client_here().get("audit", limit=lines)
    if as_json:
        say_json(answer)
    else:
        say(audit_table(answer["entries"], time.time()))
    return 0


def _follow(read: Callable[..., dict[str, Any]], lines: int, show: Callable[[object], str]) -> None:
    """The last lines, then new ones until Ctrl-C."""
    before: dict[str, list[str]] = {}
    shown = lines
    while True:
        found = read(lines=max(lines, _WINDOW))["lines"]
        # Each task's lines are compared with its own: the answer has them task by task.
        after: dict[str, list[str]] = {}
        for line in found:
            after.setdefault(line["task"] if isinstance(line, dict) else "", []).append(show(line))
        new = [text for task, texts in after.items() for text in new_lines(before.get(task, []), texts)]
        say(new[-shown:], as_written=True)
        before, shown = before | after, _WINDOW
        time.sleep(_POLL)


def _text(line: object) -> str:
    return log_line(line, time.time()) if isinstance(line, dict) else said(str(line), time.time())


def _as_written(line: object) -> str:
    return raw_log_line(line) if isinstance(line, dict) else plain(line)
