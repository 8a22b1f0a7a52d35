"""What people see of secrets: never their values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shipway.core.description.app import App
from shipway.core.secrets.needed import needed, services_with
from shipway.core.secrets.secret import StoredSecret


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
