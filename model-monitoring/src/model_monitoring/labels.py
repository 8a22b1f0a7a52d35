"""Ground truth in SageMaker's format.

A line is `{"groundTruthData": {"data", "encoding"}, "eventMetadata": {"eventId"}}`; ours may name its `source`.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from model_monitoring.captured import lines_of

MAX_LABELS = 20_000_000


class _Truth(msgspec.Struct):
    data: str
    encoding: str


class _Event(msgspec.Struct, rename="camel"):
    event_id: str
    source: str = ""


class _Line(msgspec.Struct, rename="camel"):
    ground_truth_data: _Truth
    event_metadata: _Event


_line = msgspec.json.Decoder(_Line).decode
_any = msgspec.json.Decoder().decode


class Labels:
    """What came true, by event; of several labels of an event the newest counts. What can't be read is counted."""

    def __init__(self, folder: Path, sources: frozenset[str] | None = None) -> None:
        """`sources` are those to be trusted, of lines that name theirs; None trusts all."""
        self.of_event: dict[str, list[float]] = {}
        self.unreadable: Counter[str] = Counter()
        self.corrected = 0
        # Folders are hours and files are named by their time, so that in this order the newest comes last.
        for path in sorted(folder.rglob("*.jsonl")):
            if path.name.startswith("."):
                continue
            for text in lines_of(path):
                self._add(text, sources)
                if len(self.of_event) >= MAX_LABELS:
                    self.unreadable["too many"] += 1
                    return

    def _add(self, text: bytes | None, sources: frozenset[str] | None) -> None:
        try:
            line = _line(text or b"")
            if sources is not None and line.event_metadata.source not in sources:
                self.unreadable["source not trusted"] += 1
                return
            values = _numbers(line.ground_truth_data)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, TypeError, RecursionError):
            self.unreadable["not a label"] += 1
            return
        self.corrected += line.event_metadata.event_id in self.of_event
        self.of_event[line.event_metadata.event_id] = values


def _numbers(truth: _Truth) -> list[float]:
    if truth.encoding == "JSON":
        value: Any = _any(truth.data)
        return [float(number) for number in (value if isinstance(value, list) else [value])]
    return [float(number) for number in re.split(r"[,\n]", truth.data.strip())]
