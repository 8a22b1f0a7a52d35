"""Hours of capture, summarised once and kept: later looks add them up instead of decoding their lines anew."""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from datasketches import kll_doubles_sketch

from model_monitoring.answers import Answers, Coded
from model_monitoring.summary import Column, Numbers, Summary

FORMAT = 1
"""Part of what a kept hour is named by: another shape of it is another name."""
MOST = 2400
"""Hours that are kept, the newest: a hundred days."""


@dataclass
class Hour:
    """What the lines of some files come to. `oldest` and `newest` are the times of their exchanges."""

    summary: Summary = field(default_factory=Summary)
    answers: Answers = field(default_factory=Answers)
    lines: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)
    oldest: float = math.inf
    newest: float = -math.inf

    def merge(self, other: Hour) -> None:
        """Take in another one."""
        self.summary.merge(other.summary)
        self.answers.merge(other.answers)
        self.lines += other.lines
        self.unreadable += other.unreadable
        self.oldest, self.newest = min(self.oldest, other.oldest), max(self.newest, other.newest)


class _File(msgspec.Struct):
    name: str
    size: int
    changed: int
    digest: str


class _Numbers(msgspec.Struct):
    moments: tuple[int, int, float, float, float, float, int]
    sketches: dict[int, bytes]


class _Column(msgspec.Struct):
    missing: int
    other: int
    further_texts: int
    texts: dict[str, int]
    numbers: _Numbers


class _Kept(msgspec.Struct):
    files: list[_File]
    rows: int
    columns: dict[str, _Column]
    texts: list[str]
    answers: tuple[bytes, bytes, bytes]
    lines: int
    unreadable: dict[str, int]
    times: tuple[float, float]


_decode = msgspec.msgpack.Decoder(_Kept).decode


class Hours:
    """A folder of kept hours. `settings` are what else a summary rests on, such as the features' order."""

    def __init__(self, folder: Path, settings: Sequence[str]) -> None:
        self._folder = folder
        self._settings = hashlib.sha256(msgspec.json.encode([FORMAT, *settings])).hexdigest()[:16]

    def find(self, hour: float, paths: Sequence[Path]) -> Hour | None:
        """What is kept of an hour, if its files are still the same: by name, size and time, else by their digests."""
        try:
            kept = _decode(self._path(hour).read_bytes())
            if [file.name for file in kept.files] != [path.name for path in paths]:
                return None
            if not all(_is_same(path, file) for path, file in zip(paths, kept.files, strict=True)):
                return None
            return _hour_of(kept)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, ValueError, RuntimeError):
            return None  # damaged, or none: it is made anew

    def keep(self, hour: float, files: Sequence[_File], found: Hour) -> None:
        """Keep what the files, as `identify` saw them before they were read, came to. A full disk is no error."""
        place = self._path(hour)
        with suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=place.parent, prefix=".", delete=False) as file:
                try:
                    file.write(msgspec.msgpack.encode(_kept_of(files, found)))
                    file.close()
                    Path(file.name).replace(place)
                except OSError:
                    Path(file.name).unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove the oldest hours beyond `MOST`, of whatever settings."""
        for path in sorted(self._folder.glob("*.hour"))[:-MOST]:
            path.unlink(missing_ok=True)

    def _path(self, hour: float) -> Path:
        return self._folder / f"{int(hour)}-{self._settings}.hour"


def identify(paths: Sequence[Path]) -> list[_File]:
    """The files as they are now. Raises OSError."""
    return [_File(path.name, *_stat(path), _digest(path)) for path in paths]


def _stat(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_same(path: Path, file: _File) -> bool:
    size, changed = _stat(path)
    if (size, changed) == (file.size, file.changed):
        return True
    return size == file.size and _digest(path) == file.digest


def _kept_of(files: Sequence[_File], hour: Hour) -> _Kept:
    keys, predictions, times = hour.answers.whole()
    return _Kept(
        files=list(files),
        rows=hour.summary.rows,
        columns={name: _column_of(column) for name, column in hour.summary.columns.items()},
        texts=hour.answers.coded.texts,
        answers=(keys.astype("<u8").tobytes(), predictions.astype("<f8").tobytes(), times.astype("<f8").tobytes()),
        lines=hour.lines,
        unreadable=dict(hour.unreadable),
        times=(hour.oldest, hour.newest),
    )


def _column_of(column: Column) -> _Column:
    n = column.numbers
    moments = (n.count, n.integral, n.mean, n.squares, n.least, n.greatest, n.negative)
    sketches = {level: sketch.serialize() for level, sketch in n.sketches.items()}
    return _Column(column.missing, column.other, column.further_texts, dict(column.texts), _Numbers(moments, sketches))


def _hour_of(kept: _Kept) -> Hour:
    summary = Summary(kept.rows, {name: _restored(column) for name, column in kept.columns.items()})
    answers = Answers(Coded.with_texts(kept.texts))
    keys, predictions, times = kept.answers
    answers.parts.append(
        (
            np.frombuffer(keys, "<u8").astype(np.uint64),
            np.frombuffer(predictions, "<f8").astype(np.float64),
            np.frombuffer(times, "<f8").astype(np.float64),
        )
    )
    return Hour(summary, answers, kept.lines, Counter(kept.unreadable), *kept.times)


def _restored(column: _Column) -> Column:
    count, integral, mean, squares, least, greatest, negative = column.numbers.moments
    sketches: dict[int, Any] = {
        level: kll_doubles_sketch.deserialize(content) for level, content in column.numbers.sketches.items()
    }
    numbers = Numbers(count, integral, mean, squares, least, greatest, negative, sketches)
    return Column(column.missing, column.other, numbers, Counter(column.texts), column.further_texts)
