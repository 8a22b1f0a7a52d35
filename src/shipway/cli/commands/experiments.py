"""`model split | shadow`: versions tried out beside the one that serves."""

from __future__ import annotations

import time
from typing import Any

import click

from shipway.cli import options
from shipway.cli.client.protocol import Client
from shipway.cli.guarded import confirm_in
from shipway.cli.here import client as client_here
from shipway.cli.render.experiments import experiment_lines
from shipway.cli.render.text import plain
from shipway.cli.terminal import say, say_json

_WHERE = "The environment whose model is meant."


@click.command()
@click.argument("shares", nargs=-1, metavar="[VERSION=PERCENT]...")
@options.environment(required=True, help=_WHERE)
@click.option("--off", is_flag=True, help="End it: the version that serves answers everyone.")
@options.why()
@options.yes()
@options.as_json()
def split(shares: tuple[str, ...], environment: str, *, off: bool, why: str, yes: bool, as_json: bool) -> int:
    """Let several versions answer, each a share of the devices.

    `shipway model split v1.2=10% --env prod`; the rest stays with the version that serves. A device keeps its version,
    and raising a share only adds devices. What was split before and is not named ends. A candidate that is worse by
    the rules of a rollout or by its predictions is taken out at once; a good one waits for `shipway model promote`.
    Without shares: show how each version does.
    """
    if shares and off:
        raise click.UsageError("--off ends the split; leave out the shares")
    client = client_here()
    if not shares and not off:
        return _show(client, environment, "split", as_json)
    if shares:
        confirm_in(client, environment, f"Let {', '.join(shares)} answer in {environment}?", yes=yes)
    answer = client.post("environments", environment, "split", shares=shares, off=off, why=why)
    if as_json:
        say_json(answer)
    else:
        say([*_followed(answer), *experiment_lines(answer, time.time())])
    return 0


@click.command()
@click.argument("version", required=False)
@options.environment(required=True, help=_WHERE)
@click.option(
    "--percent", type=click.FloatRange(0, 100, min_open=True), default=100.0, show_default=True, metavar="PERCENT",
    help="Of the requests.",
)  # fmt: skip
@click.option("--off", is_flag=True, help="End it.")
@options.why()
@options.yes()
@options.as_json()
def shadow(
    version: str | None, environment: str, *, percent: float, off: bool, why: str, yes: bool, as_json: bool
) -> int:
    """Let a version see requests without answering any.

    Its predictions are compared with those that clients got; nobody waits for it, and what it has no time for is left
    out and counted. Without VERSION: show how it does.
    """
    if version and off:
        raise click.UsageError("--off ends the shadow; leave out the version")
    client = client_here()
    if version is None and not off:
        return _show(client, environment, "shadow", as_json)
    if version:
        confirm_in(client, environment, f"Let {version} listen in in {environment}?", yes=yes)
    answer = client.post("environments", environment, "shadow", version=version, percent=percent, off=off, why=why)
    if as_json:
        say_json(answer)
    else:
        say([*_followed(answer), *experiment_lines(answer, time.time())])
    return 0


def _show(client: Client, environment: str, what: str, as_json: bool) -> int:
    answer = client.get("environments", environment, what)
    if as_json:
        say_json(answer)
    else:
        say(experiment_lines(answer, time.time()))
    return 0


def _followed(answer: dict[str, Any]) -> list[str]:
    """Every task was asked, or what is known of them."""
    told = answer.get("told") or [f"every task of {answer['environment']} does so now"]
    return [f"✔ {plain(line)}" for line in told]
