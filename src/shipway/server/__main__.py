"""The daemon: `python -m shipway.server --root FOLDER [--target NAME]`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path

from shipway.core.errors import ShipwayError
from shipway.server.clean_start import start_clean


def main() -> int:
    """Serve until told to stop; a fault at the start is one line of JSON on stderr and its exit code."""
    start_clean()
    # Nothing that is kept here is for others, whatever the shell says: databases, captured requests, logs.
    os.umask(0o077)
    from shipway.server.daemon import serve  # heavy: not twice

    parser = argparse.ArgumentParser(prog="python -m shipway.server")
    parser.add_argument("--root", type=Path, required=True, help="the folder that holds shipway.yaml")
    parser.add_argument("--target", help="where the app runs")
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        arguments = parser.parse_args()
        serve(arguments.root.resolve(), arguments.target)
    except ShipwayError as error:
        told = {"what": error.what, "fix": error.fix, "state": error.state, "exit_code": error.exit_code}
        print(json.dumps({"error": told}), file=sys.stderr)
        return error.exit_code
    return 0


sys.exit(main())
