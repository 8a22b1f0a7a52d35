"""What the app's program tells, one JSON object a line, in the order of its calendar; believed in nothing.

| event | keys |
|---|---|
| `upload` | `month`, `table`, `file`: a file below the folder that the program was given, for TABLE/MONTH/ of the bucket |
| `records` | `group`, `records`: for the feature store, before the requests that come after |
| `request` | `id`, `body`, perhaps `device`: a prediction is asked for |
| `outcome` | `id`, `body`, `label` (0 or 1): what came true of the request of that id |
| `month` | `month`: it is over, and so is all that was asked in it |

Every event may have `at`, a text that is shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from shipway.core.errors import UsageError
from shipway.core.training.windows import MONTH

MOST_RECORDS = 100
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_SANE = re.compile(r"[!-~]{1,128}")
_SHOWN = 200
_encoded = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a month's data."""

    month: str
    table: str
    file: str


@dataclass(frozen=True, slots=True)
class Records:
    """Records of one feature group."""

    group: str
    records: tuple[Mapping[str, Any], ...]
    at: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A question. `body` is JSON."""

    id: str
    device: str
    body: bytes
    at: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came true of the request `id`: `label` for the figures, `body`, which is JSON, for the app."""

    id: str
    body: bytes
    label: int


@dataclass(frozen=True, slots=True)
class MonthOver:
    """A month has passed."""

    month: str


Event = Upload | Records | Request | Outcome | MonthOver


def read(line: bytes, number: int) -> Event:
    """The event of a line, the program's `number`-th. Raises UsageError."""
    try:
        found = json.loads(line)
        if not isinstance(found, dict):
            raise ValueError("expected a JSON object")
        kind = _READERS.get(str(found.get("event")))
        if kind is None:
            raise ValueError(f"event: found {found.get('event')!r:.60}, allowed are {', '.join(_READERS)}")
        return kind(found)
    except KeyError as error:
        told = f"{error.args[0]} is missing"
    except (ValueError, TypeError, RecursionError) as error:
        told = str(error)
    shown = line[:_SHOWN].decode("utf-8", "replace").rstrip()
    raise UsageError(f"the replay's program, line {number}: {told}; it is {shown!r}", fix="correct the program")


def _upload(found: Mapping[str, Any]) -> Upload:
    file = _text(found, "file")
    if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
        raise ValueError(f"file: {file!r} does not lie below the folder that the program was given")
    table = _text(found, "table")
    if not _NAME.fullmatch(table):
        raise ValueError(f"table: {table!r} is no name")
    return Upload(_month(found), table, file)


def _records(found: Mapping[str, Any]) -> Records:
    records = found["records"]
    if not isinstance(records, list) or not 1 <= len(records) <= MOST_RECORDS:
        raise ValueError(f"records: expected a list of 1 to {MOST_RECORDS} objects")
    if not all(isinstance(record, dict) for record in records):
        raise ValueError("records: expected a list of objects")
    return Records(_text(found, "group"), tuple(records), str(found.get("at", "")))


def _request(found: Mapping[str, Any]) -> Request:
    device = str(found.get("device", "replay"))
    if not _SANE.fullmatch(device):
        raise ValueError("device: expected 1 to 128 visible ASCII characters")
    return Request(_text(found, "id"), device, _body(found), str(found.get("at", "")))


def _outcome(found: Mapping[str, Any]) -> Outcome:
    label = found["label"]
    if label not in (0, 1):
        raise ValueError(f"label: found {label!r:.60}, allowed are 0 and 1")
    return Outcome(_text(found, "id"), _body(found), int(label))


def _over(found: Mapping[str, Any]) -> MonthOver:
    return MonthOver(_month(found))


_READERS: dict[str, Callable[[Mapping[str, Any]], Event]] = {
    "upload": _upload,
    "records": _records,
    "request": _request,
    "outcome": _outcome,
    "month": _over,
}


def _body(found: Mapping[str, Any]) -> bytes:
    return _encoded(found["body"]).encode()


def _month(found: Mapping[str, Any]) -> str:
    month = _text(found, "month")
    if not MONTH.fullmatch(month):
        raise ValueError(f"month: {month!r} is none; one is 2013-07")
    return month


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found[name]
    if not isinstance(value, str) or not 1 <= len(value) <= 4096:
        raise ValueError(f"{name}: expected a text")
    return value
