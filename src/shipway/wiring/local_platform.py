"""The one-machine target with everything that the daemon runs: joined here, and nowhere else."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from shipway.core.daemon.disk import Item
from shipway.core.description import DESCRIPTION
from shipway.core.description.app import App
from shipway.core.errors import Refused
from shipway.core.events import AuditEntry
from shipway.core.logs.asked import Asked
from shipway.core.observations.observation import SIDES
from shipway.core.releases.release import Release
from shipway.core.rollouts.records import EnvironmentRecord
from shipway.core.views.environments import DaemonView
from shipway.description import reader as description_file
from shipway.local.apps.bucket import BundleBucket
from shipway.local.apps.bundle_builder import BundleBuilder
from shipway.local.apps.bundles import LocalBundles
from shipway.local.apps.node import NodeEnvironments
from shipway.local.builds.builder import LocalBuilder
from shipway.local.builds.confinement import Confinement
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.features.history import ProgramHistory
from shipway.local.features.online_store import OnlineStore
from shipway.local.files import log_file
from shipway.local.files.runtime_folder import make_private
from shipway.local.logs import LocalLogs
from shipway.local.model_tasks.evidence import ModelEvidence
from shipway.local.model_tasks.parameters import FileParameters
from shipway.local.model_tasks.wanted_versions import WantedVersions
from shipway.local.places import Places
from shipway.local.router.meter import Meter
from shipway.local.router.router import Router
from shipway.local.routes import Routes
from shipway.local.secrets.key import Keys
from shipway.local.secrets.sealed_secrets import SealedSecrets
from shipway.local.sides import Sides
from shipway.local.source.git_source import GitSource
from shipway.local.state.former_state import set_aside
from shipway.local.state.pruning import Pruning
from shipway.local.state.recovery import Recovery
from shipway.local.state.serving_copy import ServingCopy
from shipway.local.state.storage import Storage
from shipway.local.state.store import Store
from shipway.local.target import LocalTarget
from shipway.local.tasks.bounded_run import run_bounded
from shipway.local.tasks.insiders import Insiders
from shipway.local.tasks.processes import ProcessRunner
from shipway.local.tasks.supervisor import Supervisor
from shipway.local.tasks.task_logs import FileTaskLog
from shipway.local.tasks.task_specs import TaskSpecs
from shipway.local.tasks.task_table import FileTaskTable
from shipway.local.training.steps import LocalSteps
from shipway.local.whose import user_name
from shipway.monitor.labelled_losses import labelled_losses
from shipway.monitor.program import Captured, ProgramMonitoring
from shipway.monitor.reports import ProgramReports
from shipway.pipeline.desk.desk import PipelineDesk
from shipway.pipeline.engine import Engine
from shipway.pipeline.experiments import Experiments
from shipway.pipeline.loops import Loops
from shipway.pipeline.offerings import Offerings
from shipway.pipeline.operator import Operator
from shipway.pipeline.parts import Parts
from shipway.pipeline.rollouts import Rollouts
from shipway.pipeline.runs import Runs
from shipway.registry.folder_store import FolderStore
from shipway.registry.packer import Packer
from shipway.registry.registry import ModelRegistry
from shipway.wiring.programs import programs

RESUME_EVERY = 60.0


@dataclass
class LocalPlatform:
    """The `ControlPlane` of one machine."""

    desk: PipelineDesk
    places: Places
    app: App
    target: LocalTarget
    routes: Routes
    rollouts: Rollouts
    supervisor: Supervisor
    pruning: Pruning
    meter: Meter
    operator: Operator
    copy: ServingCopy
    recovery: Recovery
    recalled: list[EnvironmentRecord]
    stopping: threading.Event
    loops: Loops
    logs: LocalLogs
    steps: LocalSteps
    offerings: Offerings
    insiders: Insiders
    started: float = field(default_factory=time.time)

    def start(self) -> None:
        self.recovery.find_again()
        self.target.restore()
        for record in self.recalled:
            self.target.settle(record.name, record.side)
        start = self.loops.start
        start("tasks", "starts and watches tasks", self.supervisor.look, self.supervisor.interval, 30.0)
        start("router", "keeps the router running", self.routes.keep_running, _every_second, 60.0)
        # Threads of their own: housekeeping may drain tasks for minutes, and a bad candidate must not wait for that.
        start("experiments", "judges models that are tried out", self.desk.experiments.tend, self._watch, 120.0)
        start("bundles", "judges bundles that go out to devices", self.offerings.tend, _twice_a_second, 120.0)
        start("probation", "watches promoted models by their labels", self.desk.probations.tend, self._watch, 2000.0)
        start("monitor", "looks at models' traffic", self.desk.monitor.tend, _every_minute, 2000.0)
        start("features", "takes what was put into files", self.desk.features.tend, _every_minute, 2000.0)
        start("sides", "lets go of sides that nobody needs", self.rollouts.tend, _every_second, 900.0)
        start("clients", "counts what clients see", self._meter, _every_second, 60.0)
        start("disk", "keeps files within their bounds", self._keep_files, _every_second, 900.0)
        start("copy", "keeps a copy of what serves", self.copy.keep, _every_second, 60.0)
        # Again and again: a run that had no thread to be carried out by is not left behind.
        start("runs", "goes on with runs under way", self.desk.resume, lambda: RESUME_EVERY, 300.0)

    def reload(self, who: str, uncommitted: bool) -> tuple[bool, dict[str, str]]:
        before = self.app
        found = description_file.load(self.places.root / DESCRIPTION)
        changes = self.operator.reload(found, who, uncommitted, self._go_by)
        return before != self.app, changes

    def caller(self, user: int, process: int, *, decides: bool) -> str:
        if decides and process and self.insiders.has(process):
            raise Refused(
                f"process {process} was started by Shipway itself: a release may not decide about releases",
                state="nothing changed",
            )
        return user_name(user)

    def life(self) -> DaemonView:
        return DaemonView(
            root=str(self.places.root),
            started=self.started,
            committed=self.operator.committed,
            held_back=self.operator.held_back,
            loops=tuple(self.loops.now()),
            disk=self.pruning.usage,
        )

    def log(self, asked: Asked) -> Sequence[str]:
        return self.logs.daemon(asked)

    def prunable(self) -> Sequence[Item]:
        return self.pruning.plan()

    def prune(self, who: str) -> Sequence[Item]:
        return self.pruning.asked(who)

    def stop(self, *, keep_tasks: bool) -> None:
        self.stopping.set()
        if not keep_tasks:
            self.steps.stop()
            self.target.stop_everything()

    def _go_by(self, app: App) -> None:
        if app != self.app:
            self.target.reload(app)
            self.app = app

    def _watch(self) -> float:
        return self.target.pace.experiments

    def _meter(self) -> None:
        for environment in self.app.environments:
            self.meter.look(environment, now=False)

    def _keep_files(self) -> None:
        try:
            self.pruning.tend()
        finally:
            log_file.rotate(self.places.daemon_log)


def _every_second() -> float:
    return 1.0


def _twice_a_second() -> float:
    return 0.5


def _every_minute() -> float:
    return 60.0


def _trusted(app: App) -> Sequence[str]:
    """The sources whose labels count; none: all do."""
    return app.model.monitor.label_sources if app.model is not None else ()


def _captured(specs: TaskSpecs, environment: str, release: Release) -> Captured | None:
    """Where the release's first service with a model captures what is asked of it."""
    for service in release.artifacts:
        version, found = release.model_of(service), specs.capture(environment, release, service)
        if version is not None and found is not None:
            return Captured(Path(found[0].removeprefix("file://")), found[1], version)
    return None


