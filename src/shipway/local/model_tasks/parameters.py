"""Parameters as files: the Parameter Store of this machine, with its rules for names and values."""

from __future__ import annotations

import os
import re
from pathlib import Path

from shipway.core.errors import UsageError
from shipway.local.files.atomic_file import write_atomically

MAX_NAME = 1011
MAX_DEPTH = 15
MAX_BYTES = 4096

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")


class FileParameters:
    """Values under names such as `/ontime/prod/green/model-version`, one file each.

    A change puts a new file (a new inode) in the old one's place, so a reader sees the old text or the new one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def put(self, name: str, value: str) -> None:
        """Set a parameter. Raises UsageError for a bad name, an empty value or one above 4,096 bytes."""
        path = self._path(name)
        data = _encoded(name, value)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise _taken(name, "a part of its path is a parameter itself") from error
        try:
            # A file left by a crash begins with a dot, which no name does: it is never taken for a parameter.
            write_atomically(path, data)
        except IsADirectoryError as error:
            raise _taken(name, "it is the folder of other parameters") from error
        _sync_folder(path.parent)

    def get(self, name: str) -> str | None:
        """The parameter's value, or None when there is none. Raises UsageError for a bad name."""
        try:
            return self._path(name).read_bytes().decode()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def delete(self, name: str) -> None:
        """Remove the parameter, if there is one. Raises UsageError for a bad name."""
        path = self._path(name)
        if path.is_file():
            path.unlink(missing_ok=True)
            _sync_folder(path.parent)

    def uri(self, name: str) -> str:
        """Where a task reads the parameter: `file://` and the path as it is, like every path that a task is told.

        Raises UsageError for a bad name.
        """
        return f"file://{self._path(name)}"

    def _path(self, name: str) -> Path:
        parts = name.split("/")[1:]
        fine = name.startswith("/") and len(name) <= MAX_NAME and len(parts) <= MAX_DEPTH
        if not fine or not all(_PART.fullmatch(part) for part in parts):
            raise UsageError(
                f"{name[:80]!r} is not the name of a parameter",
                fix=f"write it as /app/environment/name: parts of letters, digits, '_', '-' and '.', "
                f"{MAX_DEPTH} parts and {MAX_NAME:,} characters at most",
            )
        return self._folder.joinpath(*parts)


def _encoded(name: str, value: str) -> bytes:
    try:
        data = value.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"parameter {name}: the value is not valid text", fix="write it in UTF-8") from error
    if not 0 < len(data) <= MAX_BYTES:
        raise UsageError(
            f"parameter {name}: the value has {len(data):,} bytes; allowed: 1 to {MAX_BYTES:,}",
            fix="keep what is larger in a bucket and its name in the parameter",
        )
    return data


def _taken(name: str, why: str) -> UsageError:
    return UsageError(f"parameter {name} cannot be set: {why}", fix="choose another name")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
