"""What people see of monitoring, trainings and feature records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shipway.core.description.feature_group import FeatureGroup
from shipway.core.monitoring.watch import Seen, Verdict
from shipway.core.releases.run import Run
from shipway.core.training.training_run import TrainingRun


@dataclass(frozen=True, slots=True)
class MonitorView:
    """A look at a window of an environment's model, or the making of its baseline, which has no verdict.

    Times are Unix time; `since` and `until` are None for a table. `folder` holds the program's files. `training` is the
    run that a drift has started; `no_training` says why it has not, where it may. `held_since` is when the first of an
    unbroken row of holds was; `alarm` says what somebody should know of: a drift, or a hold that outlasted its limit.
    """

    environment: str
    version: str
    since: float | None
    until: float | None
    at: float
    seen: Seen
    verdict: Verdict | None
    folder: str
    training: str | None = None
    no_training: str = ""
    held_since: float | None = None
    alarm: str = ""


@dataclass(frozen=True, slots=True)
class TrainingView:
    """A run of the kind `train`, with what it has come to."""

    run: Run
    training: TrainingRun


@dataclass(frozen=True, slots=True)
class Report:
    """A page for people: `html` needs nothing beside it and has 1 MB at most.

    `page` is the same as data: `title`, `state` (good, bad or unsure), `verdict`, `facts` by name, `failed` checks, and
    `sections` with `title`, `text`, `tables` (`header`, `rows`, `marked` rows) and the captions of `figures`.
    """

    page: Mapping[str, Any]
    html: str


@dataclass(frozen=True, slots=True)
class FeatureGroupView:
    """A feature group as shipway.yaml declares it, and how many records it has online in an environment."""

    name: str
    group: FeatureGroup
    records: int


@dataclass(frozen=True, slots=True)
class FeaturesPut:
    """How many records are online now, and the ids of those that were older: they are in the history alone."""

    environment: str
    group: str
    kept: int
    older: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FeaturesCompacted:
    """How many records of each group went from the store into files."""

    environment: str
    records: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FeaturesJoined:
    """How many rows were written to `output`, and for how many of them each group knew something."""

    environment: str
    output: str
    rows: int
    known: Mapping[str, int]
