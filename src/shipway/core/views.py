"""What a desk answers that is no record: frozen, and in every target's words. No paths, no sockets.

One page, though a long one: a list of shapes without a rule among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shipway.core.apps.offering import Candidate, Offering
from shipway.core.contract.bundles import Bundle, BundleCounts
from shipway.core.daemon.disk import Usage
from shipway.core.daemon.loops import Loop
from shipway.core.description.app import App
from shipway.core.description.feature_group import FeatureGroup
from shipway.core.errors import Refused
from shipway.core.experiments.report import ExperimentReport
from shipway.core.models.model_version import ModelVersion
from shipway.core.models.origin import DecidedOn, Origin
from shipway.core.monitoring.watch import Seen, Verdict
from shipway.core.observations.observation import Side
from shipway.core.releases.release import BakedModel, Release
from shipway.core.releases.run import Run
from shipway.core.rollouts.records import RolloutKind, RolloutRecord, Warm
from shipway.core.rollouts.served import Served
from shipway.core.rollouts.waiting import Waiting
from shipway.core.secrets.needed import needed, services_with
from shipway.core.secrets.secret import StoredSecret
from shipway.core.training.probation import OnProbation
from shipway.core.training.training_run import TrainingRun


@dataclass(frozen=True, slots=True)
class MonitorView:
    """A look at a window of an environment's model, or the making of its baseline, which has no verdict.

    Times are Unix time; `since` and `until` are None for a table. `folder` holds the program's files. `training` is the
    run that a drift has started; `no_training` says why it has not, where it may. `held_since` is when the first of an
    unbroken row of holds was; `alarm` says what somebody should know of: a drift, or a hold that outlasted its limit.
    """

    environment: str
    version: str
    since: float | None
    until: float | None
    at: float
    seen: Seen
    verdict: Verdict | None
    folder: str
    training: str | None = None
    no_training: str = ""
    held_since: float | None = None
    alarm: str = ""


@dataclass(frozen=True, slots=True)
class TrainingView:
    """A run of the kind `train`, with what it has come to."""

    run: Run
    training: TrainingRun


@dataclass(frozen=True, slots=True)
class ClientsView:
    """What the clients of an environment saw in the last `seconds`; `failing` as in each service.

    `p95` in seconds, None where too few requests were timed; `worst` is the most frequent failure.
    """

    seconds: float
    requests: int
    errors: int
    failing: bool
    p95: float | None
    worst: str


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A service of an environment: its artifact in short, its tasks, and what clients saw of it in the last `seconds`.

    `state_note` says why a task is not ready; `failing` is worse than the environment's guard allows.
    """

    name: str
    artifact: str
    ready: int
    wanted: int
    restarts: int
    state_note: str
    seconds: float
    requests: int
    errors: int
    failing: bool


@dataclass(frozen=True, slots=True)
class RolloutView:
    """A rollout as it is now: `step` of `steps`, `weight` in ten-thousandths, times in Unix time."""

    id: str
    environment: str
    release: str
    previous: str | None
    kind: RolloutKind
    strategy: str
    phase: str
    step: int
    steps: int
    shares: str
    weight: int
    paused: bool
    reason: str
    verdict: str
    waiting: Waiting | None
    run: str | None
    since: float
    started: float
    ended: float | None


@dataclass(frozen=True, slots=True)
class CandidateView:
    """A bundle on its way out: `percent` of the devices are offered it, `step` of `steps`, times in Unix time.

    `fixed`: a person chose its share, so it goes no further by itself.
    """

    version: str
    percent: float
    step: int
    steps: int
    fixed: bool
    paused: bool
    release: str | None
    by: str
    began: float
    since: float
    verdict: str


@dataclass(frozen=True, slots=True)
class TakenBackView:
    """A bundle that no device may keep, and why. `devices` were last seen with it all the same, `last_seen` the newest.

    A device that does not call can't be told.
    """

    version: str
    reason: str
    at: float
    by: str
    devices: int
    last_seen: float | None


@dataclass(frozen=True, slots=True)
class SeenView:
    """With which bundle how many devices were last seen, and the newest of them (Unix time)."""

    version: str
    devices: int
    last_seen: float


@dataclass(frozen=True, slots=True)
class OfferingView:
    """What the devices of an environment are offered, and which bundles they were seen with.

    `counts` is what became of the bundles, None where nothing that answers devices could be asked.
    """

    environment: str
    stable: str
    before: str
    since: float
    candidate: CandidateView | None
    taken_back: tuple[TakenBackView, ...]
    seen: tuple[SeenView, ...]
    counts: Mapping[str, BundleCounts] | None = None


