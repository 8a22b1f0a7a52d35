"""One call of a verb: who calls, and its parts, checked as they are asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shipway.core.errors import UsageError

_UNWRITABLE = re.compile("[\\x00\\ud800-\\udfff]")
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, the named parts of the path, the query and the body. What is lacking or wrong is a UsageError."""

    who: str
    parts: Mapping[str, str]
    asked: Mapping[str, str]
    body: Mapping[str, Any]

    def path(self, name: str) -> str:
        """A part of the path."""
        return self.parts[name]

    def text(self, name: str) -> str | None:
        """An optional string of the body; an empty one is not the same as none. Raises UsageError for anything else."""
        value = self.body.get(name)
        if value is not None and not isinstance(value, str):
            raise UsageError(f"{name}: expected text, found {value!r}")
        if value is not None and _UNWRITABLE.search(value):
            raise UsageError(
                f"{name}: the text contains characters that cannot be stored (NUL or an unpaired surrogate)"
            )
        return value

    @property
    def why(self) -> str:
        """The reason that is given; empty where there is none."""
        return self.text("why") or ""

    def texts(self, name: str) -> list[str]:
        """A list of strings of the body; empty when absent."""
        value = self.body.get(name) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise UsageError(f"{name}: expected a list of text, found {value!r}")
        return value

    def flag(self, name: str) -> bool:
        """A boolean of the body; false when absent."""
        return self.body.get(name) is True

    def amount(self, name: str, default: float) -> float:
        """A number of the body. Raises UsageError when it is something else."""
        value = self.body.get(name, default)
        if type(value) not in (int, float):
            raise UsageError(f"{name}: expected a number, found {value!r}")
        return float(value)

    def whole(self, name: str) -> int | None:
        """An optional whole number of the body. Raises UsageError when it is something else."""
        value = self.body.get(name)
        if value is not None and type(value) is not int:
            raise UsageError(f"{name}: expected a whole number, found {value!r}")
        return value

    def query(self, name: str) -> str | None:
        """An optional query parameter."""
        return self.asked.get(name) or None

    def number(self, name: str, default: float, most: float) -> float:
        """A query parameter from 0 to `most`. Raises UsageError when it is something else."""
        text = self.query(name)
        try:
            value = default if text is None else float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= most:
            raise UsageError(f"{name}: expected a number from 0 to {most:g}, found {text!r}")
        return value

    def limit(self, default: int, most: int) -> int:
        """How many are asked for."""
        return int(self.number("limit", default, most))


Verb = Callable[[Call], Answer]
Verbs = dict[tuple[str, str], Verb]
"""(method, path) → what answers it; a part of the path in braces has a name."""
