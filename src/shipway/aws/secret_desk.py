"""The verbs of secrets on AWS. Who may is IAM's to say; CloudTrail notes each change, with names and without values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shipway.core.access.roles import check_known
from shipway.core.description.app import App
from shipway.core.desk import SecretDesk
from shipway.core.ports.state import Secrets
from shipway.core.secrets.needed import check_set, check_unused, needed, services_with
from shipway.core.secrets.secret import check_name, check_value
from shipway.core.views.secrets import SecretChange, SecretView, secret_views


class AwsSecretDesk(SecretDesk):
    """The verbs over Secrets Manager, for the app as shipway.yaml describes it."""

    def __init__(self, app: App, secrets: Secrets) -> None:
        self._app = app
        self._secrets = secrets

    def list(self, environment: str) -> Sequence[SecretView]:
        check_known(self._app, environment)
        return secret_views(self._app, self._secrets.list(environment))

    def set(self, environment: str, name: str, value: str, who: str, why: str) -> SecretChange:  # noqa: ARG002
        check_known(self._app, environment)
        check_name(name)
        check_value(value)
        self._secrets.set(environment, name, value)
        services = services_with(self._app, name)
        redeploy = f"shipway --target aws deploy --env {environment}" if services else ""
        return SecretChange(environment, name, True, services, services, redeploy)

    def unset(self, environment: str, name: str, who: str, why: str) -> SecretChange:  # noqa: ARG002
        check_known(self._app, environment)
        check_name(name)
        check_unused(name, environment, {"shipway.yaml": self._app})
        changed = any(secret.name == name for secret in self._secrets.list(environment))
        if changed:
            self._secrets.unset(environment, name)
        return SecretChange(environment, name, changed, ())

    def check_deployable(self, app: App, environments: Iterable[str]) -> None:
        """Raise Refused when one of the environments lacks a value that a service of `app` needs."""
        if needed(app):
            check_set(app, {name: [secret.name for secret in self._secrets.list(name)] for name in environments})
