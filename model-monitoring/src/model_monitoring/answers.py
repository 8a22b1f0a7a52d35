"""What was answered, of each row: by which labels find it later. 24 bytes a row, so that hours of them can be kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Vector = np.ndarray[Any, np.dtype[np.float64]]
Keys = np.ndarray[Any, np.dtype[np.uint64]]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def keys_of(events: Sequence[str], places: Sequence[int]) -> Keys:
    """64 bits for an event and a row's place in its request.

    Of 10 million rows two share a key with a chance of 3 in a million: then one row is judged by another's label.
    """
    digests = b"".join(hashlib.blake2b(event.encode("utf-8", "replace"), digest_size=8).digest() for event in events)
    found = np.frombuffer(digests, dtype="<u8").astype(np.uint64)
    return found + np.asarray(places, dtype=np.uint64) * _GOLDEN


@dataclass
class Coded:
    """Values as doubles: numbers as they are, texts by their place among `texts`, plus `TEXT`."""

    texts: list[str] = field(default_factory=list)
    _place: dict[str, int] = field(default_factory=dict)

    TEXT = float(2**52)
    """Beyond every class's number, and exact for each text's place."""

    @classmethod
    def with_texts(cls, texts: Sequence[str]) -> Coded:
        """One that knows these texts, in their order."""
        return cls([*texts], {text: place for place, text in enumerate(texts)})

    def of(self, values: Sequence[float | str]) -> Vector:
        """The values as doubles."""
        try:
            return (
                np.array(values, dtype=np.float64) if not any(type(v) is str for v in values) else self._coded(values)
            )
        except OverflowError:
            return self._coded(values)

    def names(self, values: Vector) -> list[str]:
        """The values as classes' names: 1.0 is "1"."""
        return [
            self.texts[int(value - self.TEXT)] if value >= self.TEXT else f"{value:.15g}" for value in values.tolist()
        ]

    def joined(self, other: Coded, values: Vector) -> Vector:
        """Another one's values as this one codes them."""
        if not other.texts:
            return values
        here = self.of(other.texts)
        is_text = values >= self.TEXT
        found = values.copy()
        found[is_text] = here[(values[is_text] - self.TEXT).astype(np.intp)]
        return found

    def _coded(self, values: Sequence[float | str]) -> Vector:
        return np.array([self._code(value) if isinstance(value, str) else _double(value) for value in values])

    def _code(self, text: str) -> float:
        if text not in self._place:
            self._place[text] = len(self.texts)
            self.texts.append(text)
        return self.TEXT + self._place[text]


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("nan")


@dataclass
class Answers:
    """Rows' keys, predictions and times (Unix seconds), in parts that are joined when they are read."""

    coded: Coded = field(default_factory=Coded)
    parts: list[tuple[Keys, Vector, Vector]] = field(default_factory=list)

    def add(
        self, events: Sequence[str], places: Sequence[int], predictions: Sequence[float | str], times: Sequence[float]
    ) -> None:
        """Take in a batch."""
        self.parts.append((keys_of(events, places), self.coded.of(predictions), np.asarray(times, dtype=np.float64)))

    def merge(self, other: Answers) -> None:
        """Take in what another one has."""
        for keys, predictions, times in other.parts:
            self.parts.append((keys, self.coded.joined(other.coded, predictions), times))

    def whole(self) -> tuple[Keys, Vector, Vector]:
        """Keys, predictions and times of all rows."""
        if len(self.parts) != 1:
            nothing = (np.empty(0, np.uint64), np.empty(0), np.empty(0))
            columns = zip(*self.parts, strict=True) if self.parts else ((part,) for part in nothing)
            keys, predictions, times = (np.concatenate([*column]) for column in columns)
            self.parts = [(keys, predictions, times)]
        return self.parts[0]
