"""Where the wanted versions are written. `file://` here; other schemes join in `parameter_at`."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ml_model_service.contract.wanted import LARGEST_TEXT
from ml_model_service.file_url import path_in


class ParameterError(ValueError):
    """The parameter cannot be read; the message says which and why."""


class VersionParameter(Protocol):
    """Names the wanted versions and may change at any time."""

    @property
    def interval(self) -> float:
        """Seconds between two reads."""
        ...

    def read(self) -> str:
        """The text now, such as `v1.0` (see contract/wanted.py). May block. Raises ParameterError."""
        ...


class FileParameter:
    """A file that is replaced as a whole when its text changes."""

    interval = 0.1

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signature: tuple[int, int, int] | None = None
        self._text = ""

    def read(self) -> str:
        """The text of the file, which is opened only when it was replaced since. Raises ParameterError."""
        try:
            found = self._path.stat()
            signature = (found.st_ino, found.st_mtime_ns, found.st_size)
            if signature != self._signature:
                with self._path.open("rb") as file:
                    self._text = file.read(LARGEST_TEXT + 1).decode(errors="replace").strip()
                self._signature = signature
        except OSError as error:
            self._signature = None
            raise ParameterError(f"cannot read the model version parameter {self._path}: {error.strerror}") from error
        return self._text


def parameter_at(url: str) -> VersionParameter:
    """The parameter that `url` names. Raises ParameterError for a scheme that is not known."""
    path = path_in(url)
    if path is not None:
        return FileParameter(path)
    raise ParameterError(f"MODEL_VERSION_PARAMETER: found {url!r}, allowed is file:///path/of/a/file")
