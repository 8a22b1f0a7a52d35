"""What changed between two looks at the status, one line each: the live view where nothing can be redrawn."""

from __future__ import annotations

from typing import Any

from shipway.cli.render.runs import doing, title
from shipway.cli.render.status import rollout_line, serves


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """A line for each environment, rollout and run whose state is another one now; none when nothing changed."""
    lines = []
    if before["router"] != after["router"]:
        lines.append("✔ router running" if after["router"]["running"] else "✘ router not running")
    known = {environment["name"]: environment for environment in before["environments"]}
    for environment in after["environments"]:
        old = known.get(environment["name"])
        if old is None or serves(old) != serves(environment):
            lines.append(f"· {serves(environment)}")
        rollout = environment["rollout"]
        if rollout and (old is None or old["rollout"] is None or rollout_line(old["rollout"]) != rollout_line(rollout)):
            lines.append(f"· {environment['name']}: rollout of {rollout['release']}: {rollout_line(rollout)}")
    told = {run["id"]: doing(run) for run in before["runs"]}
    lines += [f"· {title(run)}: {doing(run)}" for run in reversed(after["runs"]) if told.get(run["id"]) != doing(run)]
    return lines
