"""Which version answers whom: the text behind the version parameter, and the choice for one request."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

VERSION = re.compile(r"v[0-9]{1,6}\.[0-9]{1,6}")
LARGEST_TEXT = 4096
MAX_CANDIDATES = 9
# percents come as decimals, whose sum may miss 100 by rounding
_ROUNDING = 1e-9


class AssignmentError(ValueError):
    """The text is no assignment; the message says where, what was found and what is allowed."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """A version that sees `percent` of the requests and answers none."""

    version: str
    percent: float


@dataclass(frozen=True, slots=True)
class Assignment:
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
        return ((self.version, rest if rest > _ROUNDING else 0.0), *self.split)


class Chooser:
    """Picks the version for a cohort key by weighted rendezvous hashing (Schindelhauer and Schomaker 2005).

    The same key gets the same version in every process, and raising one candidate's percent moves keys to that
    candidate only from others, never away from it.
    """

    def __init__(self, assignment: Assignment) -> None:
        # A personal hash for each version: its order of keys depends on no other version, nor on the router's hash.
        self._weighed = [
            (index, 1 / percent, blake2b(digest_size=8, key=version.encode(), person=b"model variant"))
            for index, (version, percent) in enumerate(assignment.variants)
            if percent > 0
        ]
        self._only = self._weighed[0][0] if len(self._weighed) == 1 else None

    def choose(self, key: bytes) -> int:
        """The index of the key's version in `Assignment.variants`."""
        if self._only is not None:
            return self._only
        chosen, nearest, log, number = 0, math.inf, math.log, int.from_bytes
        for index, inverse, salted in self._weighed:
            hashed = salted.copy()
            hashed.update(key)
            # An exponential variable with the percent as its rate: the smallest wins in proportion to the rates.
            # The half keeps the logarithm's argument above 0, the 53 bits that a float holds keep it below 1.
            distance = -log(((number(hashed.digest(), "big") >> 11) + 0.5) * 2.0**-53) * inverse
            if distance < nearest:
                chosen, nearest = index, distance
        return chosen


def variant_name(version: str) -> str:
    """The version as SageMaker allows a variant to be called.

    >>> variant_name("v1.2")
    'v1-2'
    """
    return version.replace(".", "-")


def parse(text: str) -> Assignment:
    """The assignment in `text`: a bare version, or JSON. Raises AssignmentError.

    >>> parse("v1.1")
    Assignment(version='v1.1', split=(), shadow=None)
    >>> parse('{"version": "v1.1", "split": {"v1.2": 10}}').variants
    (('v1.1', 90.0), ('v1.2', 10.0))
    """
    text = text.strip()
    if len(text) > LARGEST_TEXT:
        raise AssignmentError(f"found {len(text)} characters, allowed are {LARGEST_TEXT}")
    if not text.startswith("{"):
        return Assignment(_version("", text))
    try:
        found = json.loads(text, object_pairs_hook=_without_duplicates)
    except (json.JSONDecodeError, RecursionError) as error:
        raise AssignmentError(f"not JSON: {error}") from None
    _check_keys("", found, required=("version",), optional=("split", "shadow"))
    version = _version("version", found["version"])
    split = tuple(_candidates(version, found.get("split", {})))
    return Assignment(version, split, _shadow({version, *dict(split)}, found.get("shadow")))


def _candidates(stable: str, found: object) -> Iterator[tuple[str, float]]:
    if not isinstance(found, dict) or len(found) > MAX_CANDIDATES:
        raise _wrong("split", found, f'an object of at most {MAX_CANDIDATES} candidates such as {{"v1.2": 10}}')
    total = math.fsum(_percent(f"split.{name}", percent) for name, percent in found.items())
    if total > 100 + _ROUNDING:
        raise AssignmentError(f"split: found {total:g} percent in all, allowed are 100")
    for name, percent in found.items():
        if _version("split", name) == stable:
            raise AssignmentError(f"split: found {name!r}, which is the stable version: it has what the others leave")
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
        raise AssignmentError(f"shadow.version: found {version!r}, which answers requests: a shadow answers none")
    if percent == 0:
        raise AssignmentError("shadow.percent: found 0, allowed is a number above 0 and up to 100")
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
            raise AssignmentError(f"found the key {_shown(where + key)}, allowed are {', '.join(allowed)}")
    for key in required:
        if key not in found:
            raise AssignmentError(f"{where}{key} is missing")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise AssignmentError(f"found a key twice among {_shown([key for key, _ in pairs])}")
    return found


def _wrong(where: str, found: object, allowed: str) -> AssignmentError:
    return AssignmentError(f"{where}{': ' if where else ''}found {_shown(found)}, allowed is {allowed}")


def _shown(found: object) -> str:
    text = repr(found)
    return text if len(text) <= 80 else f"{text[:77]}..."
