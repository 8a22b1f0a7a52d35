"""`prune`: let go of what nobody needs any more."""

from __future__ import annotations

import click

from shipway.cli import options
from shipway.cli.here import client as client_here
from shipway.cli.render.disk import prunable_lines, size
from shipway.cli.terminal import confirm, say, say_json


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@options.yes()
@options.as_json()
def prune(dry_run: bool, yes: bool, as_json: bool) -> int:
    """Remove old builds, bundles, logs and captured requests.

    `retention:` in shipway.yaml says what is old. What serves, is kept warm or is being rolled out stays, and so do
    models, data and ground truth. The same happens once an hour by itself.
    """
    client = client_here()
    planned = client.get("prune")
    if dry_run or not planned["items"]:
        done = planned
    else:
        if not as_json:
            say(prunable_lines(planned))
        confirm(f"Remove {size(planned['bytes'])}?", yes)
        done = client.post("prune")
    if as_json:
        say_json({**done, "removed": not dry_run and bool(planned["items"])})
    elif not planned["items"]:
        say("– nothing is older than `retention:` in shipway.yaml allows")
    elif dry_run:
        say([*prunable_lines(planned), f"{size(planned['bytes'])} would go.  Do it: shipway prune"])
    else:
        say(f"✔ removed {size(done['bytes'])}; {size(done['usage']['bytes']['all'])} are left in .shipway")
    return 0
