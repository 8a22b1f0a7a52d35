"""The verbs of secrets: who may change one, what is noted of it, and which tasks still have the former value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shipway.core.access.roles import check_known, check_role
from shipway.core.description.app import App
from shipway.core.desk import SecretDesk
from shipway.core.events import AuditEntry
from shipway.core.releases.release import Release
from shipway.core.secrets.needed import check_unused, in_use, services_with
from shipway.core.secrets.secret import StoredSecret, check_name, check_value
from shipway.core.views.secrets import SecretChange, SecretView, secret_views
from shipway.pipeline.parts import Parts


class PipelineSecrets(SecretDesk):
    """The verbs over a target's `Secrets`. The audit log holds names."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._secrets = parts.secrets

    def list(self, environment: str) -> Sequence[SecretView]:
        check_known(self._app, environment)
        return secret_views(self._app, self._secrets.list(environment))

    def set(self, environment: str, name: str, value: str, who: str, why: str) -> SecretChange:
        self._check(environment, name, who, "set a secret in")
        check_value(value)
        before = self._stored(environment, name)
        after = self._secrets.set(environment, name, value)
        changed = before is None or before.version != after.version
        if changed:
            self._note(environment, name, who, why, "set secret")
        return self._change(environment, name, changed)

    def unset(self, environment: str, name: str, who: str, why: str) -> SecretChange:
        self._check(environment, name, who, "unset a secret in")
        in_force = {"shipway.yaml": self._app}
        check_unused(name, environment, in_force | {release.id: release.app for release in self._there(environment)})
        changed = self._stored(environment, name) is not None
        if changed:
            self._secrets.unset(environment, name)
            self._note(environment, name, who, why, "unset secret")
        return self._change(environment, name, changed)

    def _change(self, environment: str, name: str, changed: bool) -> SecretChange:
        there = list(self._there(environment))
        running = in_use(name, [release.app for release in there]) if changed else ()
        redeploy = f"shipway deploy {there[0].commit[:7]} --env {environment}" if running else ""
        return SecretChange(environment, name, changed, services_with(self._app, name), running, redeploy)

    def _there(self, environment: str) -> Iterator[Release]:
        """The releases that have tasks there: the one that serves, then the candidate's and the warm side's."""
        rollouts = self._parts.rollouts
        record, under_way = rollouts.record_of(environment), rollouts.under_way(environment)
        warm = record.warm.release if record.warm is not None else None
        for id in dict.fromkeys((record.stable, under_way.release if under_way is not None else None, warm)):
            release = self._parts.store.get(Release, id) if id is not None else None
            if release is not None:
                yield release

    def _check(self, environment: str, name: str, who: str, action: str) -> None:
        check_known(self._app, environment)
        check_role(self._app, environment, who, action)
        check_name(name)

    def _stored(self, environment: str, name: str) -> StoredSecret | None:
        return next((secret for secret in self._secrets.list(environment) if secret.name == name), None)

    def _note(self, environment: str, name: str, who: str, why: str, action: str) -> None:
        self._parts.store.add_audit(AuditEntry(self._parts.clock(), who, action, environment, why, {"secret": name}))

    @property
    def _app(self) -> App:
        return self._parts.operator_app()
