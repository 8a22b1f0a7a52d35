"""What a bundle's zip must be before any device is offered it."""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from pathlib import PurePosixPath

from app_updates.contract.bundles import Bundle

LARGEST = 128 * 2**20
"""Bytes of a zip."""
LARGEST_UNPACKED = 128 * 2**20
MOST_FILES = 5_000
_INDEX = "index.html"


class BundleRefused(ValueError):
    """The zip must not be served; the message says why. It will be the same at the next look."""


def check(bundle: Bundle, content: bytes) -> frozenset[str]:
    """The names of the zip's files. Raises BundleRefused where it is not the one described, or not safe to unpack."""
    if bundle.size != len(content):
        raise _refused(bundle, f"has {len(content):,} bytes, its metadata says {bundle.size:,}")
    found = hashlib.sha256(content).hexdigest()
    if found != bundle.digest:
        raise _refused(bundle, f"has the SHA-256 {found}, its metadata says {bundle.digest}")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        # A newer version of the format is NotImplementedError, a name that is no text UnicodeDecodeError.
        raise _refused(bundle, f"is no zip: {error}") from error
    return _names(bundle, files)


def _names(bundle: Bundle, files: list[zipfile.ZipInfo]) -> frozenset[str]:
    if len(files) > MOST_FILES:
        raise _refused(bundle, f"holds {len(files):,} files, allowed are {MOST_FILES:,}")
    unpacked = sum(file.file_size for file in files)
    if unpacked > LARGEST_UNPACKED:
        raise _refused(bundle, f"unpacks to {unpacked:,} bytes, allowed are {LARGEST_UNPACKED:,}")
    for file in files:
        kind = stat.S_IFMT(file.external_attr >> 16)
        path = PurePosixPath(file.filename)
        if not file.filename:
            raise _refused(bundle, "holds a file that has no name")
        if path.is_absolute() or ".." in path.parts or "\\" in file.filename or ":" in file.filename:
            raise _refused(bundle, f"holds {file.filename[:100]!r}, which leads out of its folder")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refused(bundle, f"holds {file.filename[:100]!r}, which is no file: links are not allowed")
    names = [file.filename for file in files if not file.is_dir()]
    if len(set(names)) != len(names):
        raise _refused(bundle, "holds a file twice")
    if _INDEX not in names:
        raise _refused(bundle, f"has no {_INDEX} at its root")
    return frozenset(names)


def _refused(bundle: Bundle, why: str) -> BundleRefused:
    return BundleRefused(f"{bundle.version}: bundle.zip {why}")
