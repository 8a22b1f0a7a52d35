"""Where versions come from: a folder of this machine, or copies of what lies in S3 (`s3_source.py`)."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ml_model_service.aws.addresses import S3Address
from ml_model_service.versions.model import Model, load
from ml_model_service.versions.pickles import Bucket, Trusted, bucket_at


class Source(Protocol):
    """Versions by name. `folder` and `load` may block, and may be called from any thread."""

    @property
    def bucket(self) -> Bucket:
        """Where their folders lie on this machine."""
        ...

    @property
    def retry_after(self) -> float:
        """Seconds after which a version that did not load is tried again."""
        ...

    def folder(self, version: str) -> Path:
        """The version's folder on this machine. Raises ModelError when it cannot be brought here."""
        ...

    def load(self, version: str) -> Model:
        """The verified version. Raises ModelError."""
        ...

    def close(self) -> None:
        """Remove what was put on this machine."""
        ...


class FolderSource:
    """The versions in a folder, as they lie there."""

    retry_after = 2.0

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket

    def folder(self, version: str) -> Path:
        return self.bucket.folder / version

    def load(self, version: str) -> Model:
        return load(self.folder(version), version, self.bucket)

    def close(self) -> None:
        """Nothing was put there."""


def source_at(place: Path | S3Address, trusted: Trusted) -> Source:
    """The versions at a place, pickles among them where it is one of the `trusted`.

    Raises ValueError for S3 without a region, OSError where copies of its versions can't be kept.
    """
    if isinstance(place, Path):
        return FolderSource(bucket_at(place, trusted))
    from ml_model_service.versions.s3_source import S3Source

    return S3Source(place, trusted=place in trusted)
