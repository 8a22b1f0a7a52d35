"""`model approve | reject | archive | promote | rollback`: the life of a version."""

from __future__ import annotations

from typing import Any

import click

from shipway.cli import options
from shipway.cli.client.protocol import Client
from shipway.cli.follow import hand_over
from shipway.cli.here import client as client_here
from shipway.cli.render.models import decided_lines
from shipway.cli.render.text import plain
from shipway.cli.terminal import confirm, say, say_json, tell

_WHERE = "Only this environment; may be given several times. Default: every one that serves."


def _reason(command: Any) -> Any:
    return click.option("--why", required=True, metavar="TEXT", help="The reason; it stays with the version.")(command)


@click.command()
@click.argument("version")
@_reason
@options.detach()
@options.as_json()
def approve(version: str, why: str, detach: bool, as_json: bool) -> int:
    """Say that a version is fit for production.

    It takes the roles of every approval policy. It goes by itself where `model.on_approval` in shipway.yaml says so.
    """
    return _decided("approve", version, why, detach, as_json)


@click.command()
@click.argument("version")
@_reason
@options.as_json()
def reject(version: str, why: str, as_json: bool) -> int:
    """Say that a version is unfit.

    It is not promoted and not deployed any more. Where it serves it goes on serving until you take it back.
    """
    return _decided("reject", version, why, True, as_json)


@click.command()
@click.argument("version")
@_reason
@options.as_json()
def archive(version: str, why: str, as_json: bool) -> int:
    """Put a version away that nobody uses.

    It must not serve anywhere, nor be the latest.
    """
    return _decided("archive", version, why, True, as_json)


@click.command()
@click.argument("version")
@options.environments(_WHERE)
@click.option("--canary", is_flag=True, help="By the environment's own rollout, compared with the version before.")
@click.option("--next-release", is_flag=True, help="Only new releases take it; what runs keeps its version.")
@options.why()
@options.yes()
@options.detach()
@options.as_json()
def promote(
    version: str,
    environments: tuple[str, ...],
    *,
    canary: bool,
    next_release: bool,
    why: str,
    yes: bool,
    detach: bool,
    as_json: bool,
) -> int:
    """Make a version the current one.

    New releases take it, and running tasks swap to it without a new build. That approves a pending version.
    """
    if next_release and (canary or environments):
        raise click.UsageError("--next-release leaves what runs alone: it goes without --env and --canary")
    client = client_here()
    _ask(
        client,
        f"Let new releases take model {version}" if next_release else f"Serve model {version}",
        environments,
        yes,
    )
    answer = client.post(
        "models", version, "promote", environments=environments, why=why, canary=canary, next_release=next_release
    )
    if next_release and not as_json:
        say(
            [
                f"✔ {plain(version)} is approved, and new releases take it; what runs keeps its version",
                "  Bring it: shipway deploy",
            ]
        )
        return 0
    return _told(client, answer, detach, as_json)


@click.command()
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


def _decided(action: str, version: str, why: str, detach: bool, as_json: bool) -> int:
    client = client_here()
    answer = client.post("models", version, action, why=why)
    run = answer["run"]
    if as_json and (detach or not run):
        say_json(answer)
    else:
        (tell if as_json else say)(decided_lines(answer))
    return hand_over(client, run, detach=detach, as_json=as_json) if run and not (as_json and detach) else 0


def _ask(client: Client, what: str, environments: tuple[str, ...], yes: bool) -> None:
    if yes:
        return
    guarded = [
        environment["name"]
        for environment in client.get("status")["environments"]
        if environment["approval"]
        and environment["release"]
        and environment["name"] in (environments or [environment["name"]])
    ]
    confirm(f"{what} in {', '.join(guarded)}?", not guarded)


def _told(client: Client, answer: dict[str, Any], detach: bool, as_json: bool) -> int:
    if answer["run"]:
        return hand_over(client, answer["run"], detach=detach, as_json=as_json)
    if as_json:
        say_json(answer)
    elif told := answer.get("told"):
        say([f"✔ {plain(line)}" for line in told])
    else:
        say(f"✔ {plain(answer['latest'])} is approved, and the latest; nothing serves yet, so nothing else changed")
    return 0
