"""Where a model version is baked in: the service, its folder, and what shipway.yaml lacks for it to be served there."""

from __future__ import annotations

from collections.abc import Callable

from shipway.core.description.app import App
from shipway.core.errors import UsageError

FOLDER = "models"
"""In the service's folder, unless shipway.yaml says otherwise."""


def baked_into(app: App, service: str | None) -> tuple[str, str]:
    """The service to bake into, and the folder from the repository's root.

    Default: the service that has a model baked in, or else the one that serves the model. Raises UsageError.
    """
    services = app.services
    if service is not None and service not in services:
        raise UsageError(f"no service {service!r}", fix=f"allowed: {', '.join(services)} (shipway.yaml)")
    candidates = [service] if service is not None else [name for name, one in services.items() if one.baked]
    candidates = candidates or list(app.model_services())
    if len(candidates) != 1:
        raise UsageError(
            f"{len(candidates) or 'no'} services serve the model: {', '.join(candidates) or 'none'}",
            fix=f"say which one: --service {' or '.join(candidates or services)}",
        )
    described = services[candidates[0]]
    return candidates[0], f"{described.path}/{described.baked or FOLDER}"


def to_describe(app: App, service: str, inside: str, seen_from: Callable[[str, str], str]) -> str:
    """What shipway.yaml lacks for the service to serve what lies `inside`; `seen_from(path, start)` names a folder."""
    described = app.services[service]
    if described.baked is not None and seen_from(f"{described.path}/{described.baked}", "") == inside:
        return ""
    lacks = f"services.{service}: `baked: {seen_from(inside, described.path)}`"
    return lacks + (" in place of `model: true`" if described.model else "")
