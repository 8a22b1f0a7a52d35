"""What a person can ask about trainings: start one, go on with one, see what they came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shipway.core.description.training import MOST_JOBS, MOST_TRIALS, Training
from shipway.core.desk import TrainingDesk
from shipway.core.errors import Refused, UsageError
from shipway.core.releases.run import Run
from shipway.core.training.training_run import TrainingRun
from shipway.core.training.windows import MONTH
from shipway.core.views.learning import TrainingView
from shipway.pipeline.engine import Engine
from shipway.pipeline.new_run import new_run
from shipway.pipeline.parts import Parts
from shipway.pipeline.training import settings_of


class PipelineTraining(TrainingDesk):
    """The verbs over this pipeline."""

    def __init__(self, parts: Parts, engine: Engine) -> None:
        self._parts = parts
        self._store = parts.store
        self._engine = engine

    def start(
        self, begin: str | None, end: str | None, revision: str | None, who: str, why: str,
        trials: int | None = None, jobs: int | None = None,
    ) -> Run:  # fmt: skip
        for month in (begin, end):
            if month is not None and not MONTH.fullmatch(month):
                raise UsageError(f"{month[:60]!r} is no month", fix="give months such as 2013-07")
        if begin is not None and end is not None and begin >= end:
            raise UsageError(f"{begin} is not before {end}, which is tested on", fix="give --from before --until")
        commit = self._parts.source.resolve("HEAD" if revision is None else revision)
        settings = settings_of(self._parts.read_app(self._parts.source.read(commit, "shipway.yaml")))
        check_search(settings, trials, jobs)
        months = f"{begin or 'the first month'} until {end or 'the newest'}"
        record = TrainingRun("", begin, end, trials=trials, jobs=jobs)
        return self._begin(record, who, commit=commit.id, subject=f"train on {months}", why=why)

    def resume(self, id: str, who: str) -> Run:
        old = self.show(id)
        if old.run.live:
            raise Refused(f"run {id} has not ended: it is at {old.run.stage}", fix=f"shipway run follow {id}")
        asked = old.training
        again = TrainingRun("", asked.begin, asked.end, asked.window, trials=asked.trials, jobs=asked.jobs)
        return self._begin(again, who, commit=old.run.commit, subject=old.run.subject, why=old.run.why, retry_of=id)

    def list(self, limit: int) -> Sequence[TrainingView]:
        runs = [run for run in self._store.all(Run) if run.kind == "train"]
        return [self._view(run) for run in sorted(runs, key=lambda run: -int(run.id))[:limit]]

    def show(self, id: str) -> TrainingView:
        run = self._store.get(Run, id)
        if run is None or run.kind != "train":
            raise UsageError(f"no training {id!r}", fix="shipway train runs")
        return self._view(run)

    def _begin(self, training: TrainingRun, who: str, **fields: object) -> Run:
        with self._store.transaction():
            run = new_run(self._parts, "train", (), who, **fields)
            self._store.put(run.id, replace(training, id=run.id))
        self._engine.start(run.id)
        return run

    def _view(self, run: Run) -> TrainingView:
        return TrainingView(run, self._store.get(TrainingRun, run.id) or TrainingRun(run.id))


def check_search(settings: Training, trials: int | None, jobs: int | None) -> None:
    """Raises UsageError for a search that cannot be."""
    for name, value, least, most in (("--tune", trials, 0, MOST_TRIALS), ("--jobs", jobs, 1, MOST_JOBS)):
        if value is not None and not least <= value <= most:
            raise UsageError(f"{name} {value}: allowed is {least} to {most}", fix=f"shipway train {name} {least or 20}")
    if settings.tuning is None and (trials or jobs is not None):
        raise UsageError(
            "there is nothing to search: shipway.yaml does not say which parameters may vary",
            fix="describe them under `model.training.tuning.space` in shipway.yaml: leaves: {min: 7, max: 127}",
        )
