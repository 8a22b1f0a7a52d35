"""What shapes a model, and its windows: options of a command line, hyperparameters of a job."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import date
from typing import Any, NoReturn

BLOCK = 50
"""Trees of a block, where nothing else is said."""
SETTINGS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.03,
    "num_leaves": 31,
    "min_data_in_leaf": 200,
    "cat_smooth": 50.0,
    "feature_fraction": 0.7,
    "seed": 2013,
}
HYPERPARAMETERS: dict[str, dict[str, Any]] = {
    "rounds": {"type": int, "default": 200, "help": "number of trees, 1 to 5000"},
    "learning-rate": {"type": float, "default": SETTINGS["learning_rate"], "help": "above 0, up to 1"},
    "leaves": {"type": int, "default": SETTINGS["num_leaves"], "help": "leaves of a tree, 2 to 1024"},
    "block": {"type": int, "default": BLOCK, "help": "trees between two checkpoints, 1 to 5000; another model each"},
    "leaf-rows": {"type": int, "default": SETTINGS["min_data_in_leaf"], "help": "least rows of a leaf, 1 to 100000"},
    "column-share": {
        "type": float,
        "default": SETTINGS["feature_fraction"],
        "help": "share of the columns that a tree sees, up to 1",
    },
}
WINDOWS: dict[str, dict[str, Any]] = {
    "from": {"dest": "begin", "type": date.fromisoformat, "default": date(2013, 1, 1)},
    "until": {"type": date.fromisoformat, "default": date(2013, 7, 1), "help": "first day not trained on"},
    "test-until": {"type": date.fromisoformat, "default": date(2013, 8, 1), "help": "first day not tested on"},
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """How a model is grown; `settings` are LightGBM's."""

    rounds: int
    block: int
    settings: dict[str, Any]

    def described(self) -> dict[str, Any]:
        """For metadata.json."""
        return {"rounds": self.rounds, "block": self.block, **self.settings}


@dataclass(frozen=True, slots=True)
class Windows:
    """`[begin, end)` is trained on and `[end, test_end)` tested on, in scheduled days."""

    begin: date
    end: date
    test_end: date

    def described(self) -> dict[str, str]:
        """For metadata.json."""
        return {"from": str(self.begin), "until": str(self.end), "test_until": str(self.test_end)}


class Parser(argparse.ArgumentParser):
    """Takes options by whole names only; raises ValueError on a mistake, so that a container can hand that on."""

    def __init__(self, program: str, description: str | None, options: dict[str, dict[str, Any]]) -> None:
        super().__init__(prog=f"python -m {program}", description=description, allow_abbrev=False)
        for name, settings in options.items():
            self.add_argument(f"--{name}", **settings)

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; see {self.prog} --help")


def windows(parser: Parser, given: argparse.Namespace) -> Windows:
    """The windows of parsed options. Raises ValueError."""
    if not given.begin < given.until < given.test_until:
        parser.error("the days must be in order: --from before --until before --test-until")
    return Windows(given.begin, given.until, given.test_until)


def parameters(parser: Parser, given: argparse.Namespace) -> Parameters:
    """The parameters of parsed options. Raises ValueError."""
    if not 1 <= given.rounds <= 5000:
        parser.error(f"--rounds {given.rounds}: allowed is 1 to 5000")
    if not 0 < given.learning_rate <= 1:
        parser.error(f"--learning-rate {given.learning_rate}: allowed is above 0, up to 1")
    if not 2 <= given.leaves <= 1024:
        parser.error(f"--leaves {given.leaves}: allowed is 2 to 1024")
    if not 1 <= given.block <= 5000:
        parser.error(f"--block {given.block}: allowed is 1 to 5000")
    if not 1 <= given.leaf_rows <= 100_000:
        parser.error(f"--leaf-rows {given.leaf_rows}: allowed is 1 to 100000")
    if not 0 < given.column_share <= 1:
        parser.error(f"--column-share {given.column_share}: allowed is above 0, up to 1")
    chosen = {
        "learning_rate": given.learning_rate,
        "num_leaves": given.leaves,
        "min_data_in_leaf": given.leaf_rows,
        "feature_fraction": given.column_share,
    }
    return Parameters(given.rounds, given.block, {**SETTINGS, **chosen})
