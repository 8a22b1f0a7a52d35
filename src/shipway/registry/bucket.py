"""The bucket of model versions as a folder: `v1.0/ v1.1/ … latest`. All file access of the registry is here.

Versions appear by one rename and never change, but for the metadata file, which is replaced whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from shipway.core.contract.version import VERSION, sort_key
from shipway.core.errors import Refused, UsageError

METADATA = "metadata.json"
MAX_METADATA = 4 << 20
MAX_FILES = 1000

_AGAIN = "train and publish the model again"
_LOCK_WAIT = 60.0
_INCOMING = ".incoming-"


class Bucket:
    """One folder of model versions, shared by processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def versions(self) -> tuple[str, ...]:
        """The versions that are there, in numeric order."""
        if not self._folder.is_dir():
            return ()
        names = (entry.name for entry in os.scandir(self._folder) if entry.is_dir(follow_symlinks=False))
        return tuple(sorted((name for name in names if VERSION.fullmatch(name)), key=sort_key))

    def path(self, version: str) -> Path:
        """The folder of a version. Raises UsageError when there is none."""
        versions = self.versions()
        if version not in versions:
            known = ", ".join(versions) or "none was published"
            raise UsageError(f"no model version {version[:40]!r}; there are: {known}", fix="name one of these")
        return self._folder / version

    def metadata(self, version: str) -> bytes:
        """The bytes of the version's metadata. Raises UsageError, or Refused when they cannot be read."""
        return read_bounded(self.path(version) / METADATA)

    def replace_metadata(self, version: str, data: bytes) -> None:
        """Put `data` in place of the version's metadata, in one step."""
        self._write(self.path(version) / METADATA, data, mode=0o400)

    def latest(self) -> str | None:
        """The version that `latest` names; None when nothing was promoted. Raises Refused when it is damaged."""
        pointer = self._folder / "latest"
        if not pointer.exists():
            return None
        name = read_bounded(pointer).decode(errors="replace").strip()
        if not VERSION.fullmatch(name):
            raise Refused(
                f"{pointer} holds {name[:40]!r}, which is not a model version", fix="set the latest version again"
            )
        return name

    def point(self, version: str) -> None:
        """Make `latest` name the version, in one step."""
        self._write(self._folder / "latest", f"{version}\n".encode(), mode=0o600)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Only one writer at a time; the kernel frees it when its holder dies. Raises Refused after a minute."""
        self._folder.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + _LOCK_WAIT
        with (self._folder / ".lock").open("ab") as file:
            while not _try_lock(file.fileno()):
                if time.monotonic() > deadline:
                    raise Refused(f"{self._folder} is being written to by another command", fix="try again later")
                time.sleep(0.01)
            yield

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """An empty folder that readers do not see; removed afterwards unless it was committed. Needs the lock."""
        for left in self._folder.glob(f"{_INCOMING}*"):  # left by a process that was killed: we hold the lock
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()
        folder = self._folder / f"{_INCOMING}{uuid.uuid4().hex}"
        folder.mkdir()
        try:
            yield folder
        finally:
            if folder.exists():
                shutil.rmtree(folder)

    def commit(self, incoming: Path, version: str, metadata: bytes) -> None:
        """Make a filled incoming folder a version: durable first, then visible in one step. Needs the lock."""
        self._write(incoming / METADATA, metadata, mode=0o400)
        for folder, _, _ in os.walk(incoming):
            _sync(Path(folder))
        incoming.rename(self._folder / version)
        _sync(self._folder)

    def _write(self, path: Path, data: bytes, mode: int) -> None:
        fresh = self._folder / f"{_INCOMING}{uuid.uuid4().hex}"
        try:
            with fresh.open("xb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
        _sync(path.parent)


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


def digest_of(path: Path) -> tuple[str, int]:
    """SHA-256 (hex) and bytes of a file. Raises Refused when it is missing or not a regular file."""
    with _open(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def copy_sealed(source: Path, target: Path) -> tuple[str, int]:
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


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
