"""The figures of an experiment so far, kept although tasks come, go and restart their counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shipway.core.experiments.experiment import Experiment
from shipway.core.experiments.figures import Figures, TaskFigures, since, together

WINDOW = 60.0
"""The most seconds that the recent figures cover."""


class Totals:
    """Adds up the figures that the tasks of one experiment report. Times are Unix."""

    def __init__(self, experiment: Experiment, now: float) -> None:
        self._shares: Mapping[str, float] = experiment.shares
        self._shadow = experiment.shadow.version if experiment.shadow else None
        self._gone = Figures()
        self._told: dict[str, TaskFigures] = {}
        self._window = (now, Figures())
        self.whole = Figures()

    def is_of(self, experiment: Experiment) -> bool:
        """Whether these are the figures of `experiment`: after a change of it, tasks count from zero."""
        return self._shares == experiment.shares and self._shadow == (
            experiment.shadow.version if experiment.shadow else None
        )

    def take(self, seen: Sequence[TaskFigures], now: float) -> None:
        """Take in the figures of all tasks. What a task counted before it ended, or restarted its counters, is kept."""
        there = {task.task for task in seen}
        for task in [task for task in self._told if task not in there]:
            self._retire(task)
        for figures in seen:
            if figures.figures is None:
                continue
            # A task that does not know the experiment yet, or came back without a version of it, counts something else.
            if figures.shares != self._shares or figures.shadow != self._shadow:
                if figures.task in self._told:
                    self._retire(figures.task)
                continue
            before = self._told.get(figures.task)
            if before is not None and before.epoch != figures.epoch:
                self._retire(figures.task)
            self._told[figures.task] = figures
        self.whole = together([self._gone, *(told.figures for told in self._told.values() if told.figures)])
        if now - self._window[0] > WINDOW:
            self._window = (now, self.whole)

    @property
    def recent(self) -> Figures:
        """What was counted in the last minute or less."""
        return since(self.whole, self._window[1])

    @property
    def tasks(self) -> int:
        """How many tasks follow the experiment."""
        return len(self._told)

    def _retire(self, task: str) -> None:
        figures = self._told.pop(task).figures
        if figures is not None:
            self._gone = together([self._gone, figures])
