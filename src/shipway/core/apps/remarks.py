"""What the description of an app that devices run leaves to be wished for."""

from __future__ import annotations

from collections.abc import Iterator

from shipway.core.description.app import App


def remarks(app: App) -> Iterator[str]:
    """Sentences; none where there is nothing to say."""
    if app.device_app is None:
        return
    name, described = app.device_app
    if not app.services[described.updates].secrets:
        yield (
            f"{described.updates} names nothing under `secrets:`: without a signing key it offers the bundles of {name} "
            "to nobody (docs/mobile/updates.md)"
        )
