"""Names and metadata of model versions: `v1.0`, `v1.1`, … and the digests that pin them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shipway.core.models.schema import Feature, Output

VERSION = re.compile(r"v(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")


def sort_key(version: str) -> tuple[int, int]:
    """Numeric order of version names.

    >>> sorted(["v1.10", "v1.9"], key=sort_key)
    ['v1.9', 'v1.10']
    """
    match = VERSION.fullmatch(version)
    if match is None:
        raise ValueError(f"{version!r} is not a model version such as v1.0")
    return int(match[1]), int(match[2])


def next_version(existing: Iterable[str]) -> str:
    """The next minor version.

    >>> next_version([]), next_version(["v1.0", "v1.9"])
    ('v1.0', 'v1.10')
    """
    keys = [sort_key(v) for v in existing]
    if not keys:
        return "v1.0"
    major, minor = max(keys)
    return f"v{major}.{minor + 1}"


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
