"""Uncaught errors of bundles on devices, grouped by bundle and place, and how quick bundles are there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_FRAME = re.compile(
    r"(?:https?|capacitor|ionic)://[^/\s)]*/([^\s():?#]{1,200})(?:[?#][^\s():]*)?:([0-9]{1,7}):([0-9]{1,7})"
)
_MOST_FRAMES = 20


@dataclass(frozen=True, slots=True)
class Frame:
    """A place in a bundle's file; line and column count from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Crash:
    """One error at one place: `times` in all, on `devices`. Times are Unix time.

    `place` is where it was thrown, in the app's own source where a map says so, else in the bundle; empty if unknown.
    """

    version: str
    kind: str
    message: str
    stack: str
    times: int
    devices: int
    first_at: float
    last_at: float
    place: str = ""


@dataclass(frozen=True, slots=True)
class Vital:
    """A web vital of a bundle: its 75th percentile over so many page loads; milliseconds, or the bare number of CLS."""

    version: str
    name: str
    p75: float
    times: int


@dataclass(frozen=True, slots=True)
class Crashes:
    """What devices told of bundles, the newest errors first."""

    crashes: tuple[Crash, ...] = ()
    vitals: tuple[Vital, ...] = ()


def read_crashes(found: Mapping[str, Any]) -> Crashes:
    """What `GET /crashes` of the service that answers devices says. Raises ValueError."""
    try:
        return Crashes(
            tuple(
                Crash(
                    str(one["version"]), str(one["kind"]), str(one["message"]), str(one["stack"]),
                    int(one["times"]), int(one["devices"]), float(one["first_at"]), float(one["last_at"]),
                )
                for one in found["crashes"]
            ),
            tuple(
                Vital(version, name, float(vital["p75"]), int(vital["times"]))
                for version, of in found["vitals"].items()
                for name, vital in of.items()
            ),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no crashes: {error!r}") from None


def frames(stack: str) -> Iterator[Frame]:
    r"""The places in a bundle's files that a stack names, the innermost first.

    >>> list(frames("TypeError: x\n    at b (https://localhost/assets/index-ab12.js:1:2345)"))
    [Frame(file='assets/index-ab12.js', line=1, column=2345)]
    """
    for n, match in enumerate(_FRAME.finditer(stack)):
        if n == _MOST_FRAMES:
            return
        yield Frame(match[1], int(match[2]), int(match[3]))
