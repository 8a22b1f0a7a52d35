"""`train export`: a training written to an MLflow tracking server, or to a database of MLflow's."""

from __future__ import annotations

import click

from shipway.cli import options
from shipway.cli.commands.reports import LENGTHY
from shipway.cli.here import client as client_here
from shipway.cli.render.text import plain
from shipway.cli.terminal import say, say_json, tell

_OUTCOMES = {"new": "✔ wrote", "completed": "✔ completed", "there": "· nothing to write:"}


@click.command()
@click.argument("id", metavar="[RUN]", default="newest")
@click.option(
    "--to",
    "address",
    metavar="URI",
    required=True,
    envvar="MLFLOW_TRACKING_URI",
    help="https://… or http://… of a tracking server, or sqlite:///FILE; default: MLFLOW_TRACKING_URI.",
)
@options.as_json()
def export(id: str, address: str, as_json: bool) -> int:
    """Write a training to MLflow, by default the one that ended last.

    Parameters, metrics, the gate's verdict, tags with the commit and the data's digest; the model, metadata.json, what
    the steps found and the reports as artifacts. Exported twice it is still one run there. Credentials are MLflow's own
    environment variables, such as MLFLOW_TRACKING_TOKEN.
    """
    from shipway.cli import tracker

    tracker.check_address(address)
    tell("  · gathering it, and writing; a first time makes environments for two programs, which takes some minutes")
    answer = client_here().get("trainings", id, "tracked", timeout=LENGTHY)
    tell([f"  · {plain(line)}" for line in answer["told"]])
    run = answer["run"]
    sent = tracker.send(run, address, tell)
    if as_json:
        say_json({"name": run["name"], "to": address, **sent})
        return 0
    name, experiment, there = plain(run["name"]), plain(sent["experiment"]), plain(sent["run_id"])
    say(f"{_OUTCOMES[sent['outcome']]} {name}: run {there} of experiment {experiment} in {plain(address)}")
    if address.startswith("http"):
        say(f"  Look: {plain(address.rstrip('/'))}/#/experiments/{experiment}/runs/{there}")
    else:
        say(f"  Look: mlflow ui --backend-store-uri {plain(address)}")
    return 0
