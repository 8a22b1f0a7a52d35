"""The programs that watch and train models, and the feature store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from shipway.core.description.feature_group import FeatureGroup
from shipway.core.features.join import FeatureJoin
from shipway.core.features.record import Record
from shipway.core.monitoring.watch import Seen
from shipway.core.ports.telling import Tell
from shipway.core.releases.release import Release
from shipway.core.training.steps import StepDone, StepOrder
from shipway.core.views.learning import MonitorView, Report


@dataclass(frozen=True, slots=True)
class Kept:
    """What the monitoring program said of a window, of which model version, and where its files are."""

    version: str
    seen: Seen
    folder: str


class Monitoring(Protocol):
    """Runs the monitoring program over an environment's captured traffic, and keeps what it wrote.

    Each raises ShipwayError when the program fails, with its last words.
    """

    def baseline(
        self,
        environment: str,
        release: Release,
        table: str | None,
        window: tuple[float, float] | None,
        tell: Tell,
        time: str | None = None,
        counting: Sequence[str] = (),
        false_alarms: float = 0.05,
        sources: Sequence[str] = (),
    ) -> Kept:
        """Make a baseline of the table, else of the traffic in the window, else of the version's held-out rows.

        `time` is the table's column of times; `false_alarms` the share of its own windows that may alarm in the columns
        `counting`, by default in all. Of traffic, labels of `sources` count; without any, all do.

        Raises UsageError for a table that is not there, Refused for rows that can't be used.
        """

    def look(
        self,
        environment: str,
        release: Release,
        window: tuple[float, float],
        sources: Sequence[str],
        tell: Tell,
        length: str | None = None,
    ) -> Kept:
        """Hold the window, from a Unix time to before another, to the baseline. Raises Refused where there is none.

        `length` says which of the baseline's own windows it is like, if not those of its length.
        """

    def compare(
        self,
        environment: str,
        release: Release,
        champion: str,
        window: tuple[float, float],
        sources: Sequence[str],
        tell: Tell,
    ) -> Mapping[str, Any]:
        """The release's version beside `champion`, its shadow: evaluation.json, as `core.training.evidence` reads it.

        Of the captured rows of the window that both answered, as far as labels of these sources are known; without
        sources all are trusted.
        """

    def newest(self, environment: str) -> MonitorView | None:
        """The view that was kept last."""

    def keep(self, view: MonitorView) -> None:
        """Keep a look as its environment's newest."""


class TrainingSteps(Protocol):
    """Where the data of trainings lies, and where their steps run."""

    def months(self, bucket: str, tables: Sequence[str]) -> Sequence[str]:
        """The months, such as 2013-07, of which every table has data, in order."""

    def run(self, order: StepOrder, tell: Tell) -> StepDone:
        """Carry a step out; one whose result is there, whole, is not repeated.

        A step that outlived whoever started it is waited for: one order never runs twice at a time. Raises ShipwayError
        with the step's own reason when it fails or takes too long.
        """

    def read(self, done: StepDone, file: str) -> Mapping[str, Any]:
        """A JSON file of the result. Raises ShipwayError when it is not there any more."""

    def folder(self, done: StepDone, name: str) -> str:
        """Where a folder of the result lies, for `Models.publish`."""


ReportKind = Literal["training", "pair", "bias", "version"]
"""Of one training, of two, of the bias that one found, of a model version."""


class Reports(Protocol):
    """Makes pages about trainings and model versions."""

    def page(self, kind: ReportKind, files: Mapping[str, Mapping[str, Any]], tell: Tell) -> Report:
        """A page of what the first file holds; the others lie beside it, as the kind wants them.

        Raises ShipwayError when the program fails, Refused where the files are not what it can show.
        """


class FeatureStore(Protocol):
    """The newest record of each id, for each environment. Which is newer, `core.features.record` says.

    What is put or deleted, older records as well, is kept as history for `FeatureHistory`.
    """

    def put(self, environment: str, records: Sequence[Record]) -> Sequence[Record]:
        """Put those online that are no older than what is there, all or none of them; answers these."""

    def get(self, environment: str, group: str, ids: Collection[str]) -> Sequence[Record]:
        """Those that are there, deleted and expired ones as well, in the order of the ids."""

    def delete(self, environment: str, deleted: Record, *, hard: bool) -> bool:
        """Put the deleted record in the place of an older one, or nothing if `hard`; False where it is not older."""

    def counts(self, environment: str, now: float) -> Mapping[str, int]:
        """How many records each group has, neither deleted nor expired."""

    def arrivals(self, environment: str) -> Mapping[str, int]:
        """How many records of each group's history are not in files yet."""


class FeatureHistory(Protocol):
    """All that was ever put, and what was known at any moment. Raises ShipwayError where its program fails."""

    def compact(self, environment: str, groups: Mapping[str, FeatureGroup], tell: Tell) -> Mapping[str, int]:
        """Take what arrived into files; how many records of each group that were. Raises Refused."""

    def join(
        self, environment: str, groups: Mapping[str, FeatureGroup], asked: FeatureJoin, tell: Tell
    ) -> Mapping[str, int]:
        """Write the rows with what these groups knew; `rows`, and for how many of them each group knew something.

        Raises Refused for rows that can't be read, and an output that is there.
        """
