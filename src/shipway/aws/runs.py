"""The runs of an app on AWS: executions of its pipelines, and rollbacks that were asked for beside them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from shipway.aws.builds import Build, Builds
from shipway.aws.names import ROLLOUT, Names
from shipway.aws.pipelines import Action, Execution, Pipelines
from shipway.aws.release_store import ReleaseStore
from shipway.aws.run_records import back_events, events_of, named, rollback_of, run_of
from shipway.core.description.app import App
from shipway.core.errors import UsageError
from shipway.core.events import Event
from shipway.core.releases.run import Run

SOONEST, LATEST, SLOWER = 2.0, 10.0, 1.3
"""Seconds between two looks at a run that is followed: the first, the longest, and by how much they grow in between."""
_WHOLE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NEWEST = 100


@dataclass(frozen=True, slots=True)
class Found:
    """A run and what it was read from: the execution with its actions, or the build of a rollback.

    `builds` are those of failed actions, by id.
    """

    run: Run
    environment: str
    execution: Execution | None = None
    build: Build | None = None
    actions: Sequence[Action] = ()
    builds: Mapping[str, Build] = field(default_factory=dict)


@dataclass(slots=True)
class _Journal:
    """What a follower of a run was told. Numbers grow as lines are found: AWS may tell an older one late."""

    found: Found
    events: dict[str, Event] = field(default_factory=dict)
    pace: float = SOONEST
    due: float = 0.0


class Runs:
    """Reads runs from AWS. Every method raises ShipwayError."""

    def __init__(
        self,
        app: App,
        names: Names,
        pipelines: Pipelines,
        builds: Builds,
        store: ReleaseStore,
        sleep: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._names = names
        self._pipelines = pipelines
        self._builds = builds
        self._store = store
        self._sleep = sleep
        self._clock = clock
        self._journals: dict[str, _Journal] = {}

    def newest(self, limit: int) -> list[Run]:
        """The newest runs of all pipelines first, and the rollbacks among them."""
        if limit <= 0:
            return []
        environments = list(self._app.environments)
        with ThreadPoolExecutor(2 * len(environments)) as pool:
            deploys = pool.map(lambda name: self._deploys(name, limit), environments)
            rollbacks = pool.map(lambda name: self._rollbacks(name, limit), environments)
            found = [run for runs in (*deploys, *rollbacks) for run in runs]
        return sorted(found, key=lambda run: -run.created)[:limit]

    def get(self, id: str) -> Found:
        """The run. Raises UsageError for an unknown one."""
        known = named(id, list(self._app.environments))
        if known is not None and known.back:
            for build in self._builds.newest(self._names.rollout_project(known.environment), _NEWEST):
                if build.stream.startswith(known.beginning):
                    run = self._told(rollback_of(known.environment, build), build.id)
                    return Found(run, known.environment, build=build)
        elif known is not None:
            return self._read(known.environment, known.beginning, id)
        elif _WHOLE.fullmatch(id):
            for environment in self._app.environments:
                if (execution := self._pipelines.find(self._names.pipeline(environment), id)) is not None:
                    return self._look(environment, execution)
        raise _unknown(id)

    def events(self, id: str, after: int, wait: float) -> tuple[Run, list[Event]]:
        """What happened after an event's number, and the run then. AWS is asked every `SOONEST` to `LATEST` seconds.

        It waits up to `wait` seconds for the first event of a run that has not ended.
        """
        until = self._clock() + wait
        while True:
            journal = self._journal(id)
            found = [event for event in journal.events.values() if event.number > after]
            now = self._clock()
            if found or now >= until or not journal.found.run.live:
                return journal.found.run, found
            self._sleep(max(0.0, min(until, journal.due) - now))

    def forget(self, id: str) -> None:
        """Look at once when the run is asked for again: something was done to it."""
        if id in self._journals:
            self._journals[id].due = 0.0
            self._journals[id].pace = SOONEST

    def _journal(self, id: str) -> _Journal:
        """The run's journal, brought up to date if it is time to."""
        journal = self._journals.get(id)
        if journal is None:
            journal = self._journals[id] = _Journal(self.get(id))
            self._write(journal)
        elif self._clock() >= journal.due:
            before = len(journal.events)
            journal.found = self.get(id)
            self._write(journal)
            journal.pace = SOONEST if len(journal.events) > before else min(LATEST, journal.pace * SLOWER)
        else:
            return journal
        journal.due = self._clock() + journal.pace
        return journal

    def _write(self, journal: _Journal) -> None:
        found = journal.found
        told = (
            events_of(self._app, found.run, found.actions, found.builds) if found.execution else back_events(found.run)
        )
        new = [(key, event) for key, event in told if key not in journal.events]
        for key, event in sorted(new, key=lambda pair: pair[1].at):
            journal.events[key] = replace(event, number=len(journal.events) + 1)

    def _read(self, environment: str, beginning: str, id: str) -> Found:
        execution = self._pipelines.find(self._names.pipeline(environment), beginning)
        if execution is None:
            raise _unknown(id)
        return self._look(environment, execution)

    def _look(self, environment: str, execution: Execution) -> Found:
        actions = self._pipelines.actions(self._names.pipeline(environment), execution.id)
        return self._found(environment, execution, actions, self._failed([actions]))

    def _deploys(self, environment: str, limit: int) -> list[Run]:
        pipeline = self._names.pipeline(environment)
        executions = self._pipelines.executions(pipeline, limit)
        actions = self._pipelines.newest_actions(pipeline, [execution.id for execution in executions])
        builds = self._failed(actions.values())
        return [self._found(environment, it, actions[it.id], builds).run for it in executions]

    def _rollbacks(self, environment: str, limit: int) -> list[Run]:
        newest = self._builds.newest(self._names.rollout_project(environment), min(limit, _NEWEST))
        return [self._told(rollback_of(environment, build), build.id) for build in newest if build.by]

    def _failed(self, several: Iterable[Sequence[Action]]) -> dict[str, Build]:
        """The builds of failed actions: what they say at their end is in no other place."""
        ids = [action.build for actions in several for action in actions if action.status == "Failed" and action.build]
        return self._builds.look(ids) if ids else {}

    def _found(
        self, environment: str, execution: Execution, actions: Sequence[Action], builds: Mapping[str, Build]
    ) -> Found:
        run = run_of(self._app, environment, execution, actions, builds)
        rollout = next((it for it in reversed(actions) if it.name == ROLLOUT and it.status == "Failed"), None)
        if rollout is not None and not run.live:
            run = self._told(run, rollout.build, rollout.stage)
        return Found(run, environment, execution, None, actions, builds)

    def _told(self, run: Run, build: str, environment: str | None = None) -> Run:
        """The run, with the reason that its rollout wrote down, while that is the environment's last one."""
        if run.status not in ("failed", "refused", "rolled_back"):
            return run
        kept = self._store.current(environment or run.path[-1])
        if kept is None or kept.record.build != build or not kept.record.rollout.state.reason:
            return run
        return replace(run, reason=kept.record.rollout.state.reason)


def _unknown(id: str) -> UsageError:
    return UsageError(f"no run {id!r}", fix="shipway runs")
