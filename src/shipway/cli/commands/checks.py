"""`validate`, `doctor`: what needs no daemon."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import click

from shipway.cli import here, options
from shipway.cli.render.doctor import check_lines, conclusion
from shipway.cli.terminal import say, say_json, tell
from shipway.core.checks import Check
from shipway.core.description import DESCRIPTION
from shipway.core.errors import ShipwayError

_TIMEOUT = 10.0


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@options.as_json()
def validate(file: Path | None, as_json: bool) -> int:
    """Check shipway.yaml, and whether the newest commit holds what it speaks of.

    Every mistake is told with its line, what was found and what is allowed. Exit code 2 when there is one.
    """
    from shipway.description import committed_app
    from shipway.description.reader import load

    path = file or here.root() / DESCRIPTION
    app = load(path)
    commit, remarks = committed_app.check(path, app)
    paths = {name: app.path_to(name) for name in app.environments}
    if as_json:
        found = {"valid": True, "app": app.app, "services": list(app.services), "paths": paths, "commit": commit}
        say_json({**found, "device_apps": list(app.apps), "remarks": remarks})
        return 0
    model = f", model {app.model.name}" if app.model else ""
    devices = f", on devices {', '.join(app.apps)}" if app.apps else ""
    say(f"✔ {path.name}: {app.app}, services {', '.join(app.services)}{model}{devices}")
    tell(f"– {remark}" for remark in remarks)
    for name, environment in app.environments.items():
        needs = f", approval by {' or '.join(environment.approval.roles)}" if environment.approval else ""
        say(f"  {environment.branch}: {' → '.join(paths[name])} ({environment.rollout.strategy}{needs})")
    return 0


@click.command()
@options.as_json()
def doctor(as_json: bool) -> int:
    """Look whether this machine has all it needs.

    Each line says what was found and how to get what is missing; exit code 1 when something needed is.
    """
    daemon, checks = AskedDaemon(), []
    for check in chain(here.target().checks(daemon.checks(), daemon.ports), _demos()):
        checks.append(check)
        if not as_json:
            say(check_lines(check))
    good = all(check.state != "bad" for check in checks)
    if as_json:
        say_json({"ok": good, "checks": [asdict(check) for check in checks]})
    else:
        say(conclusion(checks))
    return 0 if good else 1


class AskedDaemon:
    """What the daemon says of itself, asked when the checks come to it."""

    def __init__(self) -> None:
        self._status: dict[str, Any] | None = None

    def checks(self) -> Iterator[Check]:
        """Whether it runs, which is no fault if it does not, and whether every part of it does its work."""
        daemon = here.target().daemon()
        if daemon is None:
            return
        try:
            self._status = status = here.client_of(daemon).get("status", timeout=_TIMEOUT)
        except ShipwayError as error:
            if error.fix:
                yield Check("daemon", "bad", error.what, error.fix)
            else:
                yield Check("daemon", "optional", "not running", "shipway up --detach")
            return
        yield Check("daemon", "good", f"pid {status['pid']}, Shipway {status['version']}")
        # One that is stuck or has ended leaves tasks or router alone.
        faults = [f"what {loop['purpose']} {loop['fault']}" for loop in status["loops"] if loop["fault"]]
        fix = "shipway logs --daemon; shipway down --keep-tasks, then shipway up"
        yield from (Check("control plane", "bad", fault, fix) for fault in faults)
        if not faults:
            loops = len(status["loops"])
            yield Check("control plane", "good", f"{loops} loops look after tasks, router and rollouts")

    def ports(self) -> set[int]:
        """Those of the environments while the router listens there; none are known without a daemon."""
        status = self._status
        if status is None or not status["router"]["running"]:
            return set()
        urls = [environment[key] for environment in status["environments"] for key in ("url", "https_url")]
        return {int(url.rsplit(":", 1)[1]) for url in urls if url}


def _demos() -> Iterator[Check]:
    """Demos that were killed before they could clean up. Those that were kept on purpose are no fault."""
    from shipway.demo.leftovers import leftovers  # heavy: only where it is needed

    for left in leftovers():
        if not left.kept:
            found = f"{left.folder} was left by a killed demo, {left.running} processes run in it"
            yield Check("demo", "optional", found, "shipway demo --clear")
