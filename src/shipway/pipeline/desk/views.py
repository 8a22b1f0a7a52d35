"""What people are shown of records: what serves where, with whom, and what is under way."""

from __future__ import annotations

from collections.abc import Iterator

from shipway.core.description.app import App
from shipway.core.observations.observation import Side, other
from shipway.core.ports.target import Target
from shipway.core.releases.release import Release
from shipway.core.releases.run import Run
from shipway.core.rollouts.plan import make_plan
from shipway.core.rollouts.records import EnvironmentRecord, RolloutRecord
from shipway.core.training.probation import OnProbation, shown
from shipway.core.verdicts.intervals import quantile
from shipway.core.verdicts.lately import SeenLately, together
from shipway.core.verdicts.traffic import MIN_LATENCIES
from shipway.core.views.bundles import offering_view
from shipway.core.views.environments import ClientsView, EnvironmentView, RolloutView, ServiceView, rollout_view
from shipway.core.views.releases import PreviewedStep, ReleaseView, RunView, models_of, release_view
from shipway.pipeline.experiments import Experiments
from shipway.pipeline.parts import Parts


class Views:
    """Looks at one app."""

    def __init__(self, parts: Parts, target: Target, experiments: Experiments) -> None:
        self._parts = parts
        self._store = parts.store
        self._target = target
        self._experiments = experiments

    def environments(self) -> Iterator[EnvironmentView]:
        """Every environment of shipway.yaml, in its order."""
        runs = self._store.all(Run)
        for name in self._parts.operator_app().environments:
            yield self._environment(self._parts.rollouts.record_of(name), runs)

    def run(self, run: Run) -> RunView:
        """The run with its release and rollouts."""
        release = self._store.get(Release, run.release or "")
        rollouts = (rollout_view(record) for record in self._store.all(RolloutRecord) if record.run == run.id)
        return RunView(run, release_view(release, ()) if release is not None else None, tuple(rollouts))

    def rollout(self, environment: str) -> RolloutView | None:
        """The rollout under way in an environment."""
        record = self._parts.rollouts.under_way(environment)
        return rollout_view(record) if record is not None else None

    def releases(self, limit: int) -> list[ReleaseView]:
        """The newest releases and where they serve."""
        serves: dict[str, tuple[str, ...]] = {}
        for name in self._parts.operator_app().environments:
            stable = self._parts.rollouts.record_of(name).stable or ""
            serves[stable] = (*serves.get(stable, ()), name)
        found = sorted(self._store.all(Release), key=lambda release: -int(release.id[1:]))[:limit]
        return [release_view(release, serves.get(release.id, ())) for release in found]

    def previewed(self, described: App, environment: str) -> PreviewedStep:
        """What a deploy of a release so described would do in the environment."""
        serves, policy = self._parts.rollouts.record_of(environment).stable, described.environments[environment].rollout
        plan = make_plan(policy, described.environments[environment].tasks.min, 0.0, has_stable=serves is not None)
        approval = self._parts.operator_app().environments[environment].approval
        return PreviewedStep(
            environment, serves, plan.strategy, plan.shares(), approval.roles if approval is not None else None
        )

    def _environment(self, record: EnvironmentRecord, runs: list[Run]) -> EnvironmentView:
        name, described = record.name, self._parts.operator_app().environments[record.name]
        release = self._store.get(Release, record.stable or "")
        under_way = self.rollout(name)
        coming = self._store.get(Release, under_way.release) if under_way is not None else None
        url, https_url = self._target.addresses(name)
        services: tuple[ServiceView, ...] = ()
        clients = None
        if release is not None:
            seen = self._target.lately(name, record.side, release)
            services = self._services(name, record.side, release, seen)
            clients = self._clients(name, seen, services)
        candidate_services: tuple[ServiceView, ...] = ()
        if coming is not None:
            side = other(record.side) if release is not None else record.side
            candidate_services = self._services(name, side, coming, self._target.lately(name, side, coming))
        return EnvironmentView(
            name=name,
            branch=described.branch,
            url=url,
            approval=described.approval.roles if described.approval else None,
            https_url=https_url,
            side=record.side,
            release=record.stable,
            previous=record.history[-2] if len(record.history) > 1 else None,
            commit=release.commit if release else None,
            subject=next((run.subject for run in runs if release and run.commit == release.commit), None),
            model_version=models_of(release) if release else None,
            services=services,
            candidate_services=candidate_services,
            clients=clients,
            warm=record.warm,
            rollout=under_way,
            experiment=self._experiments.last_report(name),
            app=offering_view(self._parts.offerings.of(name)) if self._parts.operator_app().apps else None,
            probation=shown(self._store.all(OnProbation), name, release.model_version if release else None),
        )

    def _services(self, environment: str, side: Side, release: Release, seen: SeenLately) -> tuple[ServiceView, ...]:
        guard = self._parts.operator_app().environments[environment].rollout.guard
        wanted = release.app.environments[environment].tasks.min
        everyone = self._target.tasks(environment, side)
        found = []
        for name, artifact in release.artifacts.items():
            tasks, lately = [task for task in everyone if task.service == name], seen.services[name]
            found.append(
                ServiceView(
                    name=name,
                    artifact=artifact.short,
                    ready=sum(task.state == "ready" for task in tasks),
                    wanted=wanted,
                    restarts=sum(task.restarts for task in tasks),
                    state_note=next((task.note for task in tasks if task.state != "ready" and task.note), ""),
                    seconds=lately.seconds,
                    requests=lately.requests,
                    errors=lately.errors,
                    failing=lately.fails(guard),
                )
            )
        return tuple(found)

    def _clients(self, environment: str, seen: SeenLately, services: tuple[ServiceView, ...]) -> ClientsView:
        """All services of what serves together, with their latency."""
        whole = together(seen.services.values())
        guard = self._parts.operator_app().environments[environment].rollout.guard
        failing = whole.fails(guard) or any(service.failing for service in services)
        return ClientsView(
            seconds=whole.seconds,
            requests=whole.requests,
            errors=whole.errors,
            failing=failing,
            p95=quantile(seen.latencies) if len(seen.latencies) >= MIN_LATENCIES else None,
            worst=seen.worst if failing else "",
        )
