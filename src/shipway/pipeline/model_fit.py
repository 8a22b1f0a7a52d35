"""Whether a model version can take the place of the one that a release serves, in tasks that go on running."""

from __future__ import annotations

from shipway.core.errors import ShipwayError
from shipway.core.ports import Models
from shipway.core.release import Release
from shipway.core.schema import refused_by


def misfits(models: Models, stable: Release, version: str) -> tuple[str, ...]:
    """Why requests that suit the release's model may not suit `version`; empty when each of them does.

    Raises UsageError or Refused where the version itself is unknown or damaged.
    """
    new = models.get(version)
    if stable.model_version is None or new.schema_digest == stable.request_schema:
        return ()
    try:
        old = models.get(stable.model_version)
    except ShipwayError as error:
        return (f"what {stable.model_version} takes is not known any more: {error.what}",)
    return refused_by(new.features, old.features)
