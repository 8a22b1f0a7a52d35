"""Which services name a secret, and which secrets a release would lack."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from shipway.core.contract.bundles import SIGNING_KEY
from shipway.core.description.app import App
from shipway.core.errors import Refused


def services_with(app: App, name: str) -> tuple[str, ...]:
    """The services of shipway.yaml that name the secret."""
    return tuple(service for service, described in app.services.items() if name in described.secrets)


def needed(app: App) -> dict[str, tuple[str, ...]]:
    """Every secret that a service names → those services."""
    names = dict.fromkeys(name for described in app.services.values() for name in described.secrets)
    return {name: services_with(app, name) for name in names}


def check_set(app: App, stored: Mapping[str, Collection[str]]) -> None:
    """Raise Refused when one of the environments, each with the names that have a value there, lacks some."""
    lacking = [
        (environment, name) for environment, names in stored.items() for name in needed(app) if name not in names
    ]
    if not lacking:
        return
    said = "; ".join(
        f"{name} in {environment} ({', '.join(services_with(app, name))} needs it)" for environment, name in lacking
    )
    commands = [_command(name, environment) for environment, name in lacking]
    raise Refused(f"no value is set for {said}", fix=", then ".join(commands), state="nothing was started")


def _command(name: str, environment: str) -> str:
    return f"shipway {'app key' if name == SIGNING_KEY else f'secrets set {name}'} --env {environment}"


def check_unused(name: str, environment: str, apps: Mapping[str, App]) -> None:
    """Raise Refused while a service names the secret. `apps`: what has it, such as `shipway.yaml` → its description."""
    users = {what: services for what, app in apps.items() if (services := services_with(app, name))}
    if not users:
        return
    said = "; ".join(f"{', '.join(services)} of {what}" for what, services in users.items())
    raise Refused(
        f"{name} is named by {said}: without a value its tasks could not be started again in {environment}",
        fix=f"to replace the value: shipway secrets set {name} --env {environment}. To be rid of it: take {name} out of "
        f"`secrets:` in shipway.yaml, commit, deploy to {environment}, shipway reload, then unset it",
        state="nothing changed",
    )


def in_use(name: str, apps: Iterable[App]) -> tuple[str, ...]:
    """The services of any of these descriptions that name the secret."""
    return tuple(dict.fromkeys(service for app in apps for service in services_with(app, name)))
