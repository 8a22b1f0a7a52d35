"""Bakes a version into a service's folder: its model and metadata are copied there, to be committed like code."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from shipway.core.errors import Refused, UsageError
from shipway.registry import metadata
from shipway.registry.files import METADATA, copy_sealed, files_in, read_bounded

_WRITABLE = 0o644


def bake(version: Path, target: Path) -> None:
    """Put the metadata and the model file of a version's folder into `target`, in place of the version baked before.

    `target` is replaced by one rename; further files in it (a README) stay. Raises UsageError where it is not a folder,
    Refused where the model file is not what its metadata says.
    """
    data = read_bounded(version / METADATA)
    _, checked = metadata.parse(data, f"{version.name}: {METADATA}")
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise UsageError(f"{target} is not a folder", fix="name the folder that the service reads its baked model from")
    incoming = target.with_name(f".{target.name}-{uuid.uuid4().hex}")
    incoming.mkdir(parents=True)
    try:
        for name in _others(target):
            (incoming / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(target / name, incoming / name)
        entry = checked.files[checked.model_file]
        if copy_sealed(version / checked.model_file, incoming / checked.model_file) != (entry.sha256, entry.bytes):
            raise Refused(
                f"{version / checked.model_file} was changed after it was published", fix="use another version"
            )
        (incoming / checked.model_file).chmod(_WRITABLE)
        with (incoming / METADATA).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _replace(target, incoming)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def _others(target: Path) -> list[str]:
    """The files of the folder that belong to no baked version."""
    there = files_in(target) if target.exists() else ()
    if METADATA not in there:
        return list(there)
    try:
        _, before = metadata.parse(read_bounded(target / METADATA), METADATA)
    except Refused:
        return [name for name in there if name != METADATA]
    return [name for name in there if name not in (METADATA, before.model_file)]


def _replace(target: Path, incoming: Path) -> None:
    # A folder can't be renamed over another one that is not empty, so the old one steps aside for a moment.
    old = target.with_name(f".{target.name}-{uuid.uuid4().hex}")
    if target.exists():
        target.rename(old)
    try:
        incoming.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
