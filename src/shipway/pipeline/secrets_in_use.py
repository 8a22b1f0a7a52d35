"""Whether the secrets that a release needs are there, and whether they were changed since its tasks were started."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from shipway.core.description.app import App
from shipway.core.ports.state import Secrets, Store
from shipway.core.releases.release import Release
from shipway.core.secrets.needed import check_set, needed
from shipway.core.secrets.started import StartedWith, id_of


@dataclass(frozen=True, slots=True)
class SecretsInUse:
    """What runs know of secrets: names and versions."""

    store: Store
    secrets: Secrets

    def check(self, app: App, environments: Iterable[str]) -> None:
        """Raise Refused when tasks of the app could not be given all of their secrets there."""
        if not needed(app):
            return
        check_set(app, {name: [secret.name for secret in self.secrets.list(name)] for name in environments})
        self.secrets.check()

    def note_start(self, environment: str, release: Release) -> None:
        """Remember what the release's tasks are about to be started with."""
        if needed(release.app):
            self._put(StartedWith(environment, release.id, self._versions(environment, release)))

    def note_swap(self, environment: str, stable: Release, release: Release) -> None:
        """The release goes on with the tasks of another one."""
        started = self.store.get(StartedWith, id_of(environment, stable.id))
        if started is not None:
            self._put(replace(started, release=release.id))

    def changed(self, environment: str, release: Release | None) -> list[str]:
        """The secrets that have another value now than the release's tasks were started with."""
        if release is None or not needed(release.app):
            return []
        started = self.store.get(StartedWith, id_of(environment, release.id))
        if started is None:
            return []
        versions = self._versions(environment, release)
        return [name for name, version in versions.items() if started.versions.get(name) != version]

    def _put(self, started: StartedWith) -> None:
        self.store.put(started.id, started)

    def _versions(self, environment: str, release: Release) -> dict[str, str]:
        names = needed(release.app)
        return {secret.name: secret.version for secret in self.secrets.list(environment) if secret.name in names}
