"""A record of a feature group, by SageMaker's rules: whole, of a moment, and gone after its time to live."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shipway.core.description.feature_group import FeatureGroup, FeatureType
from shipway.core.errors import UsageError
from shipway.core.features import LARGEST

LONGEST_ID = 2048
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z", re.ASCII)
_UNWRITABLE = re.compile("[\\x00\\ud800-\\udfff]")
_WHOLE = re.compile(r"[+-]?\d{1,19}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Record:
    """Values as text, by feature; a feature that is absent is null. `event_time` and `expires` in Unix time.

    A deleted record has no values: it keeps older ones from coming back.
    """

    group: str
    id: str
    event_time: float
    values: Mapping[str, str] = field(default_factory=dict)
    expires: float | None = None
    deleted: bool = False

    def is_there(self, now: float) -> bool:
        """Whether it is to be had: neither deleted nor expired."""
        return not self.deleted and (self.expires is None or now < self.expires)

    def gives_way_to(self, newer: Record) -> bool:
        """Whether the other takes its place. What is written later wins between equals, but never an older moment."""
        return newer.event_time >= self.event_time


def checked(name: str, group: FeatureGroup, given: Mapping[str, object]) -> Record:
    """The record of these values: text or numbers, null for a feature without one. Raises UsageError."""
    if unknown := sorted(set(given) - set(group.types)):
        raise UsageError(f"{name} has no feature {unknown[0][:80]!r}; it has: {', '.join(group.types)}")
    values = {key: _text(f"{name}.{key}", group.types[key], value) for key, value in given.items() if value is not None}
    for key in (group.record_id, group.event_time):
        if key not in values:
            raise UsageError(f"{name}.{key}: a record needs it", fix=f'give it a value: {{"{key}": …}}')
    size = len(json.dumps(values, ensure_ascii=False).encode())
    if size > LARGEST:
        raise UsageError(f"{name}: the record has {size:,} bytes; the largest has {LARGEST:,}")
    moment = event_time(f"{name}.{group.event_time}", values[group.event_time])
    id = checked_id(name, group, values[group.record_id])
    return Record(name, id, moment, values, None if group.ttl is None else moment + group.ttl)


def checked_id(name: str, group: FeatureGroup, id: str) -> str:
    """The record's id, a number as it is written without zeros or a plus. Raises UsageError for one that none has."""
    if not id or len(id) > LONGEST_ID:
        raise UsageError(f"{name}: a record's id has 1 to {LONGEST_ID} characters, found {len(id)}")
    if group.types[group.record_id] == "Integral":
        number = str(int(_text(f"{name}.{group.record_id}", "Integral", id)))
        if id != number:
            raise UsageError(
                f"{name}.{group.record_id}: {id!r} would be another record than {number}", fix=f"write {number}"
            )
    return id


def event_time(name: str, text: str) -> float:
    """Unix time of `yyyy-MM-ddTHH:mm:ssZ`, with or without milliseconds, or of seconds. Raises UsageError."""
    try:
        moment = datetime.fromisoformat(text).timestamp() if _MOMENT.fullmatch(text) else float(text)
        if math.isfinite(moment) and 0 <= moment < 1e11:
            return moment
    except ValueError:
        pass
    raise UsageError(
        f"{name}: {text[:80]!r} is no moment", fix="give 2013-07-04T12:15:00Z (UTC, with or without .SSS) or Unix time"
    )


def _text(name: str, kind: FeatureType, value: object) -> str:
    """The value as it is stored. Raises UsageError for one that is not of the feature's type."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(f"{name}: expected {kind}, found {json.dumps(value)[:80]}")
    text = value if isinstance(value, str) else repr(value)
    if _UNWRITABLE.search(text):
        raise UsageError(f"{name}: the text contains characters that cannot be stored (NUL or an unpaired surrogate)")
    if kind == "String" or _fits(kind, text):
        return text
    raise UsageError(f"{name}: expected {kind}, found {text[:80]!r}")


def _fits(kind: FeatureType, text: str) -> bool:
    if kind == "Integral":
        return _WHOLE.fullmatch(text) is not None and -(2**63) <= int(text) < 2**63
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False
