"""Whether a model version can take the place of the one that a release serves, or answer beside it."""

from __future__ import annotations

from collections.abc import Callable

from shipway.core.contract.schema import refused_by, unheard, unlike
from shipway.core.errors import ShipwayError
from shipway.core.models.model_version import ModelVersion
from shipway.core.ports.models import Models
from shipway.core.releases.release import Release


def requests_refused_by(models: Models, stable: Release, version: str) -> tuple[str, ...]:
    """Why `version` may refuse requests that the release's model takes; empty when it takes them all.

    Raises UsageError or Refused where the version itself is unknown or damaged.
    """
    new = models.get(version)
    return _compared(models, stable, new, lambda old: refused_by(new, old))


def schema_differences(models: Models, stable: Release, new: ModelVersion, *, answers: bool = True) -> tuple[str, ...]:
    """Why `new` can't answer beside the release's model; empty when requests and predictions mean the same to both.

    Descriptions and other texts in the schemas may differ; for a shadow, which does not answer, more (`unheard`).
    """
    differences = unlike if answers else unheard
    return _compared(models, stable, new, lambda old: differences(new, old))


def _compared(
    models: Models, stable: Release, new: ModelVersion, differences: Callable[[ModelVersion], tuple[str, ...]]
) -> tuple[str, ...]:
    """How `new` differs from the release's model; empty where both have the same schema."""
    if stable.model_version is None or new.schema_digest == stable.request_schema:
        return ()
    try:
        old = models.get(stable.model_version)
    except ShipwayError as error:
        return (f"what {stable.model_version} takes is not known any more: {error.what}",)
    return differences(old)
