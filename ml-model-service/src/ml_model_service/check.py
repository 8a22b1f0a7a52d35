"""`python -m ml_model_service.check FOLDER…`: whether this service would serve the versions in these folders.

They are loaded as a task loads them: metadata, digests, schema, engine, golden requests. Pickles only with --pickles,
as loading one runs whatever its author wrote. One line a folder; exit status 1 when one of them would not be served.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ml_model_service.versions.model import ModelError, load
from ml_model_service.versions.pickles import Bucket


def why_not(folder: Path, pickles: bool = False) -> str | None:
    """Why a task would not serve the version in `folder`; None when it would."""
    try:
        load(folder, bucket=Bucket(folder, trusted=pickles))
    except ModelError as error:
        return str(error).removeprefix(f"{folder.name}: ")
    return None


def main(arguments: list[str] | None = None) -> int:
    """0 when every folder's version would be served, else 1."""
    parser = argparse.ArgumentParser(prog="python -m ml_model_service.check", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--pickles", action="store_true", help="you trust the authors of pickles among them")
    given = parser.parse_args(arguments)
    found = {folder: why_not(folder, given.pickles) for folder in given.folders}
    for folder, why in found.items():
        print(f"{folder}: {'it is served' if why is None else f'it is not served: {why}'}")
    return 0 if set(found.values()) == {None} else 1


if __name__ == "__main__":
    sys.exit(main())
