"""The text behind a task's version parameter: which model versions it is to serve, and to whom."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .version import VERSION

LARGEST_TEXT = 4096
MAX_CANDIDATES = 9
ROUNDING = 1e-9
"""Percents come as decimals, whose sum may miss 100 by rounding."""


class WantedError(ValueError):
    """The text names no versions to serve; the message says where, what was found and what is allowed."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """A version that sees `percent` of the requests and answers none."""

    version: str
    percent: float = 100.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """The stable version, the candidates with their percent of the cohorts, and the shadow.

    What the candidates leave of 100 percent is stable's.
    """

    version: str
    split: tuple[tuple[str, float], ...] = ()
    shadow: Shadow | None = None

    @property
    def variants(self) -> tuple[tuple[str, float], ...]:
        """Every version that answers with its percent, stable first; the percents make 100."""
        rest = 100.0 - math.fsum(percent for _, percent in self.split)
        return ((self.version, rest if rest > ROUNDING else 0.0), *self.split)

    def text(self) -> str:
        """What `parse` reads: the bare version where nothing else is wanted, else JSON.

        >>> Wanted("v1.1").text()
        'v1.1'
        >>> Wanted("v1.1", (("v1.2", 10.0),)).text()
        '{"version": "v1.1", "split": {"v1.2": 10.0}}'
        """
        told: dict[str, object] = {"version": self.version}
        if self.split:
            told["split"] = dict(self.split)
        if self.shadow is not None:
            told["shadow"] = {"version": self.shadow.version, "percent": self.shadow.percent}
        return json.dumps(told) if len(told) > 1 else self.version


def parse(text: str) -> Wanted:
    """What is wanted by `text`: a bare version, or JSON. Raises WantedError.

    >>> parse("v1.1")
    Wanted(version='v1.1', split=(), shadow=None)
    >>> parse('{"version": "v1.1", "split": {"v1.2": 10}}').variants
    (('v1.1', 90.0), ('v1.2', 10.0))
    """
    text = text.strip()
    if len(text) > LARGEST_TEXT:
        raise WantedError(f"found {len(text)} characters, allowed are {LARGEST_TEXT}")
    if not text.startswith("{"):
        return Wanted(_version("", text))
    try:
        found = json.loads(text, object_pairs_hook=_without_duplicates)
    except (json.JSONDecodeError, RecursionError) as error:
        raise WantedError(f"not JSON: {error}") from None
    _check_keys("", found, required=("version",), optional=("split", "shadow"))
    version = _version("version", found["version"])
    split = tuple(_candidates(version, found.get("split", {})))
    return Wanted(version, split, _shadow({version, *dict(split)}, found.get("shadow")))


def _candidates(stable: str, found: object) -> Iterator[tuple[str, float]]:
    if not isinstance(found, dict) or len(found) > MAX_CANDIDATES:
        raise _wrong("split", found, f'an object of at most {MAX_CANDIDATES} candidates such as {{"v1.2": 10}}')
    total = math.fsum(_percent(f"split.{name}", percent) for name, percent in found.items())
    if total > 100 + ROUNDING:
        raise WantedError(f"split: found {total:g} percent in all, allowed are 100")
    for name, percent in found.items():
        if _version("split", name) == stable:
            raise WantedError(f"split: found {name!r}, which is the stable version: it has what the others leave")
        yield name, float(percent)


def _shadow(answering: set[str], found: object) -> Shadow | None:
    if found is None:
        return None
    if not isinstance(found, dict):
        raise _wrong("shadow", found, 'null or an object such as {"version": "v1.3", "percent": 100}')
    _check_keys("shadow.", found, required=("version",), optional=("percent",))
    version, percent = (
        _version("shadow.version", found["version"]),
        _percent("shadow.percent", found.get("percent", 100.0)),
    )
    if version in answering:
        raise WantedError(f"shadow.version: found {version!r}, which answers requests: a shadow answers none")
    if percent == 0:
        raise WantedError("shadow.percent: found 0, allowed is a number above 0 and up to 100")
    return Shadow(version, percent)


def _version(where: str, found: object) -> str:
    if not isinstance(found, str) or VERSION.fullmatch(found) is None:
        raise _wrong(where, found, "a version such as v1.0")
    return found


def _percent(where: str, found: object) -> float:
    # type() rather than isinstance(): true is no number here; written so that NaN fails
    if type(found) not in (int, float) or not 0 <= found <= 100:  # type: ignore[operator]
        raise _wrong(where, found, "a number from 0 to 100")
    return float(found)  # type: ignore[arg-type]


def _check_keys(where: str, found: dict[str, Any], required: tuple[str, ...], optional: tuple[str, ...]) -> None:
    allowed = (*required, *optional)
    for key in found:
        if key not in allowed:
            raise WantedError(f"found the key {_shown(where + key)}, allowed are {', '.join(allowed)}")
    for key in required:
        if key not in found:
            raise WantedError(f"{where}{key} is missing")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise WantedError(f"found a key twice among {_shown([key for key, _ in pairs])}")
    return found


def _wrong(where: str, found: object, allowed: str) -> WantedError:
    return WantedError(f"{where}{': ' if where else ''}found {_shown(found)}, allowed is {allowed}")


def _shown(found: object) -> str:
    text = repr(found)
    return text if len(text) <= 80 else f"{text[:77]}..."