def _answer_devices(sides: Sides, supervisor: Supervisor, environment: str) -> Iterator[int]:
    """Where the ready tasks listen that answer the environment's devices."""
    for side in SIDES:
        release = sides.release_on(environment, side)
        described = release.app.device_app if release is not None else None
        if described is not None:
            tasks = supervisor.tasks(environment, side, described[1].updates)
            yield from (task.spec.port for task in tasks if task.state == "ready")


def build(places: Places) -> LocalPlatform:
    """The platform of the app that has these places. Raises ShipwayError when a part is missing."""
    root = places.root
    found = description_file.load(root / DESCRIPTION)
    source = GitSource(root)
    make_private(places.runtime)
    set_aside(places.state)
    store = Store(places.state / "state.db")
    copy = ServingCopy(places.state / "serving.json", store)
    recalled = copy.recall()
    copy.follow()
    if recalled:
        names = ", ".join(record.name for record in recalled)
        why = "the database was lost; what serves is known from its copy, runs and earlier audit entries are not"
        store.add_audit(AuditEntry(time.time(), user_name(os.getuid()), "recalled", None, why, {"environments": names}))
    read_app = partial(description_file.parse, name=DESCRIPTION)
    operator = Operator(store, lambda: read_app(source.read(source.resolve("HEAD"), DESCRIPTION)), time.time)
    app = operator.start(found, user_name(os.getuid()))
    confinement = Confinement.of_machine(root)
    environments = PythonEnvironments(places.state / "environments", confinement)
    builder = LocalBuilder(places.state, source, environments, confinement)
    parameters = FileParameters(places.state / "parameters")
    router = Router(places.state / "router", places.runtime)
    secrets = SealedSecrets(places.secrets, Keys.of_machine(os.environ))
    specs = TaskSpecs(places, environments, router, parameters, secrets.values)
    # The supervisor tells the target of changes, and the target is made of the supervisor: joined by name, late.
    table = FileTaskTable(places.state / "tasks")
    task_logs = FileTaskLog(places.state / "logs")
    runner = ProcessRunner(task_logs, secrets.values)
    supervisor = Supervisor(
        table,
        runner,
        on_change=lambda status: target.task_changed(status),  # noqa: PLW0108
    )
    sides = Sides(store)
    routes = Routes(app, sides, supervisor, router)
    meter = Meter(router)
    versions = WantedVersions(store, sides, supervisor, parameters, specs)
    evidence = ModelEvidence(
        sides,
        supervisor,
        specs,
        lambda bucket, endpoint, variants, since, until: labelled_losses(
            bucket, endpoint, variants, since, until, _trusted(platform.app)
        ),
    )
    target = LocalTarget(sides, routes, supervisor, runner, router, meter, versions, evidence, specs)
    bucket = places.state / (app.model.bucket if app.model else "ml-models-bucket")
    models = ModelRegistry(
        FolderStore(bucket),
        Packer(lambda lock, tell: environments.python(lock, "model packaging", tell), programs()),
        root,
    )
    monitoring = ProgramMonitoring(
        lambda lock, tell: environments.python(lock, "model monitoring", tell),
        programs(),
        run_bounded,
        lambda environment, release: _captured(specs, environment, release),
        lambda version: bucket / version,
        places.state / "monitor",
    )
    reports = ProgramReports(
        lambda lock, tell: environments.python(lock, "model monitoring", tell), programs(), run_bounded
    )
    history = ProgramHistory(
        places.state,
        programs(),
        lambda lock, tell: environments.python(lock, "the offline store", tell),
        run_bounded,
    )
    bundle_bucket = BundleBucket(places.state / (app.device_app[1].bucket if app.device_app else "app-bundles-bucket"))
    nodes = NodeEnvironments(places.state / "environments", environments)
    bundles = LocalBundles(
        BundleBuilder(places.state, source, bundle_bucket, nodes, confinement),
        bundle_bucket,
        parameters,
        lambda environment: _answer_devices(sides, supervisor, environment),
    )
    steps = LocalSteps(places.state / "training", places.state, bucket, environments, confinement)
    stopping = threading.Event()
    rollouts = Rollouts(store, target, builder, time.time, stopping)
    parts = Parts(
        store=store,
        source=source,
        builder=builder,
        models=models,
        monitoring=monitoring,
        reports=reports,
        secrets=secrets,
        features=OnlineStore(places.state),
        history=history,
        training=steps,
        bundles=bundles,
        offerings=Offerings(store, bundles, time.time),
        rollouts=rollouts,
        clock=time.time,
        read_app=read_app,
        operator_app=lambda: platform.app,
    )
    engine, experiments = Engine(Runs(parts).carry_out, stopping), Experiments(parts, target, stopping)
    storage = Storage(places.state, bundle_bucket.folder)
    pruning = Pruning(storage, store, supervisor, specs, task_logs, lambda: platform.app, parts.offerings.needed)
    platform = LocalPlatform(
        desk=PipelineDesk(parts, engine, target, experiments, LocalLogs(places)),
        places=places,
        app=app,
        target=target,
        routes=routes,
        rollouts=rollouts,
        supervisor=supervisor,
        pruning=pruning,
        meter=meter,
        operator=operator,
        insiders=Insiders(places.state),
        copy=copy,
        recovery=Recovery(places.state / "artifacts", store, table, specs, router),
        recalled=recalled,
        stopping=stopping,
        loops=Loops(stopping, time.monotonic),
        logs=LocalLogs(places),
        steps=steps,
        offerings=parts.offerings,
    )
    return platform
