"""What is known of a model version, and the digests that pin it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shipway.core.contract.schema import Feature, Output
from shipway.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One folder of the model bucket.

    `digest` is the SHA-256 of the model file, `schema_digest` of the feature schema's canonical JSON (64 hex digits).
    `approval_at` is ISO 8601.
    """

    version: str
    name: str
    model_file: str
    digest: str
    schema_digest: str
    trained_at: str
    dataset_version: str
    author: str
    approval_status: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    approval_by: str | None = None
    approval_at: str | None = None
    approval_why: str | None = None
    features: tuple[Feature, ...] = ()
    output: Output = field(default_factory=Output)


def check_there(version: str, versions: Sequence[str]) -> None:
    """Raise UsageError for a version that is none of those that there are."""
    if version not in versions:
        known = ", ".join(versions) or "none was published"
        raise UsageError(f"no model version {version[:40]!r}; there are: {known}", fix="name one of these")
