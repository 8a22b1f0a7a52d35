"""Where the wanted model version is named. `file://` here; other schemes join in `parameter_at`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

VERSION = re.compile(r"v[0-9]{1,6}\.[0-9]{1,6}")
_LARGEST = 64


class ParameterError(ValueError):
    """The parameter cannot be read or names no version; the message says which and what is allowed."""


class VersionParameter(Protocol):
    """Names the wanted version and may change at any time."""

    @property
    def interval(self) -> float:
        """Seconds between two reads."""
        ...

    def read(self) -> str:
        """The version wanted now, such as `v1.0`. May block. Raises ParameterError."""
        ...


class FileParameter:
    """A file whose text is the version; it is replaced as a whole when that changes."""

    interval = 0.1

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signature: tuple[int, int, int] | None = None
        self._version = ""

    def read(self) -> str:
        """The version in the file, which is opened only when it was replaced since. Raises ParameterError."""
        try:
            found = self._path.stat()
            signature = (found.st_ino, found.st_mtime_ns, found.st_size)
            if signature != self._signature:
                with self._path.open("rb") as file:
                    self._version = checked(file.read(_LARGEST).decode(errors="replace").strip(), str(self._path))
                self._signature = signature
        except OSError as error:
            self._signature = None
            raise ParameterError(f"cannot read the model version parameter {self._path}: {error.strerror}") from error
        return self._version


def checked(text: str, where: str) -> str:
    """`text` if it names a version. Raises ParameterError."""
    if VERSION.fullmatch(text) is None:
        raise ParameterError(f"{where}: found {text!r}, allowed is a version such as v1.0")
    return text


def parameter_at(url: str) -> VersionParameter:
    """The parameter that `url` names. Raises ParameterError for a scheme that is not known."""
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return FileParameter(Path(url2pathname(parts.path)))
    raise ParameterError(f"MODEL_VERSION_PARAMETER: found {url!r}, allowed is file:///path/of/a/file")
