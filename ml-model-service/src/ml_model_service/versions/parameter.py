"""Where the wanted versions are written: a file, or what `remote_parameter.py` asks on AWS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ml_model_service.aws.addresses import s3_in, ssm_in
from ml_model_service.contract.wanted import LARGEST_TEXT
from ml_model_service.file_url import path_in

NONE = "none"
"""The text of a parameter that was made before the first version was promoted."""


class ParameterError(ValueError):
    """The parameter cannot be read; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Stale:
    """The parameter has not been read lately: why, how often in a row, and since when (Unix time)."""

    error: str
    failures: int
    since: float


class VersionParameter(Protocol):
    """Names the wanted versions and may change at any time."""

    @property
    def interval(self) -> float:
        """Seconds between two reads."""
        ...

    @property
    def stale(self) -> Stale | None:
        """Why the last read answered what an earlier one had found, if it did."""
        ...

    @property
    def failures(self) -> int:
        """Reads that failed so far."""
        ...

    def read(self) -> str:
        """The text now, such as `v1.0` (see contract/wanted.py). May block. Raises ParameterError."""
        ...


class FileParameter:
    """A file that is replaced as a whole when its text changes."""

    interval = 0.1
    stale = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signature: tuple[int, int, int] | None = None
        self._text = ""
        self.failures = 0

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
            self.failures += 1
            raise ParameterError(f"cannot read the model version parameter {self._path}: {error.strerror}") from error
        return self._text


def parameter_at(url: str) -> VersionParameter:
    """The parameter that `url` names. Raises ParameterError for a scheme that is not known, or AWS without a region."""
    path = path_in(url)
    if path is not None:
        return FileParameter(path)
    name, address = ssm_in(url), s3_in(url)
    if name is not None:
        from ml_model_service.versions.remote_parameter import RemoteParameter, parameter_text

        return RemoteParameter(url, parameter_text(name))
    if address is not None and address.prefix:
        from ml_model_service.versions.remote_parameter import RemoteParameter, object_text

        return RemoteParameter(url, object_text(address))
    allowed = "file:///path/of/a/file, ssm:///name/of/a/parameter or s3://bucket/key"
    raise ParameterError(f"MODEL_VERSION_PARAMETER: found {url!r}, allowed is {allowed}")
