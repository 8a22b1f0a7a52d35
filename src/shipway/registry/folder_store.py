"""The bucket of model versions as a folder of this machine.

Versions appear by one rename and never change, but for the metadata file, which is replaced whole.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shipway.core.contract.version import VERSION, sort_key
from shipway.core.errors import Refused
from shipway.core.models.model_version import check_there
from shipway.core.ports.models import FileDigest, VersionStore
from shipway.registry.files import METADATA, copy_listed, digest_of, files_in, read_bounded

_LOCK_WAIT = 60.0
_INCOMING = ".incoming-"


class FolderStore(VersionStore):
    """One folder of model versions, shared by processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def versions(self) -> tuple[str, ...]:
        if not self._folder.is_dir():
            return ()
        names = (entry.name for entry in os.scandir(self._folder) if entry.is_dir(follow_symlinks=False))
        return tuple(sorted((name for name in names if VERSION.fullmatch(name)), key=sort_key))

    def metadata(self, version: str) -> bytes:
        return read_bounded(self._path(version) / METADATA)

    def replace_metadata(self, version: str, before: bytes, after: bytes) -> bool:
        with self._lock():
            if self.metadata(version) != before:
                return False
            self._write(self._path(version) / METADATA, after, mode=0o400)
        return True

    def add(self, version: str, folder: str, files: Mapping[str, FileDigest], metadata: bytes) -> bool:
        with self._lock(), self._incoming() as incoming:
            if version in self.versions():
                return False
            copy_listed(Path(folder), files, incoming)
            self._write(incoming / METADATA, metadata, mode=0o400)
            # durable first, then visible in one step
            for place, _, _ in os.walk(incoming):
                _sync(Path(place))
            incoming.rename(self._folder / version)
            _sync(self._folder)
        return True

    def files(self, version: str) -> tuple[str, ...]:
        return tuple(name for name in files_in(self._path(version)) if name != METADATA)

    def digest(self, version: str, file: str) -> FileDigest:
        return digest_of(self._path(version) / file)

    @contextmanager
    def at_hand(self, version: str) -> Iterator[str]:
        yield str(self._path(version))

    def latest(self) -> str | None:
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
        with self._lock():
            self._write(self._folder / "latest", f"{version}\n".encode(), mode=0o600)

    def _path(self, version: str) -> Path:
        check_there(version, self.versions())
        return self._folder / version

    @contextmanager
    def _lock(self) -> Iterator[None]:
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
    def _incoming(self) -> Iterator[Path]:
        """An empty folder that readers do not see; removed afterwards unless it became a version. Needs the lock."""
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
