"""Training job: channel `training` of prepared rows to a model, in blocks of trees with a checkpoint after each.

Leaves model/model.txt and model/training.json. Where the platform gives a checkpoints folder, a job that was stopped
goes on from there and ends in the same bytes; a checkpoint of other data or parameters is passed over.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from training.container import json_object, write_to_the_end
from training.features import NAMES
from training.files import MODEL_FILE, TRAINED_FILE, write_atomically
from training.parameters import HYPERPARAMETERS, Parameters, Parser, parameters
from training.prepare import Rows, categories
from training.steps.folders import read_rows

CHECKPOINT = "checkpoint.json"
# what the platform adds to a tuning job's hyperparameters, and its own SDK to any
_PLATFORMS_OWN = ("_", "sagemaker_")


def run(base: Path, options: list[str]) -> None:
    """Raises ValueError on wrong input, OSError where nothing can be written."""
    asked = asked_for(base)
    refuse_several_hosts(base)
    model = base / "model"
    model.mkdir(exist_ok=True)
    # told before the training, not after it
    if not os.access(model, os.W_OK | os.X_OK):
        raise PermissionError(f"{model} cannot be written by user {os.getuid()}")

    table = read_rows(base / "input" / "data" / "training")
    rows = Rows(table, 0)
    if rows.labels.all() or not rows.labels.any():
        raise ValueError(f"training: found {table.height:,} rows of one outcome, allowed are rows of both")
    values = categories(rows)
    matrix = rows.matrix(values)
    print(f"training: {table.height:,} rows, {rows.labels.mean():.1%} late", flush=True)

    # LightGBM takes two seconds to import: what is wrong above is said before
    from training.fit import fit

    content = hashlib.sha256(matrix.tobytes() + rows.labels.tobytes()).hexdigest()
    identity = {"rows": content, "categories": values, "parameters": asked.described()}
    kept = Checkpoints(base / "checkpoints", identity)
    booster = fit(
        matrix, rows.labels, asked.rounds, asked.settings, block=asked.block, begun=kept.last(), done=kept.keep
    )
    text = booster.model_to_string().encode()
    described = {
        "sha256": hashlib.sha256(text).hexdigest(),
        "features": list(NAMES),
        "categories": values,
        "parameters": asked.described(),
        "rows": table.height,
    }
    write_to_the_end()
    write_atomically(model / MODEL_FILE, text)
    write_atomically(model / TRAINED_FILE, json.dumps(described, indent=1).encode() + b"\n")
    print(f"trained {booster.num_trees()} trees", flush=True)


class Checkpoints:
    """The model as it was at the end of the last block. Without the platform's folder nothing is kept."""

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self._path = folder / CHECKPOINT
        self._of = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def last(self) -> str | None:
        """The text of the model to go on from; None to begin anew."""
        try:
            found = json.loads(self._path.read_bytes())
            text = found["model"]
            whole = (found["of"], found["sha256"]) == (self._of, hashlib.sha256(text.encode()).hexdigest())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            whole = False
        if not whole:
            print(f"{self._path}: of other data or parameters, or broken: passed over", flush=True)
            return None
        print(f"going on after {found['trees']} trees", flush=True)
        return str(text)

    def keep(self, trees: int, text: str) -> None:
        """Remember the end of a block."""
        print(f"{trees} trees", flush=True)
        if self._path.parent.is_dir():
            found = {"of": self._of, "trees": trees, "sha256": hashlib.sha256(text.encode()).hexdigest(), "model": text}
            write_atomically(self._path, json.dumps(found).encode())


def asked_for(base: Path) -> Parameters:
    """The job's own hyperparameters. Raises ValueError when their file is not what it should be."""
    path = base / "input" / "config" / "hyperparameters.json"
    given = json_object(path)
    if given is None:
        raise ValueError(f"{path} is missing: the platform lays it there, with {{}} where all values are the defaults")
    for name, value in given.items():
        if not isinstance(value, str):
            raise ValueError(f"{path.name}: {name[:80]}: found {json.dumps(value)[:80]}, allowed is a string")
    own = {name: value for name, value in given.items() if not name.startswith(_PLATFORMS_OWN)}
    for name in own:
        if name not in HYPERPARAMETERS:
            raise ValueError(f"{path.name}: found {name[:80]}, allowed are {', '.join(HYPERPARAMETERS)}")
    parser = Parser("training.container train", __doc__, HYPERPARAMETERS)
    return parameters(parser, parser.parse_args([f"--{name}={value}" for name, value in own.items()]))


def refuse_several_hosts(base: Path) -> None:
    """Raises ValueError when the job has several instances: each would write the same files."""
    path = base / "input" / "config" / "resourceconfig.json"
    hosts = (json_object(path) or {}).get("hosts", [])
    if len(hosts) > 1:
        raise ValueError(f"{path.name}: found {len(hosts)} hosts, allowed is 1: this training runs on one instance")
