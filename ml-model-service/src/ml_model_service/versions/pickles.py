"""Whose pickles may be loaded: those of the buckets that MODEL_PICKLES names.

Loading a pickle runs whatever its author wrote, as this service. Its digest says that it is the file that somebody
accepted when it was published, not that it is harmless; so the machine's owner says which bucket is trusted.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ml_model_service.aws.addresses import S3Address, s3_in

Trusted = Collection[Path | S3Address]
"""The buckets whose pickles may be loaded: folders by their real paths, and addresses in S3."""


class PickleRefused(ValueError):
    """A pickle that must not be loaded; the message says what would have to be true."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A folder that model versions lie in. `trusted`: its pickles may be loaded.

    The folder of a baked model is a bucket of its own.
    """

    folder: Path
    trusted: bool = False

    def pickle(self, file: Path) -> Path:
        """The real path of a pickle in this bucket. Raises PickleRefused, or OSError when there is none.

        By its real path, as a link that leads out of the bucket would show a file that nobody named.
        """
        if not self.trusted:
            raise PickleRefused(
                f"the model is a pickle; MODEL_PICKLES must name its bucket, {self.folder}, before it is loaded"
            )
        real, bucket = Path(os.path.realpath(file, strict=True)), os.path.realpath(self.folder, strict=True)
        if not real.is_relative_to(bucket):
            raise PickleRefused(f"the model is a pickle; {file.name} is a link that leads out of its bucket, {bucket}")
        return real


def bucket_at(folder: Path, trusted: Trusted) -> Bucket:
    """The bucket in `folder`, trusted if it is one of `trusted`."""
    return Bucket(folder, Path(os.path.realpath(folder)) in trusted)


def trusted_by(policy: str) -> tuple[Path | S3Address, ...]:
    """The buckets that `policy` names: absolute paths, file:// URIs or s3:// addresses, comma between.

    Raises ValueError, whose message is the entry that is none.
    """
    entries = [entry.strip() for entry in policy.split(",")]
    return tuple(s3_in(entry) or Path(os.path.realpath(_path(entry))) for entry in entries if entry)


def _path(entry: str) -> Path:
    path = Path(entry)
    if "://" in entry:
        parts = urlsplit(entry)
        if parts.scheme != "file" or parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
            raise ValueError(entry)
        path = Path(url2pathname(parts.path))
    if not path.is_absolute() or (path.exists() and not path.is_dir()):
        raise ValueError(entry)
    return path
