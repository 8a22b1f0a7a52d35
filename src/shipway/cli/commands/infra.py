"""`infra`: what the app runs on, as code in its repository."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from shipway.cli import here, options
from shipway.cli.group import Group
from shipway.cli.render.infra import plan_line, written_lines
from shipway.cli.terminal import confirm, say, say_json, style_of, tell
from shipway.core.description import DESCRIPTION
from shipway.core.errors import Refused, UsageError
from shipway.core.infrastructure import InfraPlan, Infrastructure


@click.group(cls=Group)
def infra() -> None:
    """What the app runs on, written and applied by Terraform.

    For targets that need something made before the first deploy. Roots are applied in this order: bootstrap, app, what
    environments share, each environment.
    """


@infra.command()
@click.option("--size", metavar="SIZE", help="Write it into shipway.yaml first; default: what stands there.")
@click.option("--like", "likes", multiple=True, metavar="ENV=KIND", help="Which of dev, stage, prod ENV is made like.")
@click.option("--force", is_flag=True, help="Overwrite files that somebody edited, too.")
@options.as_json()
def init(size: str | None, likes: tuple[str, ...], force: bool, as_json: bool) -> int:
    """Write roots and modules into infra/.

    They are those of this Shipway; a newer one renews them by the same command. What somebody edited stays, and the
    difference is shown. An environment that is called neither dev, stage nor prod is made like one of them.
    """
    written = _infrastructure(quiet=as_json).init(size=size, like=dict(map(_pair, likes)), force=force)
    if as_json:
        say_json(asdict(written))
    else:
        say(written_lines(written))
    return 0


@infra.command()
@click.argument("root")
@options.as_json()
def plan(root: str, as_json: bool) -> int:
    """Show what applying ROOT would change.

    ROOT is an environment, app, bootstrap or shared-nonprod.
    """
    found = _infrastructure(quiet=as_json).plan(root)
    if as_json:
        say_json(asdict(found))
    else:
        say(plan_line(found))
    return 0


@infra.command()
@click.argument("root")
@options.yes()
def apply(root: str, yes: bool) -> int:
    """Plan ROOT, show the plan, and apply exactly that.

    Done once a further plan finds nothing to change.
    """
    infrastructure = _infrastructure()
    planned = infrastructure.plan(root)
    if planned.changes:
        confirm(f"{plan_line(planned)}. Apply it?", yes)
    return _carry_out(infrastructure, planned)


@infra.command()
@click.argument("root")
@click.option("--app", "typed", metavar="NAME", help="The app's name, instead of typing it.")
def destroy(root: str, typed: str | None) -> int:
    """Take everything away that ROOT made.

    Asks for the app's name. What is protected gives its protection up first: `protected = false` in ROOT's
    terraform.tfvars, applied.
    """
    from shipway.description.reader import load

    name = load(here.root() / DESCRIPTION).app
    if typed is not None and typed != name:
        raise Refused(f"the app is called {name}, not {typed}", state="nothing was destroyed", fix=f"--app {name}")
    infrastructure = _infrastructure()
    planned = infrastructure.plan(root, destroy=True)
    if planned.changes and typed is None:
        _ask_for(name, planned)
    return _carry_out(infrastructure, planned)


def _carry_out(infrastructure: Infrastructure, planned: InfraPlan) -> int:
    if not planned.changes:
        say(f"– {planned.root}: nothing to {'destroy' if planned.destroys else 'change'}")
        return 0
    infrastructure.apply(planned)
    say(f"✔ {planned.root}: {'destroyed' if planned.destroys else 'applied'}; a new plan finds nothing to change")
    return 0


def _ask_for(name: str, planned: InfraPlan) -> None:
    """Let the app's name be typed. Raises Refused."""
    fix = f"type {name}, or say --app {name}"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused("nobody can be asked for the app's name here", state="nothing was destroyed", fix=fix)
    sys.stderr.write(style_of(sys.stderr).draw(f"{plan_line(planned)}. Type the app's name to do it: "))
    sys.stderr.flush()
    if sys.stdin.readline().strip() != name:
        raise Refused("that is not the app's name", state="nothing was destroyed", fix=fix)


def _infrastructure(*, quiet: bool = False) -> Infrastructure:
    """The target's. What it says goes to stdout, or where `quiet` to stderr."""
    return here.target().infrastructure(tell if quiet else say, colour=not quiet and style_of(sys.stdout).colour)


def _pair(text: str) -> tuple[str, str]:
    environment, equals, kind = text.partition("=")
    if not equals:
        raise UsageError(f"--like {text}: not ENV=KIND", fix="such as: --like staging=stage")
    return environment, kind
