"""What a search may vary: ranges of hyperparameters, as words of a command line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from training.parameters import HYPERPARAMETERS, Parameters, Parser, parameters

_RANGE = re.compile(r"([a-z-]{1,40})=([0-9.eE+-]{1,30})\.\.([0-9.eE+-]{1,30}?)(,log)?")
# the blocks of a model are how it is trained, not what it is
FIXED = ("block",)


@dataclass(frozen=True, slots=True)
class Range:
    """The values from `low` to `high`, both among them; `log`: those between are as likely by their logarithm."""

    name: str
    low: float
    high: float
    log: bool = False

    @property
    def distribution(self) -> BaseDistribution:
        """As Optuna has it."""
        if HYPERPARAMETERS[self.name]["type"] is int:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)


def varied(text: str) -> Range:
    """`leaves=7..127` or `learning-rate=0.01..0.3,log` as a range. Raises ValueError."""
    found = _RANGE.fullmatch(text)
    allowed = ", ".join(name for name in HYPERPARAMETERS if name not in FIXED)
    if found is None or found[1] not in HYPERPARAMETERS or found[1] in FIXED:
        raise ValueError(f"--vary: found {text[:60]!r}, allowed is NAME=LOW..HIGH or NAME=LOW..HIGH,log, of {allowed}")
    name, kind = found[1], HYPERPARAMETERS[found[1]]["type"]
    # whatever the trainings themselves would refuse is refused before the first of them
    for end in (found[2], found[3]):
        hyperparameters({name: end})
    low, high = kind(found[2]), kind(found[3])
    if not low < high:
        raise ValueError(f"--vary: found {text[:60]!r}, allowed is a lower end first: {name}={high}..{low}")
    return Range(name, low, high, found[4] is not None)


def hyperparameters(given: dict[str, str]) -> Parameters:
    """The parameters of a training with these hyperparameters. Raises ValueError."""
    parser = Parser("training.container tune", None, HYPERPARAMETERS)
    return parameters(parser, parser.parse_args([f"--{name}={value}" for name, value in given.items()]))


def defaults(space: list[Range], given: dict[str, str]) -> dict[str, float]:
    """What a training without a search would take. Raises ValueError where a range leaves that out."""
    found = {}
    for one in space:
        kind, default = HYPERPARAMETERS[one.name]["type"], HYPERPARAMETERS[one.name]["default"]
        value = kind(given.get(one.name, default))
        if not one.low <= value <= one.high:
            raise ValueError(
                f"--vary: found {one.name}={one.low}..{one.high}, allowed is a range that holds {value}, which a "
                "training without a search takes: so that it never ends in less than that"
            )
        found[one.name] = value
    return found
