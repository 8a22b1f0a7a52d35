"""`app list | show | devices | crashes | promote | split | pause | rollback`: bundles of the app that devices run."""

from __future__ import annotations

import time
from typing import Any

import click

from shipway.cli import options
from shipway.cli.group import Group
from shipway.cli.guarded import confirm_in
from shipway.cli.here import client as client_here
from shipway.cli.render.apps import bundle_table, crash_lines, device_lines, offering_lines
from shipway.cli.terminal import say, say_json

_WHERE = "The environment whose devices are meant."


@click.group(cls=Group)
def app() -> None:
    """The app on devices: list, show, crashes, promote, split, rollback.

    A release brings its bundle: once it serves, the bundle goes out by itself, as `apps:` in shipway.yaml says.
    """


@app.command(name="list")
@options.as_json()
def list_bundles(as_json: bool) -> int:
    """List the bundles, and what each is in which environment."""
    answer = client_here().get("bundles")
    if as_json:
        say_json(answer)
    else:
        say(bundle_table(answer["bundles"], time.time()))
    return 0


@app.command()
@options.environment(required=True, help=_WHERE)
@options.as_json()
def show(environment: str, as_json: bool) -> int:
    """Show what devices are offered, and what became of that."""
    return _said(client_here().get("environments", environment, "app"), as_json)


@app.command()
@options.environment(required=True, help=_WHERE)
@options.as_json()
def devices(environment: str, as_json: bool) -> int:
    """Show how many devices run which bundle, and when they were last seen.

    A device that does not call can't be told anything: what it runs is what it was last seen with.
    """
    answer = client_here().get("environments", environment, "app")
    if as_json:
        say_json({name: answer[name] for name in ("environment", "seen", "taken_back")})
    else:
        say(device_lines(answer, time.time()))
    return 0


@app.command()
@options.environment(required=True, help=_WHERE)
@options.as_json()
def crashes(environment: str, as_json: bool) -> int:
    """Show uncaught errors on devices, by bundle and place.

    At the app's own source where the bundle's maps say it. With the web vitals of each bundle, at the 75th percentile.
    """
    answer = client_here().get("environments", environment, "app", "crashes")
    if as_json:
        say_json(answer)
    else:
        say(crash_lines(answer, time.time()))
    return 0


@app.command()
@click.argument("bundle", required=False)
@options.environment(required=True, help=_WHERE)
@options.why()
@options.yes()
@options.as_json()
def promote(bundle: str | None, environment: str, *, why: str, yes: bool, as_json: bool) -> int:
    """Offer a bundle to every device at once.

    By default the one that is on its way. It must fit the API that serves.
    """
    client = client_here()
    confirm_in(
        client, environment, f"Offer {bundle or 'the bundle on its way'} to every device of {environment}?", yes=yes
    )
    return _said(client.post("environments", environment, "app", "promote", version=bundle, why=why), as_json)


@app.command()
@click.argument("share", metavar="BUNDLE=PERCENT")
@options.environment(required=True, help=_WHERE)
@options.why()
@options.yes()
@options.as_json()
def split(share: str, environment: str, *, why: str, yes: bool, as_json: bool) -> int:
    """Offer a bundle to a fixed share of the devices.

    `shipway app split 1.0.0-4f53cda18c2b=10% --env prod`. It goes no further by itself until `shipway app pause --off`;
    a bad one is taken back all the same. Raising the share only adds devices.
    """
    client = client_here()
    confirm_in(client, environment, f"Offer {share} of the devices of {environment}?", yes=yes)
    return _said(client.post("environments", environment, "app", "split", share=share, why=why), as_json)


@app.command()
@options.environment(required=True, help=_WHERE)
@click.option("--off", is_flag=True, help="Let it go on.")
@options.why()
@options.as_json()
def pause(environment: str, *, off: bool, why: str, as_json: bool) -> int:
    """Let the bundle on its way stay at its share.

    It is judged all the same: a bad one is taken back.
    """
    return _said(client_here().post("environments", environment, "app", "pause", off=off, why=why), as_json)


@app.command()
@options.environment(required=True, help=_WHERE)
@options.why()
@options.yes()
@options.as_json()
def rollback(environment: str, *, why: str, yes: bool, as_json: bool) -> int:
    """Take back the bundle on its way, else the one of every device.

    Devices are given the one before, or the one that came with the native app. The release goes on serving.
    """
    client = client_here()
    confirm_in(client, environment, f"Take the newest bundle back from the devices of {environment}?", yes=yes)
    return _said(client.post("environments", environment, "app", "rollback", why=why), as_json)


def _said(answer: dict[str, Any], as_json: bool) -> int:
    if as_json:
        say_json(answer)
    else:
        say(offering_lines(answer, time.time()))
    return 0
