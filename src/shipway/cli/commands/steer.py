"""`pause`, `resume`, `promote`, `abort`, `rollback`: a person's word about an environment."""

from __future__ import annotations

import click

from shipway.cli import options
from shipway.cli.client.protocol import Client
from shipway.cli.follow import hand_over
from shipway.cli.guarded import confirm_in
from shipway.cli.here import client as client_here
from shipway.cli.render.status import rollout_line
from shipway.cli.terminal import say, say_json

_RUNNING = "The environment whose rollout is meant."


@click.command()
@options.environment(required=True, help=_RUNNING)
@options.why()
@options.as_json()
def pause(environment: str, why: str, as_json: bool) -> int:
    """Keep a rollout at its present step.

    It is still watched: a bad candidate is rolled back.
    """
    return _steer(client_here(), environment, "pause", why, as_json)


@click.command()
@options.environment(required=True, help=_RUNNING)
@options.why()
@options.as_json()
def resume(environment: str, why: str, as_json: bool) -> int:
    """Let a paused rollout go on."""
    return _steer(client_here(), environment, "resume", why, as_json)


@click.command()
@options.environment(required=True, help=_RUNNING)
@click.option("--now", is_flag=True, help="Say it: the steps that are left are skipped.")
@options.why()
@options.yes()
@options.as_json()
def promote(environment: str, now: bool, why: str, yes: bool, as_json: bool) -> int:
    """Send all traffic to the candidate at once.

    The steps that are left are skipped, so `--now` has to be said. It can be said once the first step has begun.
    """
    if not now:
        raise click.UsageError("promote skips the steps that are left; say `--now` if that is what you want")
    client = client_here()
    confirm_in(client, environment, f"Skip the steps that are left in {environment}?", yes=yes)
    return _steer(client, environment, "promote", why, as_json)


@click.command()
@options.environment(required=True, help=_RUNNING)
@options.why()
@options.yes()
@options.as_json()
def abort(environment: str, why: str, yes: bool, as_json: bool) -> int:
    """End a rollout and keep what served before.

    All traffic goes back to the stable release, which never stopped.
    """
    client = client_here()
    confirm_in(client, environment, f"Abort the rollout in {environment}?", yes=yes)
    return _steer(client, environment, "abort", why, as_json)


@click.command()
@options.environment(required=True, help="The environment to take back.")
@options.why()
@options.yes()
@options.detach()
@options.as_json()
def rollback(environment: str, why: str, yes: bool, detach: bool, as_json: bool) -> int:
    """Go back to the release before.

    While the old side is kept warm this is one flip of the router; otherwise its tasks start first. While a rollout is
    under way it is aborted instead. Follows the run to its end.
    """
    client = client_here()
    confirm_in(client, environment, f"Take {environment} back to the release before?", yes=yes)
    run = client.post("environments", environment, "rollback", why=why)
    return hand_over(client, run, detach=detach, as_json=as_json)


def _steer(client: Client, environment: str, verb: str, why: str, as_json: bool) -> int:
    answer = client.post("environments", environment, verb, why=why)
    rollout = answer["rollout"]
    if as_json:
        say_json(answer)
    else:
        say(f"✔ {verb} of {environment} asked for" + (f"; now: {rollout_line(rollout)}" if rollout else ""))
    return 0
