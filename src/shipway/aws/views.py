"""What an app on AWS serves and does, read from ECS, the releases' bucket and Parameter Store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from shipway.aws import task_definition
from shipway.aws.calls import Calls
from shipway.aws.clients import Clients, clients_view
from shipway.aws.deployment import plan_for, remarks
from shipway.aws.moving import Moving
from shipway.aws.names import Names
from shipway.aws.parameters import Parameters
from shipway.aws.release_store import ReleaseStore
from shipway.aws.services import Deployment, EcsService, Services
from shipway.core.contract.wanted import Wanted, WantedError, parse
from shipway.core.description.app import App
from shipway.core.errors import UsageError
from shipway.core.experiments.report import ExperimentReport
from shipway.core.releases.release import Release
from shipway.core.releases.run import Run
from shipway.core.rollouts.machine import Phase
from shipway.core.rollouts.records import EnvironmentRecord
from shipway.core.verdicts.lately import Lately, SeenLately
from shipway.core.views.bundles import OfferingView
from shipway.core.views.environments import EnvironmentView, RolloutView, ServiceView, rollout_view
from shipway.core.views.releases import PreviewedStep, ReleaseView, models_of, release_view

UNDER_WAY = frozenset(
    {"PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"}
)  # fmt: skip
_GOING_BACK = frozenset({"STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"})
NO_MODEL = "none"
"""What Terraform writes into the parameter of a model version that nobody has set yet."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What ECS says of an environment's services now. `missing` says why there are none, where they are not all there."""

    services: dict[str, EcsService]
    deployments: tuple[Deployment, ...]
    missing: str = ""

    @property
    def under_way(self) -> tuple[Deployment, ...]:
        """The deployments that have not ended."""
        return tuple(deployment for deployment in self.deployments if deployment.status in UNDER_WAY)


class Views:
    """Looks at one app."""

    def __init__(
        self,
        app: App,
        names: Names,
        calls: Calls,
        store: ReleaseStore,
        parameters: Parameters,
        clients: Clients,
        tried: Callable[[str], ExperimentReport],
        bundles: Callable[[str], OfferingView | None],
    ) -> None:
        self._app = app
        self._names = names
        self._calls = calls
        self._store = store
        self._parameters = parameters
        self._clients = clients
        self._tried = tried
        self._bundles = bundles

    def environments(self, runs: Sequence[Run]) -> tuple[EnvironmentView, ...]:
        """Every environment of shipway.yaml, in its order; `runs` are the newest ones."""
        names = list(self._app.environments)
        with ThreadPoolExecutor(len(names)) as pool:
            return tuple(pool.map(lambda name: self._environment(name, runs), names))

    def look(self, environment: str) -> Seen:
        """What ECS says of the environment's services, and of their deployments under way."""
        services = Services(self._calls, self._names.cluster(environment))
        try:
            found = services.describe(list(self._app.services))
        except UsageError as error:
            return Seen({}, (), f"{error.what}: {error.fix}")
        arns = [service.deployment for service in found.values() if service.deployment is not None]
        return Seen(found, tuple(services.look(arns)))

    def rollout(self, environment: str, runs: Sequence[Run]) -> RolloutView | None:
        """The rollout under way there."""
        kept = self._store.current(environment)
        return _rollout(environment, kept.record if kept is not None else None, self.look(environment), runs)

    def releases(self, limit: int) -> list[ReleaseView]:
        """The newest releases and where they serve."""
        serves: dict[str, tuple[str, ...]] = {}
        for name in self._app.environments:
            kept = self._store.history(name)
            if kept is not None and kept.record.stable is not None:
                serves[kept.record.stable] = (*serves.get(kept.record.stable, ()), name)
        with ThreadPoolExecutor(8) as pool:
            found = pool.map(self._store.release, self._store.release_ids()[:limit])
            return [release_view(release, serves.get(release.id, ())) for release in found]

    def release(self, id: str | None) -> Release | None:
        """A release, if it is there."""
        if id is None:
            return None
        try:
            return self._store.release(id)
        except UsageError:
            return None

    def previewed(self, described: App, environment: str) -> PreviewedStep:
        """What a deploy of a release so described would do in the environment, as far as it is known before the build."""
        kept, its = self._store.history(environment), described.environments[environment]
        stable = kept.record.stable if kept is not None else None
        plan = plan_for(its.rollout, its.tasks.min, 0.0, has_stable=stable is not None)
        routed = any(service.routes for service in described.services.values())
        approval = self._app.environments[environment].approval
        return PreviewedStep(
            environment,
            stable,
            plan.strategy,
            plan.shares(),
            approval.roles if approval is not None else None,
            notes=(
                *remarks(its.rollout, has_stable=stable is not None, routed=routed),
                *task_definition.remarks(described, environment),
            ),
            wrong=tuple(task_definition.misfits(described, environment)),
        )

    def _environment(self, name: str, runs: Sequence[Run]) -> EnvironmentView:
        described = self._app.environments[name]
        kept, current = self._store.history(name), self._store.current(name)
        record = kept.record if kept is not None else EnvironmentRecord(name)
        moving = current.record if current is not None else None
        release, seen = self.release(record.stable), self.look(name)
        rollout, wanted = _rollout(name, moving, seen, runs), self._wanted(name)
        coming = self.release(rollout.release) if rollout is not None else None
        lately = self._clients.lately(name) if release is not None and not seen.missing else None
        return EnvironmentView(
            name=name,
            branch=described.branch,
            url=self._url(name),
            approval=described.approval.roles if described.approval else None,
            https_url=None,
            side=record.side,
            release=record.stable,
            previous=record.history[-2] if len(record.history) > 1 else None,
            commit=release.commit if release is not None else None,
            subject=next((run.subject for run in runs if release is not None and run.commit == release.commit), None),
            # Tasks follow the parameter by themselves, whatever the release was made with.
            model_version=wanted.version if wanted is not None else models_of(release) if release is not None else None,
            services=_services(self._app, name, release, seen, lately) if release is not None or seen.missing else (),
            candidate_services=_candidates(coming, seen) if coming is not None else (),
            clients=clients_view(lately, described.rollout.guard) if lately is not None else None,
            warm=record.warm,
            rollout=rollout,
            experiment=self._tried(name) if wanted is not None and (wanted.split or wanted.shadow) else None,
            app=self._bundles(name),
        )

    def _url(self, environment: str) -> str:
        """Clients reach prod by the domain itself, the others by a name below it."""
        assert self._app.aws is not None
        domain = self._app.aws.domain
        return f"https://{domain if environment == 'prod' else f'{environment}.{domain}'}"

    def _wanted(self, environment: str) -> Wanted | None:
        """What the environment's tasks are told to serve, if that is known."""
        if not self._app.model_services():
            return None
        parameter = self._parameters.get(self._names.model_version(environment))
        if parameter is None or parameter.value == NO_MODEL:
            return None
        try:
            return parse(parameter.value)
        except WantedError:
            return None


