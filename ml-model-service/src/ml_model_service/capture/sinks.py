"""Where captured lines go: files in a folder, or objects in S3 (`objects.py`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ml_model_service.aws.addresses import s3_in
from ml_model_service.capture.files import MAX_AGE, Files
from ml_model_service.file_url import path_in
from ml_model_service.settings import SettingsError, check_endpoint


class Sink(Protocol):
    """Belongs to one thread, which may wait in every method; its counters may be read by others."""

    stored: int
    """Requests whose lines are where they belong."""
    lost: int
    """Requests whose lines could not be brought there."""
    held: int
    """Bytes in memory that are still to be brought there."""

    def write(self, variant: str, moment: float, lines: bytes, count: int) -> None:
        """Take whole lines of `count` requests, which were answered at `moment` (Unix time). Raises OSError if lost."""

    def tend(self, now: float) -> None:
        """What is due now. Raises OSError; it is tried again at another time."""

    def close(self) -> None:
        """Bring everything where it belongs. Raises OSError where that failed."""


SinkFor = Callable[[str], Sink]
"""The sink of an endpoint. Raises SettingsError for a name that no endpoint can have."""


def sink_at(url: str, max_age: float = MAX_AGE) -> SinkFor:
    """The sinks of the place that CAPTURE names; what is `max_age` seconds old goes there.

    Raises SettingsError for another kind of address.
    """
    folder, address = path_in(url), s3_in(url)
    if folder is not None:
        return lambda endpoint: Files(folder / checked(endpoint), max_age)
    if address is None:
        allowed = "file:///path/of/a/folder or s3://bucket/prefix"
        raise SettingsError(f"CAPTURE: found {url!r}, allowed is {allowed}")
    from ml_model_service.capture.objects import Objects, putting_at

    try:
        put = putting_at(address)
    except ValueError as error:
        raise SettingsError(f"CAPTURE: {error}") from error
    return lambda endpoint: Objects(put, checked(endpoint), max_age=max_age)


def checked(endpoint: str) -> str:
    """The endpoint's name, which becomes a folder's. Raises SettingsError."""
    check_endpoint(endpoint)
    return endpoint
