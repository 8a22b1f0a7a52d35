"""What people see of releases, runs, and what a deploy would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shipway.core.releases.release import BakedModel, Release
from shipway.core.releases.run import Run
from shipway.core.views.environments import RolloutView


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


def models_of(release: Release) -> str | None:
    """The names of all model versions that a release serves."""
    return ", ".join(release.models) or None