def offering_view(offering: Offering, counts: Mapping[str, BundleCounts] | None = None) -> OfferingView:
    """An offering as people see it."""
    seen = offering.seen
    return OfferingView(
        environment=offering.environment,
        stable=offering.stable,
        before=offering.before(),
        since=offering.since,
        candidate=_candidate_view(offering.candidate) if offering.candidate is not None else None,
        taken_back=tuple(
            TakenBackView(
                one.version, one.reason, one.at, one.by,
                seen[one.version].devices if one.version in seen else 0,
                seen[one.version].last_seen if one.version in seen else None,
            )
            for one in offering.taken_back
        ),
        seen=tuple(
            SeenView(version, one.devices, one.last_seen)
            for version, one in sorted(seen.items(), key=lambda item: -item[1].devices)
        ),
        counts=counts,
    )  # fmt: skip


def _candidate_view(candidate: Candidate) -> CandidateView:
    return CandidateView(
        version=candidate.version,
        percent=candidate.share,
        step=candidate.step + 1,
        steps=len(candidate.policy.steps) + 1,
        fixed=candidate.percent is not None,
        paused=candidate.paused,
        release=candidate.release,
        by=candidate.by,
        began=candidate.began,
        since=candidate.since,
        verdict=candidate.verdict,
    )


@dataclass(frozen=True, slots=True)
class BundleInUseView:
    """A bundle of the bucket, and what it is where: `prod: stable`, `dev: 5 % of the devices`."""

    bundle: Bundle
    offered: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EnvironmentView:
    """An environment: what serves there with which tasks, and what is under way. `approval` are the roles that may.

    `probation` is that of its model, or the one that ended by taking the model back.
    """

    name: str
    branch: str
    url: str
    approval: tuple[str, ...] | None
    https_url: str | None
    side: Side
    release: str | None
    previous: str | None
    commit: str | None
    subject: str | None
    model_version: str | None
    services: tuple[ServiceView, ...]
    candidate_services: tuple[ServiceView, ...]
    clients: ClientsView | None
    warm: Warm | None
    rollout: RolloutView | None
    experiment: ExperimentReport | None
    app: OfferingView | None = None
    probation: OnProbation | None = None


@dataclass(frozen=True, slots=True)
class StatusView:
    """What serves where, and the newest runs. `routing` says whether what takes the clients' requests is up."""

    app: str
    routing: bool
    environments: tuple[EnvironmentView, ...]
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class ArtifactView:
    """What was built of a service; `model` is the version that is baked in, if one is."""

    service: str
    digest: str
    model: BakedModel | None


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """A release, and the environments that it serves. `model_version` names all of its versions.

    `commit` is that of its description, `commits` are those that its services were built from. `app_version` is the
    bundle of the app that devices run.
    """

    id: str
    commit: str
    commits: Mapping[str, str]
    artifacts: Mapping[str, ArtifactView]
    model_version: str | None
    model_digest: str | None
    request_schema: str | None
    created_at: float
    serves: tuple[str, ...]
    app_version: str | None = None
    app_digest: str | None = None


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with its release and rollouts."""

    run: Run
    release: ReleaseView | None
    rollouts: tuple[RolloutView, ...]


@dataclass(frozen=True, slots=True)
class PreviewedStep:
    """What a deploy would do in an environment: how traffic would move (`shares`), over which release, asked of whom.

    `notes` say what the target does otherwise than shipway.yaml asks for, `wrong` why it would be refused.
    """

    environment: str
    serves: str | None
    strategy: str
    shares: str
    approval: tuple[str, ...] | None
    notes: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """What a deploy of a commit would do. Nothing was changed."""

    commit: str
    subject: str
    notes: tuple[str, ...]
    steps: tuple[PreviewedStep, ...]


@dataclass(frozen=True, slots=True)
class TaskLine:
    """A line that a task wrote; its owners' names are empty where nobody knows them any more."""

    environment: str
    service: str
    task: str
    release: str
    line: str


@dataclass(frozen=True, slots=True)
class ModelInUse:
    """A model version, the environments that it serves, and those of them where it is on probation."""

    model: ModelVersion
    serves: tuple[str, ...]
    probation: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelsView:
    """Every version, oldest first; new releases take `latest`."""

    latest: str | None
    models: tuple[ModelInUse, ...]


