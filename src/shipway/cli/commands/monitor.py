"""`monitor baseline | run | report`: whether what a model is asked and answers is still what it was."""

from __future__ import annotations

from pathlib import Path
from time import time as clock
from typing import Any

import click

from shipway.cli import options
from shipway.cli.group import Group
from shipway.cli.here import client as client_here
from shipway.cli.pages import write_page
from shipway.cli.render.monitor import look_lines
from shipway.cli.since import since_when
from shipway.cli.terminal import say, say_json, tell
from shipway.core.errors import UsageError
from shipway.core.monitoring.watch import LENGTHS

LENGTHY = 1900.0
"""Seconds that a command waits for a look at many rows."""
EXIT_CODES = {"quiet": 0, "drift": 1, "hold": 3}


@click.group(cls=Group)
def monitor() -> None:
    """Watch a model's traffic: baseline, run, report."""


@monitor.command()
@click.argument("environment")
@click.option(
    "--from",
    "table",
    type=click.Path(exists=True, path_type=Path),
    help="A CSV file with a header, a Parquet file, or a folder of them.",
)
@click.option(
    "--time",
    metavar="COLUMN",
    help="The table's column of times, from which thresholds for a day, week and month come.",
)
@click.option("--since", metavar="TIME", help="Of the traffic from then on: 7d, 2026-11-26T10:00.")
@click.option("--until", metavar="TIME", help="Of the traffic until then; default: now.")
@options.as_json()
def baseline(
    environment: str, table: Path | None, time: str | None, since: str | None, until: str | None, as_json: bool
) -> int:
    """Say what normal is for the model that serves.

    By default that is what the version learned from, or its held-out rows. Where rows have times (--since, --time),
    thresholds come from how far the baseline's own days, weeks and months lie apart; elsewhere the threshold is 0.1.
    To change thresholds edit `constraints.json` in the folder that is printed.
    """
    if table is not None and (since or until):
        raise click.UsageError("--from goes without --since and --until")
    if time is not None and table is None:
        raise click.UsageError("--time goes with --from")
    tell("  · reading; a first time makes an environment for the program, which takes a minute")
    given: dict[str, Any] = {"table": str(table.resolve()) if table else None, "time": time}
    found = client_here().post(
        "environments", environment, "monitor", "baseline", timeout=LENGTHY, **given, **_window(since, until)
    )
    if as_json:
        say_json(found)
    else:
        say(look_lines(found))
    return 0


@monitor.command()
@click.argument("environment")
@click.option("--since", metavar="TIME", help="From then on: 7d, 2026-11-26T10:00. Default: the last day.")
@click.option("--until", metavar="TIME", help="Until then; default: now.")
@click.option(
    "--as",
    "length",
    type=click.Choice(LENGTHS),
    help="Hold it to the baseline's windows of this length. Default: what its own length is nearest to.",
)
@options.as_json()
def run(environment: str, since: str | None, until: str | None, length: str | None, as_json: bool) -> int:
    """Hold a window of the traffic to the baseline.

    Exit code 0: quiet. 1: drift. 3: hold, there is too little to tell.
    """
    tell("  · reading what was captured")
    found = client_here().post(
        "environments", environment, "monitor", timeout=LENGTHY, length=length, **_window(since, until)
    )
    return _answer(found, as_json)


@monitor.command()
@click.argument("environment")
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write the look's page there.")
@options.as_json()
def report(environment: str, page: Path | None, as_json: bool) -> int:
    """Show the newest look again, with its exit code.

    With --html also as a page: one file, without network and scripts, with figures of what changed.
    """
    found = client_here().get("environments", environment, "monitor")
    if page is not None:
        _write_page(found, page)
    return _answer(found, as_json)


def _write_page(found: dict[str, Any], page: Path) -> None:
    made = Path(found["folder"]) / "report.html"
    try:
        html = made.read_text(encoding="utf-8")
    except FileNotFoundError:
        again = f"shipway monitor run {found['environment']}"
        raise UsageError(f"{made} is not there any more", fix=again) from None
    write_page(page, html)


def _answer(found: dict[str, Any], as_json: bool) -> int:
    if as_json:
        say_json(found)
    else:
        say(look_lines(found))
    return EXIT_CODES[found["verdict"]["state"]]


def _window(since: str | None, until: str | None) -> dict[str, float]:
    now = clock()
    given = {"since": since, "until": until}
    return {name: since_when(text, now) for name, text in given.items() if text is not None}
