"""A copy of what serves, beside the database: losing the database loses its history, but not production."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter

from shipway.core.access.authority import Authority
from shipway.core.description.values import STORED
from shipway.core.errors import ShipwayError
from shipway.core.experiments.experiment import Experiment
from shipway.core.models.history import ModelHistory
from shipway.core.releases.release import Release
from shipway.core.rollouts.records import EnvironmentRecord, SideRecord
from shipway.core.training.probation import OnProbation
from shipway.local.files.atomic_file import write_atomically
from shipway.local.state.store import Store
from shipway.local.state.upgrades import with_addresses

_log = logging.getLogger(__name__)
_KEPT_HISTORY = 5
_AUTHORITY, _MODELS = "operator", "models"


@dataclass(frozen=True, slots=True)
class _Serving:
    environments: tuple[EnvironmentRecord, ...] = ()
    sides: tuple[SideRecord, ...] = ()
    releases: tuple[Release, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    probations: tuple[OnProbation, ...] = ()
    models: ModelHistory | None = None
    authority: Authority | None = None
    numbers: Mapping[str, int] = field(default_factory=dict)


_adapter = TypeAdapter(_Serving)


class ServingCopy:
    """The file `serving.json`; written when what serves has changed."""

    def __init__(self, path: Path, store: Store) -> None:
        self._path = path
        self._store = store
        self._written = b""

    def follow(self) -> None:
        """Keep the copy up to date from now on, change by change."""
        self.keep()
        self._store.watch(
            (EnvironmentRecord, SideRecord, Experiment, OnProbation, ModelHistory, Authority), self._keep_if_it_fits
        )

    def _keep_if_it_fits(self) -> None:
        try:
            self.keep()
        except (OSError, ShipwayError):
            _log.exception("%s could not be written; housekeeping tries again", self._path)

    def keep(self) -> None:
        """Bring the copy up to date."""
        found = _adapter.dump_json(self._collected())
        if found != self._written or not self._path.exists():
            write_atomically(self._path, found)
            self._written = found

    def recall(self) -> list[EnvironmentRecord]:
        """Fill a database that knows of no environment from the copy; answers the environments that it got back.

        Rollouts that were under way are over: only the side that served comes back, and one kept warm for a rollback.
        """
        if self._store.all(EnvironmentRecord) or not self._path.exists():
            return []
        serving = _read(self._path)
        environments = [replace(record, rollout=None) for record in serving.environments]
        sides = {(e.name, e.side) for e in environments} | {(e.name, e.warm.side) for e in environments if e.warm}
        with self._store.transaction():
            for release in serving.releases:
                self._store.put(release.id, release)
            for record in environments:
                self._store.put(record.name, record)
            for side in serving.sides:
                if (side.environment, side.side) in sides:
                    self._store.put(f"{side.environment}-{side.side}", side)
            for experiment in serving.experiments:
                self._store.put(experiment.environment, experiment)
            for trial in serving.probations:
                self._store.put(trial.id, trial)
            if serving.models is not None:
                self._store.put(_MODELS, serving.models)
            if serving.authority is not None:
                self._store.put(_AUTHORITY, serving.authority)
            self._store.continue_from(serving.numbers)
        return environments

    def _collected(self) -> _Serving:
        environments = tuple(
            replace(record, history=record.history[-_KEPT_HISTORY:]) for record in self._store.all(EnvironmentRecord)
        )
        sides = tuple(self._store.all(SideRecord))
        named = {id for record in environments for id in record.history} | {side.release for side in sides}
        releases = (self._store.get(Release, id) for id in sorted(named))
        return _Serving(
            environments=environments,
            sides=sides,
            releases=tuple(release for release in releases if release is not None),
            experiments=tuple(self._store.all(Experiment)),
            # Those that go on: their shadow is among the experiments, and somebody has to end it.
            probations=tuple(trial for trial in self._store.all(OnProbation) if trial.ended is None),
            models=self._store.get(ModelHistory, _MODELS),
            authority=self._store.get(Authority, _AUTHORITY),
            numbers=self._store.numbers(),
        )


def check(path: Path) -> None:
    """Raise ShipwayError when there is a copy that could not be recalled."""
    if path.exists():
        _read(path)


def _read(path: Path) -> _Serving:
    """The copy, of this Shipway or of an earlier one. Raises ShipwayError when it is damaged."""
    try:
        stored = json.loads(path.read_bytes())
        stored.setdefault("experiments", stored.pop("trials", []))
        stored["releases"] = [with_addresses(release) for release in stored["releases"]]
        return _adapter.validate_json(json.dumps(stored), context=STORED)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ShipwayError(
            f"{path}, the copy of what serves, is damaged: {str(error).splitlines()[0]}",
            fix="shipway repair",
            state="tasks and router go on serving",
        ) from error
