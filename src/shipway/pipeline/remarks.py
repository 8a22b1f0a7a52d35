"""Remarks for the person who deploys a commit: which commit was chosen, and which changes are not in it."""

from __future__ import annotations

from shipway.core.description import DESCRIPTION
from shipway.core.description.app import App
from shipway.core.errors import ShipwayError
from shipway.core.ports.building import Source
from shipway.core.releases.release import Commit

_NAMED = 3


def remarks(source: Source, commit: Commit, app: App) -> tuple[str, ...]:
    """Sentences about a commit that is to be deployed; none when there is nothing to say."""
    services = (path for service in app.services.values() for path in (service.path, *service.include))
    paths = [DESCRIPTION, *services, *(one.path for one in app.apps.values())]
    try:
        behind = source.uncommitted(commit, paths)
    except ShipwayError:
        # The working copy is not what is deployed: if it cannot be read, that stops nothing.
        behind = []
    return tuple(filter(None, (commit.note, _stays_behind(behind))))


def _stays_behind(names: list[str]) -> str:
    if not names:
        return ""
    count = "1 uncommitted change stays" if len(names) == 1 else f"{len(names)} uncommitted changes stay"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{count} behind: {', '.join(names[:_NAMED])}{more}"
