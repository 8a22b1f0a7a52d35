"""`model publish | list | show | history | compare | bake`: versions of the app's model, and what they are."""

from __future__ import annotations

import time
from pathlib import Path

import click

from shipway.cli import options
from shipway.cli.here import client as client_here
from shipway.cli.render.comparison import comparison_lines
from shipway.cli.render.model_history import history_lines
from shipway.cli.render.models import baked_lines, model_lines, model_table
from shipway.cli.render.text import plain
from shipway.cli.since import since_when
from shipway.cli.terminal import say, say_json, tell

LENGTHY = 900.0
"""Seconds that a command waits for models that are run over many rows."""


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--version", metavar="VERSION", help="Its name, such as v1.4; default: the next one.")
@click.option("--pickle-sha256", metavar="HEX", help="Accept this very pickle: it is loaded, once, to convert it.")
@click.option("--keep-native", is_flag=True, help="Publish as it is where no conversion agrees with it.")
@click.option("--check", is_flag=True, help="Only say whether it could be published; nothing is stored.")
@options.as_json()
def publish(
    folder: Path, version: str | None, pickle_sha256: str | None, keep_native: bool, check: bool, as_json: bool
) -> int:
    """Add a training's output as a new version.

    FOLDER is copied to the model bucket; what can be converted into a faster form is, and is checked row by row.
    Nothing serves the version yet.
    """
    tell(f"  · looking at {folder}; a model that has to be converted takes a minute")
    found = client_here().post(
        "models", timeout=LENGTHY, folder=str(folder.resolve()), version=version, pickle_sha256=pickle_sha256,
        keep_native=keep_native, check=check,
    )  # fmt: skip
    if as_json:
        say_json(found)
        return 0
    lines = [f"  · {plain(line)}" for line in found["told"]]
    if check:
        say([*lines, f"✔ {plain(found['name'])} could be published as {plain(found['version'])}; nothing was stored"])
    else:
        version = plain(found["version"])
        say([*lines, f"✔ published {plain(found['name'])} {version}", f"  Use it: shipway model promote {version}"])
    return 0


@click.command(name="list")
@options.as_json()
def list_versions(as_json: bool) -> int:
    """List the versions, their states and where each serves."""
    answer = client_here().get("models")
    if as_json:
        say_json(answer)
    else:
        say(model_table(answer))
    return 0


@click.command()
@click.argument("version")
@options.as_json()
def show(version: str, as_json: bool) -> int:
    """Show all that is known of a version.

    Training, data, metrics, who decided what and why, where it serves and where it served, features.
    """
    answer = client_here().get("models", version)
    if as_json:
        say_json(answer)
    else:
        say(model_lines(answer, time.time()))
    return 0


@click.command()
@options.environment(help="Only of this environment.")
@click.option("--at", metavar="TIME", help="What served then: 7d (ago), 2026-11-26T10:00.")
@options.as_json()
def history(environment: str | None, at: str | None, as_json: bool) -> int:
    """Say which version served when.

    And who trained it, on what; who approved it and why; who promoted it, how; how its probation ended. With --at also what
    answered or listened beside it.
    """
    now = time.time()
    moment = None if at is None else since_when(at, now, "--at")
    answer = client_here().get("models", "history", environment=environment, at=moment)
    if as_json:
        say_json(answer)
    else:
        say(history_lines(answer, now))
    return 0


@click.command()
@click.argument("a", metavar="VERSION")
@click.argument("b", metavar="OTHER")
@options.as_json()
def compare(a: str, b: str, as_json: bool) -> int:
    """Compare two versions.

    Both answer the same held-out rows: metrics, calibration, the rows they disagree on, latency, size.
    """
    tell(f"  · both versions answer the held-out rows; waiting up to {LENGTHY / 60:.0f} min")
    answer = client_here().get("models", a, "compare", b, timeout=LENGTHY)
    if as_json:
        say_json(answer)
    else:
        say([*(f"  · {plain(line)}" for line in answer["told"]), *comparison_lines(answer)])
    return 0


@click.command()
@click.argument("version")
@click.option("--service", metavar="SERVICE", help="Default: the one that has a model baked in, or serves the model.")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Default: the folder that shipway.yaml names, or `models` in the service's.",
)
@options.as_json()
def bake(version: str, service: str | None, into: Path | None, as_json: bool) -> int:
    """Copy a version into a service's folder.

    Committed, it goes through the pipeline with the code: `baked:` in shipway.yaml serves it from there.
    """
    folder = None if into is None else str(into.absolute())
    answer = client_here().post("models", version, "bake", service=service, into=folder)
    if as_json:
        say_json(answer)
    else:
        say(baked_lines(answer))
    return 0
