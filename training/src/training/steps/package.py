"""Processing job: inputs `model`, `training`, `test`, `prepared`, perhaps `lineage`, to output/package: a folder that
`shipway model publish` takes.

lineage/lineage.json is the platform's: a JSON object with the commit, the run, the parent version, the lock's digest,
the gate's verdict, the author.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.container import json_object, write_to_the_end
from training.package import AUTHOR, Provenance, describe_model, write_model
from training.prepare import Rows
from training.steps.folders import given, left, no_options, read_rows
from training.trained import read_trained

LINEAGE = ("author", "commit", "run", "parent", "lock", "gate")
_MOST_TEXT = 500


def run(base: Path, options: list[str]) -> None:
    """Raises WrongModel, WrongData, ValueError for a lineage that is none or a test window without rows."""
    no_options(options, "package")
    place = left(base, "package")
    trained = read_trained(given(base, "model"))
    learned, rows = (Rows(read_rows(given(base, name)), 0) for name in ("training", "test"))
    if not rows.labels.size:
        raise ValueError("test: found no rows, allowed is one or more: a version is checked on held-out rows")
    prepared = json_object(given(base, "prepared") / "prepared.json")
    if prepared is None:
        raise ValueError("prepared.json is missing: the prepare step leaves it in output/prepared")
    lineage = read_lineage(given(base, "lineage") / "lineage.json")
    files, described = describe_model(
        trained,
        learned,
        rows,
        Provenance(
            author=lineage.pop("author", AUTHOR),
            dataset_version=prepared["dataset_version"],
            window={name: prepared[name] for name in ("from", "until", "test_until")},
            lineage=lineage,
        ),
    )
    write_to_the_end()
    write_model(place, files, described)


def read_lineage(path: Path) -> dict[str, Any]:
    """What the platform says of where the model comes from. Raises ValueError."""
    found = json_object(path) or {}
    for name, value in found.items():
        if name not in LINEAGE:
            raise ValueError(f"lineage.json: found {name[:60]}, allowed are {', '.join(LINEAGE)}")
        if name != "gate" and not (value is None or (isinstance(value, str) and 0 < len(value) <= _MOST_TEXT)):
            raise ValueError(f"lineage.json: {name}: allowed is text of 1 to {_MOST_TEXT} characters, or null")
    return found
