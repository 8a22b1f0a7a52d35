"""`shipway`: parse, dispatch, and turn every error into lines and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TextIO

import click

from shipway import __version__
from shipway.cli import hints
from shipway.cli.commands import (
    app,
    app_key,
    checks,
    daemon,
    demo,
    disk,
    features,
    infra,
    model,
    monitor,
    records,
    replay,
    runs,
    secrets,
    steer,
    train,
)
from shipway.cli.group import Group
from shipway.cli.render.errors import error_lines, error_object
from shipway.cli.terminal import say_json, tell
from shipway.core.errors import ShipwayError, UsageError

INTERRUPTED = 130


app.app.add_command(app_key.key)

SECTIONS = {
    "Deliver": (runs.deploy, runs.approve, runs.reject, runs.retry, steer.rollback),
    "Steer a rollout": (steer.pause, steer.resume, steer.promote, steer.abort),
    "Look": (daemon.status, runs.runs, runs.run, records.releases, records.logs, records.audit),
    "Model": (model.model, train.train, monitor.monitor, features.features, replay.replay),
    "App on devices": (app.app,),
    "Secrets": (secrets.secrets,),
    "Infrastructure": (infra.infra,),
    "Run Shipway": (
        *(daemon.up, daemon.down, daemon.reload, daemon.repair, disk.prune),
        *(checks.validate, checks.doctor, demo.demo),
    ),
}
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=Group, sections=SECTIONS, context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="shipway")
@click.option("--target", metavar="TARGET", help="Where the app runs; default: SHIPWAY_TARGET, or this machine.")
def shipway(target: str | None) -> None:
    """From commit to production without dropping a request.

    Every command works on the app whose shipway.yaml lies in this folder or above it. `--json` prints one object for
    programs. Exit codes: 0 done, 1 fault, 2 usage, 3 refused by a gate, 4 rolled back. A first release that fails is a
    fault: there is nothing to go back to.
    """
    hints.for_target(target, shipway.commands)


def main() -> None:
    """The program `shipway`."""
    if sys.argv[1:2] == ["up"]:
        # It may stay as long as the daemon does, and what it was started with could be read as long.
        from shipway.server.clean_start import start_clean

        start_clean()
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Carry a command out and answer its exit code."""
    hints.for_target(None, ())
    try:
        try:
            return int(shipway.main(list(arguments), prog_name="shipway", standalone_mode=False) or 0)
        except click.exceptions.NoArgsIsHelpError as error:
            tell(error.format_message().splitlines())
            return UsageError.exit_code
        except click.UsageError as error:
            where = f"{error.ctx.command_path} --help" if error.ctx else "shipway --help"
            return _failed(UsageError(error.format_message(), fix=where), arguments)
        except click.ClickException as error:
            return _failed(UsageError(error.format_message()), arguments)
        except ShipwayError as error:
            return _failed(error, arguments)
        except (KeyboardInterrupt, click.Abort):
            return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone, which is no fault of ours; nothing may be flushed there at exit.
        _silence(sys.stdout)
        _silence(sys.stderr)
        return 1


def _failed(error: ShipwayError, arguments: Sequence[str]) -> int:
    tell(error_lines(error))
    if "--json" in arguments:
        say_json(error_object(error))
    return error.exit_code


def _silence(stream: TextIO) -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)
