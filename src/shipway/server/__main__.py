"""The daemon: `python -m shipway.server --root FOLDER`."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from shipway.core.errors import ShipwayError
from shipway.server.daemon import serve


def main() -> int:
    """Serve until told to stop; a fault at the start is one line of JSON on stderr and its exit code."""
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


sys.exit(main())
