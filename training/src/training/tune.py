"""A search for better parameters within the months that a model learns from.

Each trial is judged by months: a model of all months before one predicts it, and the Brier score over those months
counts. Trials that fall behind the median of the others after a month are given up (pruned). The month that a gate
tests on is not among the rows.

The sampler is Optuna's Tree-structured Parzen Estimator, seeded anew before each trial with the seed and the number of
trials before it, so a search that was killed goes on with the trials that it would have made. The first trial is what a
training takes without a search.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import polars as pl
from numpy.typing import NDArray
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from training.files import write_atomically
from training.fit import fit
from training.journal import whole_lines
from training.parameters import Parameters
from training.prepare import Rows, categories
from training.search_space import Range

_STARTUP = 5
"""Trials of which none is pruned."""
_DONE = (TrialState.COMPLETE, TrialState.PRUNED)
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Month:
    """A month to predict, and what is known before it; matrices have shape (rows, features), labels (rows,)."""

    name: str
    known: NDArray[np.float64]
    labels: NDArray[np.bool_]
    asked: NDArray[np.float64]
    outcomes: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched: `parameters` makes a training's parameters of a trial's values."""

    months: Sequence[Month]
    space: Sequence[Range]
    first: Mapping[str, float]
    parameters: Callable[[Mapping[str, Any]], Parameters]
    seed: int


def split(table: pl.DataFrame, most: int) -> list[Month]:
    """The newest months of prepared rows, `most` at most, each with all rows before it.

    Raises ValueError where there are fewer than two months, or one outcome alone before the first of them.
    """
    month = pl.col("day").dt.strftime("%Y-%m")
    names = sorted(table.select(month.unique()).to_series().to_list())
    if len(names) < 2:
        raise ValueError(f"training: found rows of {', '.join(names) or 'no month'}, needed are two months or more")
    found = []
    for name in names[1:][-most:]:
        before, asked = Rows(table.filter(month < name), 0), Rows(table.filter(month == name), 0)
        if before.labels.all() or not before.labels.any():
            raise ValueError(f"training: found one outcome alone before {name}, needed are both: late and punctual")
        values = categories(before)
        found.append(Month(name, before.matrix(values), before.labels, asked.matrix(values), asked.labels))
    return found


def search(asked: Search, trials: int, jobs: int, journal: Path, study: str, tell: Tell) -> dict[str, Any]:
    """Make the trials that are left of `trials`, `jobs` at a time; what tuning.json holds of them.

    `study` names what is searched: trials of another in the `journal` are passed over. Raises OSError where the journal
    cannot be written.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    opened = _opened(journal, study, tell)
    asking, failed = threading.Lock(), threading.Event()

    def work() -> None:
        while not failed.is_set():
            with asking:
                trial = _next(opened, asked, trials, jobs)
            if trial is None:
                return
            try:
                _carry_out(opened, trial, asked, tell)
            except BaseException:
                failed.set()
                raise

    if jobs == 1:
        work()
    else:
        with ThreadPoolExecutor(jobs) as pool:
            for worker in [pool.submit(work) for _ in range(jobs)]:
                worker.result()
    return _described(opened, asked, jobs)


class _OneProcess(JournalFileOpenLock):
    """A lock between threads: a step's folder has one process, and a lock's file would outlive a killed one."""

    def __init__(self, path: str) -> None:
        super().__init__(path, grace_period=None)
        self._threads = threading.Lock()

    def acquire(self) -> bool:
        return self._threads.acquire()

    def release(self) -> None:
        self._threads.release()


def _opened(journal: Path, study: str, tell: Tell) -> optuna.Study:
    """The study, without the trials that a killed search left in the middle: those are made again."""
    if journal.exists():
        found = journal.read_bytes()
        if (whole := whole_lines(found)) != found:
            tell("the journal ends in the middle of a line: that is passed over")
            write_atomically(journal, whole)
    storage = JournalStorage(JournalFileBackend(str(journal), lock_obj=_OneProcess(str(journal))))
    pruner = optuna.pruners.MedianPruner(n_startup_trials=_STARTUP)
    opened = optuna.create_study(storage=storage, study_name=study, pruner=pruner, load_if_exists=True)
    for left in opened.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        opened.tell(left.number, state=TrialState.FAIL)
    if done := len(opened.get_trials(deepcopy=False, states=_DONE)):
        tell(f"going on after {done} trials")
    return opened


def _next(study: optuna.Study, asked: Search, trials: int, jobs: int) -> optuna.Trial | None:
    """The next trial, None when there are enough."""
    begun = len(study.get_trials(deepcopy=False, states=(*_DONE, TrialState.RUNNING)))
    if begun >= trials:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # of several at a time each takes those under way for bad ones, so that they do not all ask the same
        study.sampler = optuna.samplers.TPESampler(seed=asked.seed + begun, constant_liar=jobs > 1)
    there = study.get_trials(deepcopy=False, states=(*_DONE, TrialState.RUNNING, TrialState.WAITING))
    if not any(trial.state == TrialState.WAITING or trial.params == asked.first for trial in there):
        study.enqueue_trial(dict(asked.first))
    return study.ask({one.name: one.distribution for one in asked.space})


def _carry_out(study: optuna.Study, trial: optuna.Trial, asked: Search, tell: Tell) -> None:
    """Judge a trial month by month, and say how it ended."""
    given = asked.parameters(trial.params)
    words = ", ".join(f"{name} {value:g}" for name, value in trial.params.items())
    errors, rows = 0.0, 0
    for step, month in enumerate(asked.months):
        booster = fit(month.known, month.labels, given.rounds, given.settings, block=given.block)
        scores = np.asarray(booster.predict(month.asked, num_threads=1))
        errors, rows = errors + float(((scores - month.outcomes) ** 2).sum()), rows + month.outcomes.size
        trial.report(errors / rows, step)
        # nothing is saved by giving up what is done, and the first is what all others are compared with
        if month is not asked.months[-1] and trial.params != asked.first and trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            tell(f"trial {words}: given up after {month.name}, Brier score {errors / rows:.5f}")
            return
    study.tell(trial, errors / rows)
    tell(f"trial {words}: Brier score {errors / rows:.5f}, the best is {study.best_value:.5f}")


def _described(study: optuna.Study, asked: Search, jobs: int) -> dict[str, Any]:
    done = study.get_trials(deepcopy=False, states=_DONE)
    whole = [trial for trial in done if trial.state == TrialState.COMPLETE]
    best = min(whole, key=lambda trial: (trial.values[0], trial.number))
    first = next(trial for trial in whole if trial.params == asked.first)
    return {
        "objective": "Brier score over the months, each predicted by a model of the rows before it: less is better",
        "months": [month.name for month in asked.months],
        "seed": asked.seed,
        "jobs": jobs,
        "reproducible": jobs == 1,
        "space": {one.name: {"from": one.low, "to": one.high, "log": one.log} for one in asked.space},
        # by their places among those that ended: what a killed search left is not counted
        "trials": [{"number": number, **_trial(trial)} for number, trial in enumerate(done)],
        "first": {"number": done.index(first), **_trial(first)},
        "best": {"number": done.index(best), **_trial(best)},
    }


def _trial(trial: FrozenTrial) -> dict[str, Any]:
    """A trial; its parameters are as a training's hyperparameters are, all of them text."""
    return {
        "state": trial.state.name.lower(),
        "parameters": {name: str(value) for name, value in trial.params.items()},
        "brier": trial.values[0] if trial.state == TrialState.COMPLETE else None,
        "after_months": [value for _, value in sorted(trial.intermediate_values.items())],
    }