@dataclass(frozen=True, slots=True)
class ModelView:
    """All that is known of a version: its whole metadata, where it serves, and where it ever did.

    `probations` are those that it was on, or was the version before.
    """

    metadata: Mapping[str, Any]
    latest: bool
    serves: tuple[str, ...]
    served: tuple[Served, ...]
    probations: tuple[OnProbation, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelStay:
    """A model version as the current one of an environment, from `since` until `until` (Unix time; None: it still is).

    `release` and `run` brought it, for `by`, in the way `kind`. `decided` is the newest decision on it in that time.
    `probation` says how that went on or ended. Of one moment: `beside` tells what answered or listened beside it. What is not
    known is empty or None.
    """

    environment: str
    version: str
    since: float
    until: float | None
    release: str
    by: str
    why: str = ""
    run: str = ""
    kind: str = ""
    back: bool = False
    origin: Origin | None = None
    decided: DecidedOn | None = None
    probation: str = ""
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Publishing:
    """What the publisher of a version asks for.

    `pickle_sha256` accepts the pickle that has this digest; `keep_native` publishes a pickle that cannot be converted
    as it is; `check` looks at the model row by row, whatever its format, and stores nothing.
    """

    pickle_sha256: str | None = None
    keep_native: bool = False
    check: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """A version after a decision: whether that changed it, where it serves and whether new releases take it.

    `run` promotes it where `model.on_approval` says so; `not_promoted` tells why that was refused. Where no run is
    needed for it, `told` says what came of it.
    """

    model: ModelVersion
    changed: bool
    serves: tuple[str, ...]
    latest: bool
    run: Run | None = None
    not_promoted: Refused | None = None
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Promoted:
    """What new releases take now, and the run that brings the version to where it is asked for, if one does.

    Where it is there already, `told` says how that was read back.
    """

    latest: str | None
    run: Run | None
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Baked:
    """A version in a folder of the work tree; `to_describe` is what shipway.yaml lacks for it to be served there."""

    model: ModelVersion
    folder: str
    to_describe: str


@dataclass(frozen=True, slots=True)
class FeatureGroupView:
    """A feature group as shipway.yaml declares it, and how many records it has online in an environment."""

    name: str
    group: FeatureGroup
    records: int


@dataclass(frozen=True, slots=True)
class FeaturesPut:
    """How many records are online now, and the ids of those that were older: they are in the history alone."""

    environment: str
    group: str
    kept: int
    older: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FeaturesCompacted:
    """How many records of each group went from the store into files."""

    environment: str
    records: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FeaturesJoined:
    """How many rows were written to `output`, and for how many of them each group knew something."""

    environment: str
    output: str
    rows: int
    known: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SecretView:
    """A secret by its name: when its value was set (Unix time, None while it has none), the services that name it."""

    name: str
    set_at: float | None
    services: tuple[str, ...]


def secret_views(app: App, stored: Iterable[StoredSecret]) -> list[SecretView]:
    """Every secret that has a value or that a service names, by name."""
    set_at = {secret.name: secret.set_at for secret in stored}
    return [SecretView(name, set_at.get(name), services_with(app, name)) for name in sorted({*set_at, *needed(app)})]


@dataclass(frozen=True, slots=True)
class SecretChange:
    """What became of a secret: whether it has another value now, or none. `services` name it in shipway.yaml.

    Tasks of `running` go on with the value that they were started with; `redeploy` is the command that starts them anew.
    """

    environment: str
    name: str
    changed: bool
    services: tuple[str, ...]
    running: tuple[str, ...] = ()
    redeploy: str = ""


@dataclass(frozen=True, slots=True)
class DaemonView:
    """A daemon on its machine: the app's folder, since when it runs (Unix time), its loops, and what it holds on disk.

    `committed` says whether the roles and approvals in force ever stood in a commit; `held_back` are those of the
    working copy that wait for one.
    """

    root: str
    started: float
    committed: bool
    held_back: Mapping[str, str]
    loops: tuple[Loop, ...]
    disk: Usage | None


def release_view(release: Release, serves: tuple[str, ...]) -> ReleaseView:
    """A release as people see it; `serves` are the environments that it serves."""
    return ReleaseView(
        id=release.id,
        commit=release.commit,
        commits={name: release.commit_of(name) for name in release.artifacts},
        artifacts={
            name: ArtifactView(name, artifact.digest, artifact.model) for name, artifact in release.artifacts.items()
        },
        model_version=models_of(release),
        model_digest=release.model_digest,
        request_schema=release.request_schema,
        created_at=release.created_at,
        serves=serves,
        app_version=release.app_version,
        app_digest=release.app_digest,
    )


def rollout_view(record: RolloutRecord) -> RolloutView:
    """A rollout as people see it."""
    state = record.state
    return RolloutView(
        id=record.id,
        environment=record.environment,
        release=record.release,
        previous=record.previous,
        kind=record.kind,
        strategy=record.plan.strategy,
        phase=state.phase,
        step=state.step + 1,
        steps=len(record.plan.steps),
        shares=record.plan.shares(),
        weight=state.weight,
        paused=state.paused,
        reason=state.reason,
        verdict=state.verdict,
        waiting=state.waiting if state.phase == "shifting" else None,
        run=record.run,
        since=state.since,
        started=record.started,
        ended=record.ended,
    )


def models_of(release: Release) -> str | None:
    """The names of all model versions that a release serves."""
    return ", ".join(release.models) or None
