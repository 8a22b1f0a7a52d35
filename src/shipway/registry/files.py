"""Files of model versions on this machine: read within bounds, digested, copied so that they stay as they are."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path

from shipway.core.errors import Refused, UsageError
from shipway.core.ports.models import FileDigest

METADATA = "metadata.json"
CONTRACT = "docs/model-bucket.md"
"""The page that describes a version's folder."""

MAX_METADATA = 4 << 20
MAX_FILES = 1000

_AGAIN = "train and publish the model again"


def read_bounded(path: Path) -> bytes:
    """A small file's bytes. Raises Refused when it is missing, not a regular file, or above 4 MiB."""
    with _open(path) as file:
        data = file.read(MAX_METADATA + 1)
    if len(data) > MAX_METADATA:
        raise Refused(f"{path}: more than {MAX_METADATA:,} bytes", fix="keep what is larger in a file of its own")
    return data


def last_line_with(path: Path, start: bytes) -> bytes | None:
    """The line that begins with `start` and is the last to do so, without `start`; only the last 4 MiB are searched."""
    with _open(path) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - MAX_METADATA))
        _, found, rest = file.read(MAX_METADATA).rpartition(b"\n" + start)
    return rest.partition(b"\n")[0] if found else None


def digest_of(path: Path) -> FileDigest:
    """SHA-256 (hex) and bytes of a file. Raises Refused when it is missing or not a regular file."""
    with _open(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def copy_sealed(source: Path, target: Path) -> FileDigest:
    """Copy a file, durable and read-only; answers the SHA-256 (hex) and size of what was written."""
    digest = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    with _open(source) as reader, target.open("xb") as writer:
        while chunk := reader.read(1 << 20):
            digest.update(chunk)
            writer.write(chunk)
        size = writer.tell()
        writer.flush()
        os.fchmod(writer.fileno(), 0o400)
        os.fsync(writer.fileno())
    return digest.hexdigest(), size


def copy_listed(folder: Path, listed: Mapping[str, FileDigest], target: Path) -> None:
    """Copy the files that metadata lists, sealed. Raises Refused when one is not what it is listed as."""
    for name, (sha256, size) in listed.items():
        found = copy_sealed(folder / name, target / name)
        if found != (sha256, size):
            raise Refused(
                f"{folder / name}: has sha256 {found[0]} and {found[1]:,} bytes; {METADATA} says {sha256} and {size:,}",
                fix=f"write the folder again, {METADATA} last, as {CONTRACT} says; it was changed after its metadata was made",
                state="nothing changed",
            )


def files_in(folder: Path) -> tuple[str, ...]:
    """Relative paths of all files below, sorted. Raises Refused at links, devices and more than 1,000 files."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", fix="name the folder that the training wrote")
    found: list[str] = []
    for place, folders, files in os.walk(folder):
        for name in folders + files:
            path = Path(place, name)
            relative = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise Refused(f"{path} is not a regular file", fix="replace it by a copy of what it stands for")
            if name in files:
                found.append(relative)
            if len(found) > MAX_FILES:
                raise Refused(f"{folder} holds more than {MAX_FILES:,} files", fix="pack them into an archive")
    return tuple(sorted(found))


def _open(path: Path) -> BufferedReader:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}", fix=_AGAIN) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Refused(f"{path} is not a regular file", fix=_AGAIN)
    return os.fdopen(handle, "rb")
