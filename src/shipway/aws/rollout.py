"""A release rolled out to one environment on AWS, told from top to bottom in one file, so a long one.

Register task definitions by digest, run the migrations, let ECS begin with every service, judge each step at ECS's hooks
by core's plan and guard, read back what serves. All services go on together, or back together.

Level-triggered: the record in the bucket says what was decided, ECS says what is. A program that was killed between two
steps is started again with the same id and goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from shipway.aws import task_definition as tasks_of
from shipway.aws.calls import Interrupted, NotLoggedIn
from shipway.aws.deployment import update_request, without_hooks
from shipway.aws.memory import Memory, turned_back
from shipway.aws.moving import Moving, ServiceMove
from shipway.aws.names import Names
from shipway.aws.one_off import OneOffs
from shipway.aws.outlook import Outlook
from shipway.aws.parameters import Parameters
from shipway.aws.read_back import Ask, check_model, check_tasks
from shipway.aws.release_store import Kept, LostRace, ReleaseStore
from shipway.aws.seen import has_arrived, observed, traffic_of
from shipway.aws.services import Services
from shipway.aws.shifting import Progress, Shifter
from shipway.aws.target_groups import TargetGroups
from shipway.aws.told import Told
from shipway.aws.way_back import WayBack
from shipway.core.errors import RolledBack, ShipwayError
from shipway.core.events import AuditEntry
from shipway.core.observations.observation import Side, Traffic, other
from shipway.core.releases.release import Release
from shipway.core.rollouts.machine import Command, State, decide
from shipway.core.rollouts.narration import narrate
from shipway.core.rollouts.records import EnvironmentRecord, RolloutRecord

LOOK = 10.0
"""Seconds between two looks at ECS."""
FIGURES = 30.0
"""Seconds between two looks at the load balancer's figures, which come once a minute and cost money."""
FAULT = 600.0
"""Seconds without a single good look after which the program gives up and leaves the rest to ECS's hooks."""
SLOWEST_SHIFT = 900.0
"""Seconds that ECS may take from one hook to the next."""
SLOWEST_RETURN = 1800.0
"""Seconds that ECS may take to bring everything back."""
READ_BACK = 180.0
"""Seconds within which what serves must be read back as what was asked for."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done. `id` is the same when a killed program is started again; `build` is the build that drives it.

    `back`: a return to a release that has served, so everything at once and no migrations.
    """

    id: str
    environment: str
    release: Release
    by: str
    run: str | None = None
    back: bool = False
    build: str = ""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a rollout works with. `clock` is Unix time; `tell` receives a line of the story at a time."""

    names: Names
    services: Services
    shifter: Shifter
    one_offs: OneOffs
    groups: TargetGroups
    parameters: Parameters
    store: ReleaseStore
    ask: Ask
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    tell: Callable[[str], None]


class Rollout:
    """One environment's move to one release."""

    def __init__(self, parts: Parts, order: Order) -> None:
        self._parts, self._order = parts, order
        self._environment, self._release = order.environment, order.release
        self._outlook = Outlook(parts.names, parts.parameters, order.environment, order.release, back=order.back)
        self._told: Mapping[str, Told] = {}
        self._way_back = WayBack(parts.names, parts.services, parts.shifter, order.environment)
        self._unmoved_since: float | None = None
        self._figures: tuple[float, Mapping[Side, Traffic]] | None = None

    def look_ahead(self) -> list[str]:
        """What carrying it out would do, a line each. Raises Refused for what AWS cannot do."""
        self._outlook.check()
        return self._outlook.lines(self._history().stable)

    def carry_out(self) -> str:
        """Roll out and read back; what was read. Raises RolledBack, Refused before anything began, or ShipwayError."""
        self._told = self._outlook.check()
        kept = self._parts.store.current(self._environment)
        if kept is not None and (found := self._serves_already(kept.record)):
            return found
        memory = self._begin_or_go_on(kept)
        if memory.state.phase == "starting":
            self._start(memory)
        self._follow(memory)
        if memory.state.phase == "promoted":
            try:
                found = self._read_back(memory.moving)
            except (Interrupted, NotLoggedIn, LostRace):
                # Nothing speaks against what serves; the program that is started next reads it back.
                raise
            except ShipwayError as fault:
                memory.turn_back(fault.what, self._parts.clock())
                self._follow(memory)
            else:
                self._settle(memory)
                return found
        raise self._gone_back(memory)

    # -- the record ---------------------------------------------------------------------------------------------------

    def _serves_already(self, last: Moving) -> str:
        """What was read back, where the last rollout has brought this very release and it still serves; else empty."""
        record = last.rollout
        if record.ended is None or record.release != self._release.id or record.state.phase != "promoted":
            return ""
        try:
            return f"served {record.release} already; {self._read(last)}"
        except ShipwayError as fault:
            self._tell(f"{record.release} was rolled out before, but: {fault.what}")
            return ""

    def _begin_or_go_on(self, kept: Kept[Moving] | None) -> Memory:
        if kept is not None and kept.record.rollout.ended is None:
            if kept.record.rollout.id == self._order.id:
                self._tell("goes on where the program before was stopped")
                return Memory(self._parts.store, kept)
            self._take_back(kept)
            kept = self._parts.store.current(self._environment)
        return self._begin(None if kept is None else kept.mark)

    def _begin(self, mark: str | None) -> Memory:
        parts, order, now = self._parts, self._order, self._parts.clock()
        stable = self._history().stable
        there = parts.services.describe(tuple(self._release.app.services))
        moves = {
            name: ServiceMove(one.task_definition, serving=self._serving(name, one.revisions))
            for name, one in there.items()
        }
        routed = [move.serving for move in moves.values() if move.serving is not None]
        plan = self._outlook.plan(stable is not None)
        state = State(other(routed[0]) if routed else "green", stable is not None, since=now, started=now)
        record = RolloutRecord(
            order.id, self._environment, self._release.id, stable, "flip" if order.back else "rollout",
            plan, state, order.by, now, back=order.back, run=order.run,
        )  # fmt: skip
        notes = tuple(self._outlook.remarks(stable is not None))
        with suppress(LostRace):
            parts.store.take_command(self._environment)  # one for a rollout that is gone is none for this one
        memory = Memory.begun(parts.store, Moving(record, moves, notes=notes, build=order.build), mark)
        self._audit(record.kind, {"release": record.release, "from": record.previous})
        self._tell(f"{stable or 'nothing'} → {record.release}, {plan.strategy} {plan.shares()}")
        for note in notes:
            self._tell(f"on AWS: {note}")
        return memory

    def _take_back(self, kept: Kept[Moving]) -> None:
        """End what a program that died has left half done: nobody watches its candidate."""
        left = kept.record
        self._tell(f"takes back the rollout of {left.rollout.release}, which nobody drives any more")
        memory = Memory(self._parts.store, kept)
        self._told = {**self._outlook.told(tuple(left.services)), **self._told}
        if not left.rollout.state.ended:
            memory.turn_back("the program that drove it is gone", self._parts.clock())
        self._follow(memory)
        if memory.state.phase == "promoted":
            self._settle(memory)
        else:
            self._end(memory, "rolled_back")

    # -- forward ------------------------------------------------------------------------------------------------------

    def _start(self, memory: Memory) -> None:
        """Register, migrate, begin. What fails here turns the rollout back before a client has met the candidate."""
        services = tuple(memory.moving.services)
        try:
            for service in services:
                self._register(memory, service)
            for service in self._outlook.migrating():
                self._migrate(memory, service)
            for service in services:
                self._begin_service(memory, service)
        except (NotLoggedIn, LostRace):
            raise
        except ShipwayError as fault:
            memory.turn_back(fault.what, self._parts.clock())
        else:
            # Tasks have their whole time to start, however long the migrations took.
            memory.save_state(replace(memory.state, since=self._parts.clock()))

    def _register(self, memory: Memory, service: str) -> None:
        move = memory.moving.services[service]
        if move.after is None:
            names, told = self._parts.names, self._told[service]
            request = tasks_of.task_definition(names, told, self._release, self._environment, service)
            memory.save_service(service, replace(move, after=self._parts.services.register(request)))

    def _migrate(self, memory: Memory, service: str) -> None:
        if service in memory.moving.migrated:
            return
        if service not in memory.moving.migration:
            names, told = self._parts.names, self._told[service]
            request = tasks_of.migration(names, told, self._release, self._environment, service)
            definition = self._parts.services.register(request)
            memory.save(replace(memory.moving, migration={**memory.moving.migration, service: definition}))
        if service not in memory.moving.migrating:
            # The same token for whoever goes on with this rollout, so that ECS starts one task whatever happens.
            record, definition = memory.moving.rollout, memory.moving.migration[service]
            token = hashlib.sha256(f"{record.id} {record.started} {service}".encode()).hexdigest()[:32]
            task = self._parts.one_offs.start(service, definition, token)
            memory.save(replace(memory.moving, migrating={**memory.moving.migrating, service: task}))
        self._parts.one_offs.wait(service, memory.moving.migrating[service])
        memory.save(replace(memory.moving, migrated=(*memory.moving.migrated, service)))
        self._tell(f"{service}: done: {self._release.app.services[service].before_traffic}")

    def _begin_service(self, memory: Memory, service: str) -> None:
        move, plan = memory.moving.services[service], memory.plan
        if move.deployment is not None:
            return
        assert move.after is not None
        there = self._parts.services.describe([service])[service]
        request = update_request(
            self._parts.names, self._environment, service, self._told[service], plan, move.after,
            serving=move.serving, desired=plan.tasks if there.desired < plan.tasks else None,
        )  # fmt: skip
        deployment = self._parts.shifter.start(service, move.after, request)
        memory.save_service(service, replace(move, deployment=deployment))
        self._tell(f"{service}: ECS begins with {self._release.artifacts[service].short}")

    # -- judging ------------------------------------------------------------------------------------------------------

    def _follow(self, memory: Memory) -> None:
        """Look, decide, act, until the rollout has ended and ECS has done what follows from that."""
        trouble: float | None = None
        self._unmoved_since = self._figures = None
        while True:
            try:
                progress = self._progress(memory.moving)
                if not memory.state.ended:
                    self._decide(memory, progress)
                if memory.state.ended and self._is_there(memory, progress):
                    return
                self._act(memory, progress)
                trouble = None
            except (NotLoggedIn, LostRace):
                raise
            except ShipwayError as fault:
                trouble = trouble or self._parts.clock()
                if self._parts.clock() - trouble > FAULT:
                    raise _given_up(memory.moving, fault) from fault
            if memory.state.phase == "rolled_back" and self._parts.clock() - memory.state.since > SLOWEST_RETURN:
                raise _not_back(memory.moving)
            self._parts.sleep(LOOK)

    def _progress(self, moving: Moving) -> Mapping[str, Progress]:
        deployments = {name: move.back or move.deployment for name, move in moving.services.items()}
        return self._parts.shifter.look({name: one for name, one in deployments.items() if one is not None})

    def _decide(self, memory: Memory, progress: Mapping[str, Progress]) -> None:
        now, before = self._parts.clock(), memory.state
        if self._figures is None or now - self._figures[0] >= FIGURES:
            self._figures = now, traffic_of(memory.moving, self._told, self._parts.groups, now)
        seen = observed(memory.moving, progress, self._figures[1], now)
        on_the_way = before.phase == "shifting" and not has_arrived(before, progress)
        if on_the_way or self._unmoved_since is not None:
            # A step begins once ECS has come there with every service; until then it can only turn back.
            before = replace(before, since=now)
        command = self._command()
        state = decide(memory.plan, before, seen, command)
        if on_the_way and command != "promote" and state.phase in ("shifting", "promoted"):
            state = replace(memory.state, paused=state.paused)
        self._unmoved_since = (self._unmoved_since or now) if on_the_way else None
        if self._unmoved_since is not None and now - self._unmoved_since > SLOWEST_SHIFT and not state.ended:
            state = turned_back(state, f"ECS has not come to {before.weight / 100:g} % in time", now)
        if line := narrate(memory.plan, before, state, seen):
            self._tell(line.text)
        memory.save_state(state)

    def _act(self, memory: Memory, progress: Mapping[str, Progress]) -> None:
        """Let ECS come to what was decided. Each of these may be repeated."""
        if memory.state.phase in ("rolling_back", "rolled_back"):
            for service in tuple(memory.moving.services):
                self._way_back.take(memory, service, self._told[service], progress.get(service))
            return
        promoted = memory.state.phase == "promoted"
        for service, each in progress.items():
            if promoted and each.turned:
                # Whatever turns back takes the others back, up to the last moment.
                memory.turn_back(f"{service}: {each.reason}", self._parts.clock())
                return
        for service, each in progress.items():
            deployment = memory.moving.services[service].deployment
            if each.stand == "waiting" and (promoted or each.share * 100 < memory.state.weight):
                assert deployment is not None
                self._parts.shifter.go_on(deployment, each.hook)

    def _command(self) -> Command | None:
        """What a person asks, taken up by this; nothing where somebody is writing another one just now."""
        try:
            found = self._parts.store.take_command(self._environment)
        except LostRace:
            return None
        if found is None:
            return None
        self._tell(f"{found.command} by {found.who}" + (f": {found.why}" if found.why else ""))
        self._audit(found.command, {"release": self._release.id}, who=found.who, why=found.why)
        return found.command

    def _is_there(self, memory: Memory, progress: Mapping[str, Progress]) -> bool:
        if memory.state.phase == "promoted":
            return all(each.stand == "done" for each in progress.values())
        services = tuple(memory.moving.services)
        return all(self._way_back.is_home(memory, service, progress.get(service)) for service in services)

    # -- the end ------------------------------------------------------------------------------------------------------

    def _read_back(self, moving: Moving) -> str:
        """What was read; tried again for a while, as ECS and tasks need a moment. Raises ShipwayError."""
        began = self._parts.clock()
        while True:
            try:
                return self._read(moving)
            except NotLoggedIn:
                raise
            except ShipwayError:
                if self._parts.clock() - began > READ_BACK:
                    raise
            self._parts.sleep(LOOK)

    def _read(self, moving: Moving) -> str:
        parts, plan = self._parts, moving.rollout.plan
        for service, move in moving.services.items():
            newest = parts.services.newest_deployment(service)
            if newest is None or newest.arn != move.deployment or newest.status != "SUCCESSFUL":
                raise ShipwayError(f"{service}: the newest deployment is not ours, or has not succeeded")
        running = {service: parts.services.tasks(service) for service in moving.services}
        found = [check_tasks(self._release, running, plan.tasks)]
        model = parts.parameters.get(parts.names.model_version(self._environment))
        if self._release.app.model_services() and model is not None:
            found.append(check_model(self._release, self._told, model.value, plan.tasks, parts.ask))
        return "; ".join(found)

    def _settle(self, memory: Memory) -> None:
        kept = self._parts.store.history(self._environment)
        history = kept.record if kept is not None else EnvironmentRecord(self._environment)
        after = _with_release(history, memory.moving.rollout)
        if after != history:
            self._parts.store.keep_history(after, kept.mark if kept is not None else None)
        self._end(memory, "promoted")

    def _gone_back(self, memory: Memory) -> ShipwayError:
        self._end(memory, "rolled_back")
        record = memory.moving.rollout
        look = f"shipway --target aws logs --env {self._environment} --release {record.release}"
        if record.previous is None:
            nothing = f"{self._environment} serves nothing"
            return ShipwayError(f"not released: {record.state.reason}", state=nothing, fix=look)
        serving = f"{self._environment} serves {record.previous}"
        return RolledBack(f"rolled back: {record.state.reason}", state=serving, fix=look)

    def _end(self, memory: Memory, outcome: str) -> None:
        self._take_hooks_away(memory)
        record = memory.moving.rollout
        self._audit(outcome, {"release": record.release, "kind": record.kind, "reason": record.state.reason})
        memory.save(replace(memory.moving, rollout=replace(record, ended=self._parts.clock())))

    def _take_hooks_away(self, memory: Memory) -> None:
        parts = self._parts
        try:
            for service, there in parts.services.describe(tuple(memory.moving.services)).items():
                if there.hooks:
                    told = self._told[service]
                    parts.services.update(without_hooks(parts.names, self._environment, service, told, memory.plan))
        except ShipwayError as fault:
            self._tell(f"the hooks could not be taken away ({fault.what}): a change by Terraform would wait at them")

    # -- what it knows ------------------------------------------------------------------------------------------------

    def _history(self) -> EnvironmentRecord:
        kept = self._parts.store.history(self._environment)
        return kept.record if kept is not None else EnvironmentRecord(self._environment)

    def _serving(self, service: str, revisions: Sequence[str]) -> Side | None:
        """The side whose target group has the clients now, as ECS resolved it; blue where nothing served yet."""
        groups = self._told[service].target_groups
        if not groups:
            return None
        resolved = {arn for one in self._parts.services.revisions(revisions).values() for arn in one.target_groups}
        return next((side for side, arn in groups.items() if arn in resolved), "blue")

    def _audit(self, action: str, detail: Mapping[str, object], *, who: str = "", why: str = "") -> None:
        entry = AuditEntry(self._parts.clock(), who or self._order.by, action, self._environment, why, detail)
        self._parts.store.add_audit(entry)

    def _tell(self, line: str) -> None:
        self._parts.tell(f"{self._environment}: {line}")


def _with_release(history: EnvironmentRecord, record: RolloutRecord) -> EnvironmentRecord:
    """What the environment serves after a promotion; the same again when that was written already."""
    known = history.history
    if record.back and history.stable == record.previous and known[-2:-1] == (record.release,):
        known = known[:-1]
    elif history.stable != record.release:
        known = (*known, record.release)
    return replace(history, side=record.state.candidate, history=known)


def _given_up(moving: Moving, fault: ShipwayError) -> ShipwayError:
    return ShipwayError(
        f"{moving.rollout.environment}: nothing could be seen of the rollout for {FAULT / 60:g} minutes: {fault.what}",
        state="ECS waits at its hooks, and then does by itself what on_timeout says",
        fix="repeat the rollout: it goes on from what ECS says",
    )


def _not_back(moving: Moving) -> ShipwayError:
    record = moving.rollout
    return ShipwayError(
        f"{record.environment} is not back after {SLOWEST_RETURN / 60:g} minutes ({record.state.reason})",
        state=f"{record.release} may still have clients",
        fix="look at the services' deployments in the ECS console, then repeat the rollout",
    )
