"""What goes out together: artifacts built once, promoted unchanged, plus the model version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shipway.core.description.app import App


@dataclass(frozen=True, slots=True)
class Commit:
    """A resolved git commit. `id` is the full hexadecimal object name.

    `note` says what was chosen where the requested name is ambiguous.
    """

    id: str
    subject: str
    author: str
    branch: str | None = None
    note: str = ""

    @property
    def short(self) -> str:
        """The first seven digits, as people write it."""
        return self.id[:7]


@dataclass(frozen=True, slots=True)
class BakedModel:
    """A model version that lies in an artifact: its name, and the SHA-256 of its model file."""

    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a build makes of a service at a commit.

    `digest` is the SHA-256 (64 hex digits) over the service's git trees, its locked environment and the
    interpreter: equal inputs give the equal artifact, whatever the commit. `address` is where it lies: only the target
    that made it reads that. `model` is the version that is baked in, if one is.
    """

    service: str
    digest: str
    address: str
    model: BakedModel | None = None

    @property
    def short(self) -> str:
        """The first six digits of the digest."""
        return self.digest[:6]


@dataclass(frozen=True, slots=True)
class Release:
    """One artifact for each service and one model version, rolled out and rolled back as one.

    `app` is the description as committed with it, so that a rollback brings back the old commands as well; `commit` is
    that description's, `commits` are those that services were built from. `app_version` is the bundle of the app that
    devices run, `app_digest` the SHA-256 of its content; None where the description has no such app.
    """

    id: str
    commit: str
    app: App
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    model_version: str | None = None
    model_digest: str | None = None
    request_schema: str | None = None
    created_at: float = 0.0
    commits: Mapping[str, str] = field(default_factory=dict)
    app_version: str | None = None
    app_digest: str | None = None

    def commit_of(self, service: str) -> str:
        """The commit that the service was built from; the description's where none of its own is recorded."""
        return self.commits.get(service, self.commit)

    @property
    def models(self) -> dict[str, str]:
        """The model versions that it serves, from the bucket and baked in: version → SHA-256 of the model file."""
        baked = (artifact.model for artifact in self.artifacts.values())
        found = {model.version: model.digest for model in baked if model is not None}
        if self.model_version is not None and self.model_digest is not None:
            found[self.model_version] = self.model_digest
        return found

    def model_of(self, service: str) -> str | None:
        """The version that tasks of the service must report; None where it serves no model."""
        baked = self.artifacts[service].model
        return baked.version if baked is not None else self.model_version if self.app.services[service].model else None

    def same_as(self, other: Release | None) -> bool:
        """Whether both were made of the same: commits, description, artifacts, models and bundle."""
        return (
            other is not None
            and (self.commit, self.app, self.models) == (other.commit, other.app, other.models)
            and self.app_digest == other.app_digest
            and self._sources() == other._sources()
        )

    def same_in(self, environment: str, other: Release | None) -> bool:
        """Whether both would run exactly the same there: bytes, model, commands, variables, number of tasks."""
        return other is not None and self.models == other.models and self.same_code_in(environment, other)

    def same_code_in(self, environment: str, other: Release) -> bool:
        """Whether both would run the same there, apart from the model that tasks take from the bucket."""
        return (
            self.app.services == other.app.services
            and self._place(environment) == other._place(environment)
            and self._digests() == other._digests()
        )

    def _sources(self) -> dict[str, tuple[str, str]]:
        return {service: (self.commit_of(service), digest) for service, digest in self._digests().items()}

    def _digests(self) -> dict[str, str]:
        return {service: artifact.digest for service, artifact in self.artifacts.items()}

    def _place(self, environment: str) -> tuple[object, ...]:
        described = self.app.environments.get(environment)
        return (described.tasks, described.env) if described else ()
