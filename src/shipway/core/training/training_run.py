"""What a training has come to: the record of a run of the kind `train`, beside its `Run`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shipway.core.training.champion import Decision
from shipway.core.training.evidence import Evidence
from shipway.core.training.steps import StepDone
from shipway.core.training.windows import Window


@dataclass(frozen=True, slots=True)
class Search:
    """What a search for parameters found: `brier` of the best trial, and of the `first`, which is without a search.

    `pruned` of the `trials` were given up. `reproducible`: one at a time, so another search makes the same trials.
    """

    trials: int
    pruned: int
    parameters: Mapping[str, str]
    brier: float
    first: float
    reproducible: bool


@dataclass(frozen=True, slots=True)
class BiasReport:
    """What the step `bias` says beside its figures: what they are about, and which are worse than the champion's were.

    `worse` is None where there was nothing to compare with.
    """

    note: str
    worse: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """`begin` and `end` are the months that were asked for; `window` is what they came to.

    `trials` and `jobs` of a search for parameters are what was asked for, None where nobody did; `search` is what it came
    to. `champion` is the version that it is compared with, `version` the one that came of it,
    `promotion` the run that promotes it where nobody has to approve. What is None is not known yet.
    """

    id: str
    begin: str | None = None
    end: str | None = None
    window: Window | None = None
    champion: str | None = None
    artifact: str = ""
    steps: tuple[StepDone, ...] = ()
    found: Evidence | None = None
    decision: Decision | None = None
    version: str | None = None
    trials: int | None = None
    jobs: int | None = None
    search: Search | None = None
    bias: BiasReport | None = None
    promotion: str | None = None


def search_of(tuning: Mapping[str, Any]) -> Search:
    """From tuning.json as the step `tune` writes it. Raises ValueError when it is not what it must be."""
    try:
        trials, best = tuning["trials"], tuning["best"]
        return Search(
            trials=len(trials),
            pruned=sum(trial["state"] == "pruned" for trial in trials),
            parameters={str(name): str(value) for name, value in best["parameters"].items()},
            brier=float(best["brier"]),
            first=float(tuning["first"]["brier"]),
            reproducible=bool(tuning["reproducible"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"the figures of the search are not what they must be: {error!r}") from error


def bias_report(analysis: Mapping[str, Any], violations: Mapping[str, Any] | None) -> BiasReport:
    """From analysis.json and constraint_violations.json. Raises ValueError when they are not what they must be."""
    try:
        worse = violations and [
            f"{one['metric_name']} of {one['facet']}={one['facet_value']}: {one['description']}"
            for one in violations["violations"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the violations of bias are not what they must be: {error!r}") from error
    return BiasReport(str(analysis.get("note", "")), None if worse is None else tuple(worse))
