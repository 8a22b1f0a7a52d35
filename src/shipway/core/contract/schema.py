"""What a model takes and answers, and whether another model can take its place, or answer beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Feature:
    """One input: a number within bounds (None: no bound), or a category of `values`; `nullable`: it may be missing."""

    name: str
    type: str
    nullable: bool
    values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """What a prediction is; `threshold` parts it into two decisions."""

    name: str = ""
    threshold: float | None = None


class Described(Protocol):
    """What has inputs, in their order, and an output."""

    @property
    def features(self) -> tuple[Feature, ...]: ...

    @property
    def output(self) -> Output: ...


@dataclass(frozen=True, slots=True)
class Schema:
    """A model's inputs, in their order, and its output."""

    features: tuple[Feature, ...]
    output: Output = Output()


def refused_by(new: Described, old: Described) -> tuple[str, ...]:
    """Why `new` would not take every request that `old` takes, one reason each; empty when it takes them all."""
    return tuple(_reasons(new.features, old.features))


def unlike(new: Described, old: Described) -> tuple[str, ...]:
    """Why the same requests would not mean the same to both, one reason each; empty when they do.

    Stricter than `refused_by`: versions that answer side by side also share rows as codes, positions in `values`, and
    their predictions are compared.
    """
    return tuple(_differences(new, old, _changes))


def unheard(new: Described, old: Described) -> tuple[str, ...]:
    """Why `new` could not score, as a shadow, what `old` is asked, one reason each; empty when it could.

    As `unlike`, but that a category may have other values, as it has after a training on other months, where it may be
    missing in both: a shadow reads requests by itself then, and what it does not know is missing to it.
    """
    return tuple(_differences(new, old, lambda new, old: _changes(_with_values_of(old, new), old)))


def canonical_digest(value: object) -> str:
    """SHA-256 (hex) of the value's canonical JSON: sorted keys, no spaces.

    >>> canonical_digest({})
    '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _differences(new: Described, old: Described, changes: Callable[[Feature, Feature], Iterable[str]]) -> Iterator[str]:
    names, before = ([feature.name for feature in one.features] for one in (new, old))
    if names == before:
        yield from (reason for pair in zip(new.features, old.features, strict=True) for reason in changes(*pair))
    else:
        yield from _changed_names(names, before)
    yield from _changed_output(new.output, old.output)


def _with_values_of(old: Feature, new: Feature) -> Feature:
    return replace(new, values=old.values) if new.nullable and old.nullable else new


def _reasons(new: Sequence[Feature], old: Sequence[Feature]) -> Iterator[str]:
    yield from _changed_names([feature.name for feature in new], [feature.name for feature in old])
    known = {feature.name: feature for feature in new}
    for feature in old:
        if feature.name in known:
            yield from _narrower(known[feature.name], feature)


def _changed_names(names: Sequence[str], before: Sequence[str]) -> Iterator[str]:
    if names != before:
        # Requests may also be rows of values in the order of the features.
        yield from (f"{name} is new" for name in names if name not in before)
        yield from (f"{name} is gone" for name in before if name not in names)
        if set(names) == set(before):
            yield "its features stand in another order"


def _changes(new: Feature, old: Feature) -> Iterator[str]:
    if new.type != old.type:
        yield f"{new.name} is a {new.type}, not a {old.type}"
        return
    if new.nullable != old.nullable:
        yield f"{new.name} may {'' if new.nullable else 'not '}be missing"
    if new.values != old.values:
        yield f"{new.name} has other values, or in another order"
    if new.minimum != old.minimum:
        yield f"{new.name} begins at {_bound(new.minimum)}, not at {_bound(old.minimum)}"
    if new.maximum != old.maximum:
        yield f"{new.name} ends at {_bound(new.maximum)}, not at {_bound(old.maximum)}"


def _narrower(new: Feature, old: Feature) -> Iterator[str]:
    if new.type != old.type:
        yield f"{old.name} is a {new.type}, it was a {old.type}"
        return
    if old.nullable and not new.nullable:
        yield f"{old.name} may not be missing any more"
    if new.minimum is not None and (old.minimum is None or new.minimum > old.minimum):
        yield f"{old.name} begins at {new.minimum:g}, it began at {_bound(old.minimum)}"
    if new.maximum is not None and (old.maximum is None or new.maximum < old.maximum):
        yield f"{old.name} ends at {new.maximum:g}, it ended at {_bound(old.maximum)}"
    gone = [value for value in old.values if value not in new.values]
    # A nullable category takes an unknown value as missing, so it accepts everything.
    if gone and not new.nullable:
        more = f" and {len(gone) - 3:,} more" if len(gone) > 3 else ""
        yield f"{old.name} has no {', '.join(gone[:3])}{more} any more"


def _changed_output(new: Output, old: Output) -> Iterator[str]:
    if new.name != old.name:
        yield f"its output is {new.name}, not {old.name}"
    elif new.threshold != old.threshold:
        yield f"its output's threshold is {_threshold(new)}, not {_threshold(old)}"


def _bound(value: float | None) -> str:
    return "no bound" if value is None else f"{value:g}"


def _threshold(output: Output) -> str:
    return "none" if output.threshold is None else f"{output.threshold:g}"
