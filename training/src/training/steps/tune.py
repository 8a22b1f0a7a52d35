"""Processing job: input `training` (prepared rows) to output/tuning/tuning.json: trials, and the best one's parameters.

Those are for the hyperparameters of `train`. Where the platform gives a checkpoints folder, a search that was stopped
goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.parameters import HYPERPARAMETERS, Parameters, Parser
from training.steps.folders import given, left, read_rows, write_reports

JOURNAL = "trials.jsonl"
MOST_TRIALS, MOST_JOBS, MOST_MONTHS = 10_000, 64, 24
OPTIONS: dict[str, dict[str, Any]] = {
    "trials": {"type": int, "default": 20, "help": f"1 to {MOST_TRIALS}"},
    "vary": {"action": "append", "default": [], "help": "leaves=7..127 or learning-rate=0.01..0.3,log; many times"},
    "set": {"action": "append", "default": [], "help": "a hyperparameter of all trials: rounds=100; many times"},
    "months": {"type": int, "default": 3, "help": f"newest months to predict, 1 to {MOST_MONTHS}"},
    "seed": {"type": int, "default": 2013, "help": "of the search"},
    "jobs": {"type": int, "default": 1, "help": f"trials at a time, 1 to {MOST_JOBS}; more than 1 cannot be repeated"},
}


def run(base: Path, options: list[str]) -> None:
    """Raises WrongData, ValueError for wrong options or too few months, OSError where nothing can be written."""
    parser = Parser("training.container tune", __doc__, OPTIONS)
    asked = parser.parse_args(options)
    for name, most in (("trials", MOST_TRIALS), ("jobs", MOST_JOBS), ("months", MOST_MONTHS)):
        if not 1 <= getattr(asked, name) <= most:
            parser.error(f"--{name} {getattr(asked, name)}: allowed is 1 to {most}")
    fixed = settings(asked.set)

    # LightGBM and Optuna take seconds to import: what is wrong above is said before
    from training.search_space import defaults, hyperparameters, varied
    from training.tune import Search, search, split

    space = [varied(text) for text in asked.vary]
    if not space or len({one.name for one in space}) < len(space):
        raise ValueError(
            "tune: found no --vary, or one twice; allowed is each hyperparameter once: --vary leaves=7..127"
        )
    place = left(base, "tuning")
    table = read_rows(given(base, "training"))
    months = split(table, asked.months)
    print(f"tune: {', '.join(month.name for month in months)} of {table.height:,} rows are predicted", flush=True)

    def parameters(values: Mapping[str, Any]) -> Parameters:
        return hyperparameters({**fixed, **{name: str(value) for name, value in values.items()}})

    whole = Search(months, space, defaults(space, fixed), parameters, asked.seed)
    identity = {
        "rows": [hashlib.sha256(month.asked.tobytes() + month.known.tobytes()).hexdigest() for month in months],
        "labels": [hashlib.sha256(month.labels.tobytes() + month.outcomes.tobytes()).hexdigest() for month in months],
        "given": [sorted(asked.vary), sorted(asked.set), asked.seed, asked.jobs],
    }
    study = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    if asked.jobs > 1:
        print(f"tune: {asked.jobs} trials at a time: another search would make other trials", flush=True)
    with tempfile.TemporaryDirectory() as nowhere:
        kept = base / "checkpoints"
        journal = (kept if kept.is_dir() else Path(nowhere)) / JOURNAL
        found = search(whole, asked.trials, asked.jobs, journal, study, lambda line: print(line, flush=True))
    write_reports({place / "tuning.json": found})


def settings(words: list[str]) -> dict[str, str]:
    """`rounds=100` as a hyperparameter. Raises ValueError."""
    found = {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in HYPERPARAMETERS or not value or name in found:
            raise ValueError(f"--set: found {word[:60]!r}, allowed is NAME=VALUE once, of {', '.join(HYPERPARAMETERS)}")
        found[name] = value
    return found
