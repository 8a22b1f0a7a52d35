"""`model …`: versions of the app's model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shipway.cli import options
from shipway.cli.client import Client
from shipway.cli.follow import hand_over
from shipway.cli.group import Group
from shipway.cli.here import client as client_here
from shipway.cli.render.lists import model_lines, model_table
from shipway.cli.terminal import confirm, say, say_json

_WHERE = "Only this environment; may be given several times. Default: every one that serves."


@click.group(cls=Group)
def model() -> None:
    """Model versions: publish, list, show, promote, rollback."""


@model.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--version", metavar="VERSION", help="Its name, such as v1.4; default: the next one.")
@options.as_json()
def publish(folder: Path, version: str | None, as_json: bool) -> int:
    """Add a training's output as a new version.

    FOLDER is copied to the model bucket. Nothing serves the version yet.
    """
    found = client_here().post("models", folder=str(folder.resolve()), version=version)
    if as_json:
        say_json(found)
    else:
        say([f"✔ published {found['name']} {found['version']}", f"  Use it: shipway model promote {found['version']}"])
    return 0


@model.command(name="list")
@options.as_json()
def list_versions(as_json: bool) -> int:
    """List the versions and where each serves."""
    answer = client_here().get("models")
    if as_json:
        say_json(answer)
    else:
        say(model_table(answer))
    return 0


@model.command()
@click.argument("version")
@options.as_json()
def show(version: str, as_json: bool) -> int:
    """Show a version's metadata.

    Training, data, metrics, approval, features.
    """
    answer = client_here().get("models", version)
    if as_json:
        say_json(answer)
    else:
        say(model_lines(answer))
    return 0


@model.command()
@click.argument("version")
@options.environments(_WHERE)
@options.why()
@options.yes()
@options.detach()
@options.as_json()
def promote(version: str, environments: tuple[str, ...], *, why: str, yes: bool, detach: bool, as_json: bool) -> int:
    """Make a version the current one.

    New releases take it, and running tasks swap to it without a new build.
    """
    client = client_here()
    _ask(client, f"Serve model {version}", environments, yes)
    answer = client.post("models", version, "promote", environments=environments, why=why)
    return _told(client, answer, detach, as_json)


@model.command()
@options.environments(_WHERE)
@options.why()
@options.yes()
@options.detach()
@options.as_json()
def rollback(environments: tuple[str, ...], why: str, yes: bool, detach: bool, as_json: bool) -> int:
    """Go back to the version before."""
    client = client_here()
    _ask(client, "Go back to the model version before", environments, yes)
    answer = client.post("models", "rollback", environments=environments, why=why)
    return _told(client, answer, detach, as_json)


def _ask(client: Client, what: str, environments: tuple[str, ...], yes: bool) -> None:
    guarded = [
        environment["name"]
        for environment in client.get("status")["environments"]
        if environment["approval"]
        and environment["release"]
        and environment["name"] in (environments or [environment["name"]])
    ]
    confirm(f"{what} in {', '.join(guarded)}?", yes or not guarded)


def _told(client: Client, answer: dict[str, Any], detach: bool, as_json: bool) -> int:
    if answer["run"]:
        return hand_over(client, answer["run"], detach=detach, as_json=as_json)
    if as_json:
        say_json(answer)
    else:
        say(f"✔ latest is {answer['latest']}; nothing serves yet, so nothing else changed")
    return 0
