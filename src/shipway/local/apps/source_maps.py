"""Where a place of a built file lies in the source: source maps, revision 3 (ECMA-426)."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from operator import itemgetter
from pathlib import Path

from shipway.core.apps.crashes import Frame

MOST_BYTES = 32 * 1024**2
_LEAVING = re.compile(r"^(?:\.\./)+")
"""How a map names a source outside of the bundle's folder."""
_DIGITS = {letter: n for n, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}


class SourceMaps:
    """The maps of one bundle, in a folder; each is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, SourceMap | None] = {}

    def place(self, frame: Frame) -> str | None:
        """`src/screens/Ask.tsx:12:4`; None where no map says so."""
        if frame.file not in self._read:
            self._read[frame.file] = self._map_of(frame.file)
        found = self._read[frame.file]
        return found.place(frame.line, frame.column) if found is not None else None

    def _map_of(self, file: str) -> SourceMap | None:
        path = (self._folder / f"{file}.map").resolve()
        # What devices tell is no path to be trusted.
        if not path.is_relative_to(self._folder.resolve()) or not path.is_file() or path.stat().st_size > MOST_BYTES:
            return None
        try:
            return SourceMap(path.read_bytes())
        except (ValueError, KeyError, TypeError, IndexError):
            return None


class SourceMap:
    """One map. Raises ValueError, KeyError, TypeError or IndexError for what is none."""

    def __init__(self, content: bytes) -> None:
        found = json.loads(content)
        self._sources = [str(source) for source in found["sources"]]
        self._lines = [_segments(line) for line in _deltas(str(found["mappings"]))]
        self._resolve()

    def place(self, line: int, column: int) -> str | None:
        """The source of a place; line and column count from 1."""
        if not 1 <= line <= len(self._lines):
            return None
        segments = self._lines[line - 1]
        at = bisect_right(segments, column - 1, key=itemgetter(0)) - 1
        if at < 0:
            return None
        _, source, source_line, source_column = segments[at]
        return f"{_LEAVING.sub('', self._sources[source])}:{source_line + 1}:{source_column + 1}"

    def _resolve(self) -> None:
        """Sources, lines and columns are told as differences from the segment before, across lines."""
        source = line = column = 0
        for segments in self._lines:
            for n, (at, by_source, by_line, by_column) in enumerate(segments):
                source, line, column = source + by_source, line + by_line, column + by_column
                if not 0 <= source < len(self._sources):
                    raise ValueError("a segment names no source")
                segments[n] = (at, source, line, column)


Segment = tuple[int, int, int, int]


def _deltas(mappings: str) -> list[list[list[int]]]:
    return [[_numbers(segment) for segment in line.split(",") if segment] for line in mappings.split(";")]


def _segments(line: list[list[int]]) -> list[Segment]:
    """The segments of a line that have a source; columns of the built file are made absolute."""
    found, at = [], 0
    for numbers in line:
        at += numbers[0]
        if len(numbers) >= 4:
            found.append((at, numbers[1], numbers[2], numbers[3]))
    return found


def _numbers(segment: str) -> list[int]:
    """Base64 VLQ: the lowest bit of a number is its sign."""
    found, value, shift = [], 0, 0
    for letter in segment:
        digit = _DIGITS[letter]
        value |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            found.append(-(value >> 1) if value & 1 else value >> 1)
            value, shift = 0, 0
    return found
