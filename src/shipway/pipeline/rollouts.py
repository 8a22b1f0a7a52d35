"""Carries rollouts out: observe, decide, act, until the environment is on the candidate or back on stable."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace

from shipway.core.errors import Refused, ShipwayError
from shipway.core.events import AuditEntry
from shipway.core.observations.observation import Observation, Side, Traffic, other
from shipway.core.ports.building import Builder
from shipway.core.ports.state import Store
from shipway.core.ports.target import Target
from shipway.core.releases.release import Release
from shipway.core.rollouts.machine import (
    Command,
    Desired,
    decide,
    desired,
    may_retire,
    moved,
    resumed,
)
from shipway.core.rollouts.narration import narrate
from shipway.core.rollouts.records import EnvironmentRecord, PendingCommand, RolloutRecord, Warm
from shipway.core.rollouts.transition import ModelWay, relabelled
from shipway.pipeline.bell import Bell
from shipway.pipeline.clock_jumps import ClockJumps
from shipway.pipeline.environment_lock import EnvironmentLocks
from shipway.pipeline.following import Following
from shipway.pipeline.observing import observe
from shipway.pipeline.rollout_records import RolloutRecords


class Rollouts:
    """Moves environments from their stable release to a candidate. One at a time for each environment.

    The bell rings when an environment is free again.
    """

    def __init__(
        self,
        store: Store,
        target: Target,
        builder: Builder,
        clock: Callable[[], float],
        stopping: threading.Event,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """`steady` is a monotonic clock: it measures how long something lasts; `clock` tells the Unix time."""
        self._store = store
        self._target = target
        self._builder = builder
        self._clock = clock
        self._stopping = stopping
        self._steady = steady
        self._records = RolloutRecords(store, clock)
        self._following = Following(target, self._rest, steady)
        self._jumps = ClockJumps(clock, steady)
        self.bell = Bell(stopping)
        self._locks = EnvironmentLocks(store, clock, self.bell, steady)

    def entered(
        self, environment: str, id: str, run: str, turn: Callable[[], str | None]
    ) -> AbstractContextManager[None]:
        """Hold the environment for the rollout `id`. `turn` says what to wait for before, or None."""
        return self._locks.held(environment, id, run, turn)

    def roll_out(
        self,
        id: str,
        environment: str,
        release: Release,
        *,
        run: str,
        by: str,
        back: bool = False,
        way: ModelWay = "swap",
        over: str | None = None,
    ) -> RolloutRecord:
        """Move the environment, which was entered before, to the release; returns how that ended.

        Called again with the same id, it goes on. `way`: how a release that differs only in its model is rolled out.
        `over` is the release that the new one was derived from. Raises Refused when another one serves by now.
        """
        record = self._store.get(RolloutRecord, id)
        if record is None:
            self._take_back_leftover(environment, id)
            self._check_still(environment, release, back, over)
            record = self._records.begin(id, environment, release, run=run, by=by, back=back, way=way)
        if record.ended is None:
            record = self._carry_out(record, release, id)
        return record

    def command(self, environment: str, command: Command, who: str, why: str) -> None:
        """Give a running rollout a person's command. Raises Refused when it makes no sense now."""
        record = self.under_way(environment)
        if record is None:
            raise Refused(f"no rollout is under way in {environment}", fix="shipway status")
        if command == "promote" and record.state.phase != "shifting":
            raise Refused(
                f"{environment}: the candidate is {record.state.phase}, it can't take all of the traffic yet",
                fix="wait for `shipway status` to say shifting, then try again",
            )
        with self._store.transaction():
            pending = self._store.get(PendingCommand, environment)
            if pending is not None and pending.command == "abort":
                raise Refused(f"{environment}: {pending.who} has aborted the rollout", fix="shipway status")
            self._store.put(environment, PendingCommand(environment, command, who, why))
            self._store.add_audit(
                AuditEntry(
                    self._clock(), who, command, environment, why, {"release": record.release, "run": record.run}
                )
            )

    def record_of(self, environment: str) -> EnvironmentRecord:
        """What the environment serves."""
        return self._records.environment(environment)

    def under_way(self, environment: str) -> RolloutRecord | None:
        """The rollout that moves the environment now, if any."""
        return self._records.under_way(environment)

    def tend(self) -> None:
        """Retire sides that were kept warm long enough, and roll back rollouts whose run has ended.

        Raises the last ShipwayError or OSError once every environment was looked at.
        """
        _, jump = self._jumps.look()
        if jump:
            self._records.move_times(jump)
        failed: ShipwayError | OSError | None = None
        for environment in self._store.all(EnvironmentRecord):
            try:
                self._tend(environment)
            except (ShipwayError, OSError) as error:
                failed = error
        if failed is not None:
            raise failed

    def _tend(self, environment: EnvironmentRecord) -> None:
        if not (self._records.is_orphaned(environment.name) or self._is_due(environment)):
            return
        owner = f"housekeeping-{environment.name}"
        with self._locks.held_if_free(environment.name, owner) as held:
            # Checked again: before we had the lock, a rollback may have brought the old side back.
            if held and self._records.is_orphaned(environment.name):
                self._take_back_leftover(environment.name, owner)
            if held and self._is_due(self.record_of(environment.name)):
                self._let_go(environment.name)

    # -- one rollout, top to bottom ------------------------------------------------------------------------------

    def _carry_out(self, record: RolloutRecord, release: Release, owner: str) -> RolloutRecord:
        if record.kind == "swap":
            return self._swap(record, release)
        try:
            self._make_room(record, release)
        except (ShipwayError, OSError) as error:
            state = replace(record.state, phase="rolled_back", reason=str(error), since=self._clock())
            return self._clear_away(replace(record, state=state))
        return self._finish(self._shift_traffic(record, release, owner), release, owner)

    def _finish(self, record: RolloutRecord, release: Release, owner: str) -> RolloutRecord:
        if record.state.phase == "promoted":
            try:
                self._read_back(record, release)
            except ShipwayError as fault:
                state = replace(record.state, phase="rolling_back", reason=fault.what, since=self._clock())
                record = self._shift_traffic(replace(record, state=state), release, owner)
        if record.state.phase == "promoted":
            return self._settle(record)
        return self._clear_away(record)

    def _make_room(self, record: RolloutRecord, release: Release) -> None:
        """Empty the candidate's side, unless it is warm with the very release we want, and make it ready to start."""
        environment = self.record_of(record.environment)
        side = record.state.candidate
        warm = environment.warm is not None and environment.warm.side == side and environment.warm.release == release.id
        fresh = record.state.phase == "starting" and record.state.step == 0
        if fresh and record.state.has_stable:
            self._target.shift(record.environment, side, 0)
        if fresh and not warm:
            self._target.retire(record.environment, side)
        if environment.warm is not None and not warm:
            self._store.change(EnvironmentRecord, record.environment, lambda e: replace(e, warm=None))
        if fresh:
            for artifact in release.artifacts.values():
                self._builder.verify(artifact)
            self._target.prepare(record.environment, side, release)
        if fresh and record.kind == "rollout":
            # Not on the way back: an old migration does not know what newer ones have made of the database.
            self._target.before_traffic(
                record.environment, side, release, lambda line: self._records.tell(record, "note", line)
            )

    def _shift_traffic(self, record: RolloutRecord, release: Release, owner: str) -> RolloutRecord:
        done: Desired | None = None
        probes = Traffic()
        trouble_since: float | None = None
        jumps = ClockJumps(self._clock, self._steady)
        record = replace(record, state=resumed(record.state, self._clock()))
        while not record.state.ended or done != desired(record.plan, record.state):
            try:
                self._locks.check(record.environment, owner)
                seen = observe(self._target, record, release, probes)
                # What we see of tasks and a router that are being stopped says nothing about either side.
                self._stay_if_stopping()
                now, jump = jumps.look()
                seen = replace(seen, now=now)
                record = replace(record, state=moved(record.state, jump)) if jump else record
                before, record = record.state, self._decide(record, seen)
                same_step = (before.phase, before.step) == (record.state.phase, record.state.step)
                probes = seen.probes if same_step else Traffic()
                done = self._enforce(record, release, done)
                trouble_since = None
                if not same_step:
                    # What it moved to is looked at without a rest.
                    continue
            except (ShipwayError, OSError) as fault:
                trouble_since = trouble_since or self._steady()
                if self._steady() - trouble_since > self._target.pace.fault:
                    return self._give_up(record, fault)
            self._rest(self._target.pace.look)
        return record

    def _decide(self, record: RolloutRecord, seen: Observation) -> RolloutRecord:
        with self._store.transaction():
            pending = self._store.get(PendingCommand, record.environment)
            command = pending.command if pending else None
            state = decide(record.plan, record.state, seen, command)
            if pending is not None:
                self._store.delete(PendingCommand, record.environment)
                self._records.tell(
                    record, "note", f"{pending.command} by {pending.who}" + (f": {pending.why}" if pending.why else "")
                )
            if state == record.state:
                return record
            line = narrate(record.plan, record.state, state, seen)
            record = replace(record, state=state)
            self._store.put(record.id, record)
        if line is not None:
            self._records.tell(record, line.kind, line.text, line.seconds)
        return record

    def _enforce(self, record: RolloutRecord, release: Release, done: Desired | None) -> Desired:
        """Do what the state asks for: tasks first, then traffic, so that no traffic goes to a missing task."""
        want = desired(record.plan, record.state)
        if want == done:
            return want
        name, side = record.environment, record.state.candidate
        if want.candidate_tasks is not None:
            self._target.scale(name, side, release, want.candidate_tasks)
        stable = self._records.release(record.previous)
        if want.stable_tasks is not None and stable is not None:
            self._target.scale(name, other(side), stable, want.stable_tasks)
        if record.state.phase == "shifting" and (done is None or done.weight == 0):
            self._target.begin_window(name)
        self._target.shift(name, side, want.weight)
        return want

    def _settle(self, record: RolloutRecord) -> RolloutRecord:
        """Record the candidate as stable. The old side stays warm; nothing is started or stopped."""
        now = self._clock()
        old = other(record.state.candidate)
        warm = None
        if record.previous is not None:
            warm = Warm(old, record.previous, now + record.plan.keep_warm)
        ended = self._records.end(
            record, lambda environment: replace(relabelled(environment, record), warm=warm), "promoted"
        )
        if warm is not None and record.plan.keep_warm == 0:
            # What fails here is tried again by `tend`; the release serves already.
            with suppress(ShipwayError, OSError):
                self._let_go(record.environment)
        return ended

    def _clear_away(self, record: RolloutRecord) -> RolloutRecord:
        """Rolled back: the candidate's tasks go, once stable carries everything."""
        name, side = record.environment, record.state.candidate
        wanted = {side: 0, other(side): record.plan.stable_tasks}
        try:
            seen = self._target.observe(name, wanted)
            if may_retire(seen, side, record.state.weight, has_other=record.state.has_stable):
                self._target.retire(name, side)
        except (ShipwayError, OSError) as error:
            # The next rollout makes room for itself before it starts anything.
            self._records.tell(record, "note", f"{side}'s tasks are left as they are: {error}")
        outcome = "rolled back" if record.state.has_stable else "not released"
        return self._records.end(record, lambda environment: replace(environment, rollout=None), outcome)

    def _swap(self, record: RolloutRecord, release: Release) -> RolloutRecord:
        """Only the model differs: point the running tasks at it, and back if one of them does not follow."""
        name, side = record.environment, record.state.candidate
        began = self._steady()
        try:
            self._serve_model(name, side, release)
            self._read_back(record, release)
        except (ShipwayError, OSError) as error:
            return self._swap_back(record, str(error))
        seconds = self._steady() - began
        self._records.tell(record, "done", f"every task answers with model {release.model_version}", seconds)
        record = replace(record, state=replace(record.state, phase="promoted"))
        return self._records.end(record, lambda environment: relabelled(environment, record), "promoted")

    def _serve_model(self, name: str, side: Side, release: Release) -> None:
        """Let answers name the release, but only once every task serves its model."""
        self._target.take_model(name, side, release)
        what = f"model {release.model_version} is not served by every task of {name}"
        self._following.until_follows(name, side, what)
        self._target.label(name, side, release)

    def _swap_back(self, record: RolloutRecord, reason: str) -> RolloutRecord:
        previous = self._records.release(record.previous)
        assert previous is not None
        try:
            self._serve_model(record.environment, record.state.candidate, previous)
        except (ShipwayError, OSError) as error:
            # The pointer is back; a task that does not follow now reads it once it recovers or restarts.
            self._records.tell(record, "note", f"not yet back on model {previous.model_version} everywhere: {error}")
        state = replace(record.state, phase="rolled_back", reason=reason, since=self._clock())
        return self._records.end(
            replace(record, state=state), lambda environment: replace(environment, rollout=None), "rolled back"
        )

    # -- what those steps need -----------------------------------------------------------------------------------

    def _rest(self, seconds: float) -> None:
        """Wait. Once the control plane is going down, wait for its end: its successor goes on from here."""
        self._stopping.wait(seconds)
        self._stay_if_stopping()

    def _stay_if_stopping(self) -> None:
        if self._stopping.is_set():
            threading.Event().wait()

    def _check_still(self, environment: str, release: Release, back: bool, over: str | None) -> None:
        """Raise Refused where another release came while the run waited for the lock."""
        record = self.record_of(environment)
        if (over is not None and record.stable != over) or (back and record.history[-2:-1] != (release.id,)):
            raise Refused(
                f"{environment} was changed meanwhile: it serves {record.stable or 'nothing'}",
                fix="shipway status, then ask again if it is still wanted",
                state="nothing changed",
            )

    def _is_due(self, environment: EnvironmentRecord) -> bool:
        return environment.rollout is None and environment.warm is not None and self._clock() >= environment.warm.until

    def _let_go(self, name: str) -> None:
        warm = self.record_of(name).warm
        if warm is not None:
            self._target.retire(name, warm.side)
            self._store.change(EnvironmentRecord, name, lambda environment: replace(environment, warm=None))

    def _read_back(self, record: RolloutRecord, release: Release) -> None:
        """Raises ShipwayError unless every task that serves reports the requested artifact and model version."""
        name = record.environment
        tasks = self._following.until_read_back(name, record.state.candidate, release, record.plan.tasks)
        matches = "digest and model match" if release.models else "digest matches"
        self._records.tell(record, "note", f"{name} read back: {tasks}/{tasks} tasks, {matches}")

    def _take_back_leftover(self, environment: str, owner: str) -> None:
        """Roll back a rollout whose run ended before it did; finish one that had taken all traffic."""
        leftover = self.under_way(environment)
        if leftover is None:
            return
        why = "its run ended before the rollout did"
        release = self._records.release(leftover.release)
        assert release is not None
        if leftover.kind == "swap":
            self._swap_back(leftover, why)
            return
        if not leftover.state.ended:
            state = replace(leftover.state, phase="rolling_back", reason=why, since=self._clock(), paused=False)
            leftover = replace(leftover, state=state)
        self._finish(self._shift_traffic(leftover, release, owner), release, owner)

    def _give_up(self, record: RolloutRecord, fault: ShipwayError | OSError) -> RolloutRecord:
        """After too long without an observation: all traffic to stable, as soon as the router can be told."""
        weight = 0 if record.state.has_stable else record.state.weight
        reason = f"{record.environment} can't be observed: {fault}"
        record = replace(record, state=replace(record.state, phase="rolled_back", weight=weight, reason=reason))
        self._store.put(record.id, record)
        with suppress(ShipwayError, OSError):
            self._target.shift(record.environment, record.state.candidate, weight)
        return record
