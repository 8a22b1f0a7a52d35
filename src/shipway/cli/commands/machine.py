"""`validate`, `doctor`, `demo`: what needs no daemon."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from shipway.cli import options
from shipway.cli.here import places as places_here
from shipway.cli.render.doctor import check_lines, conclusion
from shipway.cli.terminal import say, say_json, tell


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@options.as_json()
def validate(file: Path | None, as_json: bool) -> int:
    """Check shipway.yaml, and whether the newest commit holds what it speaks of.

    Every mistake is told with its line, what was found and what is allowed. Exit code 2 when there is one.
    """
    from shipway.description import committed_app
    from shipway.description.reader import load

    path = file or places_here().root / "shipway.yaml"
    app = load(path)
    commit, remarks = committed_app.check(path, app)
    paths = {name: app.path_to(name) for name in app.environments}
    if as_json:
        say_json({"valid": True, "app": app.app, "services": list(app.services), "paths": paths, "commit": commit})
        return 0
    model = f", model {app.model.name}" if app.model else ""
    say(f"✔ {path.name}: {app.app}, services {', '.join(app.services)}{model}")
    tell(f"– {remark}" for remark in remarks)
    for name, environment in app.environments.items():
        needs = f", approval by {' or '.join(environment.approval.roles)}" if environment.approval else ""
        say(f"  {environment.branch}: {' → '.join(paths[name])} ({environment.rollout.strategy}{needs})")
    return 0


@click.command()
@options.as_json()
def doctor(as_json: bool) -> int:
    """Look whether this machine has all it needs.

    Each line says what was found and how to mend what is missing; exit code 1 when something needed is.
    """
    from shipway.cli.doctor import examine  # heavy: only where it is needed

    checks = []
    for check in examine(places_here()):
        checks.append(check)
        if not as_json:
            say(check_lines(check))
    good = all(check.state != "bad" for check in checks)
    if as_json:
        say_json({"ok": good, "checks": [asdict(check) for check in checks]})
    else:
        say(conclusion(checks))
    return 0 if good else 1


@click.command()
@click.option("--keep", is_flag=True, help="Leave it running at the end and say how to stop it.")
@click.option("--clear", is_flag=True, help="Play nothing: stop and remove what earlier demos left.")
@options.as_json()
def demo(keep: bool, clear: bool, as_json: bool) -> int:
    """Play the whole story in a throwaway folder.

    Under steady load: first release, a good commit, a bad one that is rolled back, a new model, a killed control
    plane; each step with the requests that it sent and lost. Exit code 1 when a promise broke.
    """
    from shipway.demo import play  # heavy: only where it is needed

    return play.clear(as_json=as_json) if clear else play.main(as_json=as_json, keep=keep)
