"""The daemon: `python -m shipway.server --root FOLDER`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path

from shipway.core.daemon_environment import kept
from shipway.core.errors import ShipwayError


def main() -> int:
    """Serve until told to stop; a fault at the start is one line of JSON on stderr and its exit code."""
    _let_go_of_the_starters_environment()
    # Nothing that is kept here is for others, whatever the shell says: databases, captured requests, logs.
    os.umask(0o077)
    from shipway.server.daemon import serve  # heavy: not twice

    parser = argparse.ArgumentParser(prog="python -m shipway.server")
    parser.add_argument("--root", type=Path, required=True, help="the folder that holds shipway.yaml")
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        serve(parser.parse_args().root.resolve())
    except ShipwayError as error:
        told = {"what": error.what, "fix": error.fix, "state": error.state, "exit_code": error.exit_code}
        print(json.dumps({"error": told}), file=sys.stderr)
        return error.exit_code
    return 0


def _let_go_of_the_starters_environment() -> None:
    """Begin again without it: what a process was started with can be read in `/proc` as long as it lives."""
    clean = kept(os.environ)
    if clean != dict(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], clean)  # noqa: S606 - the very program that runs


sys.exit(main())