def _rollout(environment: str, moving: Moving | None, seen: Seen, runs: Sequence[Run]) -> RolloutView | None:
    """What the rollout's own record says; what ECS says where a deployment goes on without one."""
    run = next((run.id for run in runs if run.live and run.stage == f"rollout to {environment}"), None)
    if moving is not None and moving.rollout.ended is None:
        return replace(rollout_view(moving.rollout), run=run)
    if not seen.under_way:
        return None
    deployment = seen.under_way[0]
    phase: Phase = "rolling_back" if deployment.status in _GOING_BACK else "shifting"
    return RolloutView(
        id=deployment.arn.rpartition("/")[2],
        environment=environment,
        release=moving.rollout.release if moving is not None else "",
        previous=moving.rollout.previous if moving is not None else None,
        kind="rollout",
        strategy=deployment.strategy.lower(),
        phase=phase,
        step=1,
        steps=1,
        shares="",
        weight=round(deployment.share * 100),
        paused=False,
        reason=deployment.reason,
        verdict="no rollout of Shipway's drives it: ECS goes on by itself",
        waiting=None,
        run=run,
        since=deployment.created,
        started=deployment.created,
        ended=None,
    )


def _services(
    app: App, environment: str, release: Release | None, seen: Seen, lately: SeenLately | None
) -> tuple[ServiceView, ...]:
    """What serves: every service of the app, those that are missing on AWS too."""
    guard = app.environments[environment].rollout.guard
    found = []
    for name in app.services:
        service, its = seen.services.get(name), lately.services[name] if lately is not None else Lately(0.0)
        artifact = release.artifacts.get(name) if release is not None else None
        short = service is not None and service.running < service.desired
        found.append(
            ServiceView(
                name=name,
                artifact=artifact.short if artifact is not None else "",
                # While both sides of a rollout run, there are more than the environment wants of what serves.
                ready=min(service.running, service.desired) if service is not None else 0,
                wanted=service.desired if service is not None else 0,
                restarts=0,
                state_note=seen.missing or (service.messages[0] if service and short and service.messages else ""),
                seconds=its.seconds,
                requests=its.requests,
                errors=its.errors,
                failing=its.fails(guard),
            )
        )
    return tuple(found)


def _candidates(release: Release, seen: Seen) -> tuple[ServiceView, ...]:
    """The candidate's tasks, as far as their deployments are under way."""
    found = []
    for deployment in seen.under_way:
        artifact = release.artifacts.get(deployment.service)
        found.append(
            ServiceView(
                name=deployment.service,
                artifact=artifact.short if artifact is not None else "",
                ready=deployment.running,
                wanted=deployment.requested,
                restarts=0,
                state_note=deployment.reason,
                seconds=0.0,
                requests=0,
                errors=0,
                failing=False,
            )
        )
    return tuple(found)
