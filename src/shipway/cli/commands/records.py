"""`releases`, `logs`, `audit`: what was made, said and done."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import click

from shipway.cli import options
from shipway.cli.here import client as client_here
from shipway.cli.render.lists import audit_table, log_line, release_table
from shipway.cli.render.text import plain
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
@click.option("--follow", is_flag=True, help="Go on with new lines until Ctrl-C.")
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
    follow: bool,
    daemon: bool,
    build: str | None,
    as_json: bool,
) -> int:
    """Show what tasks, builds or Shipway wrote.

    The newest line comes last. Lines of tasks that are gone are kept.
    """
    chosen = [name for name, given in (("--daemon", daemon), ("--build", build)) if given]
    of_tasks = any((release, named_release, environment, service, errors))
    if len(chosen) == 2 or (chosen and of_tasks):
        raise click.UsageError(f"{chosen[0]} goes with --lines and --follow only")
    if follow and as_json:
        raise click.UsageError("--json prints one object at the end; it does not go with --follow")
    client = client_here()
    if daemon:
        read = partial(client.get, "logs", "daemon")
    elif build:
        read = partial(client.get, "logs", "build", run=build)
    else:
        release = release or named_release
        read = partial(
            client.get, "logs", environment=environment, service=service, release=release, errors=int(errors)
        )
    if as_json:
        say_json(read(lines=lines))
    elif follow:
        _follow(read, lines)
    else:
        say(_text(line) for line in read(lines=lines)["lines"])
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


def _follow(read: Callable[..., dict[str, Any]], lines: int) -> None:
    """The last lines, then new ones until Ctrl-C."""
    before: dict[str, list[str]] = {}
    shown = lines
    while True:
        found = read(lines=max(lines, _WINDOW))["lines"]
        # Each task's lines are compared with its own: the answer has them task by task.
        after: dict[str, list[str]] = {}
        for line in found:
            after.setdefault(line["task"] if isinstance(line, dict) else "", []).append(_text(line))
        new = [text for task, texts in after.items() for text in new_lines(before.get(task, []), texts)]
        say(new[-shown:])
        before, shown = before | after, _WINDOW
        time.sleep(_POLL)


def _text(line: object) -> str:
    return log_line(line) if isinstance(line, dict) else plain(line)
