"""YAML that all parsers read alike, with the line of every key.

Terraform reads the same files (YAML 1.2 with habits of 1.1) and PyYAML keeps to YAML 1.1. What the two could take for
different values (`no`, `08`, `1e3`, a bare date) is reported instead of guessed, and so is what makes YAML dangerous:
tags, duplicate keys, endless nesting, aliases that expand into millions of values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_BYTES = 1 << 20
MAX_DEPTH = 20
MAX_VALUES = 10_000

Place = tuple[str | int, ...]
"""Keys and list positions from the top of the document down to a value."""

_NULL = ("", "~", "null", "Null", "NULL")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
# Plain words that PyYAML keeps as text and other parsers take for a boolean or a number.
_ELSEWHERE = re.compile(r"[yYnN]|0o[0-7]+|[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_TEXT_TAG = "tag:yaml.org,2002:str"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it stands (lines and columns count from 1) and a sentence about it."""

    line: int
    place: Place
    message: str
    column: int | None = None


@dataclass(slots=True)
class Document:
    """A document's value, the line of every key and list entry, and how every scalar was written."""

    value: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    written: dict[Place, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, place: Place) -> int:
        """The line of `place`, or of its parent when it is not there."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read(text: bytes | str) -> Document:
    """Read one document. Mistakes stand in `problems`; after a syntax error `value` is None. Never raises."""
    document = Document()
    data = b""
    try:
        data = text.encode() if isinstance(text, str) else text
        if len(data) > MAX_BYTES:
            document.problems.append(Problem(1, (), f"{len(data):,} bytes; allowed: {MAX_BYTES:,} at most"))
            return document
        node = _Loader(data.decode("utf-8-sig")).get_single_node()
    except UnicodeError as error:
        line = 1 + data.count(b"\n", 0, error.start) if isinstance(error, UnicodeDecodeError) else 1
        document.problems.append(Problem(line, (), "not UTF-8 text; save the file as UTF-8"))
    except yaml.reader.ReaderError as error:
        line = 1 + data.decode("utf-8-sig").count("\n", 0, error.position)
        document.problems.append(Problem(line, (), f"holds the control character U+{int(error.character):04X}"))
    except yaml.MarkedYAMLError as error:
        document.problems.append(_syntax(error))
    except (ValueError, OverflowError):  # inside PyYAML's scanner; the text differs between Python versions
        document.problems.append(Problem(1, (), 'not valid YAML: an escape such as "\\UFFFFFFFF" names no character'))
    else:
        if node is None:
            document.problems.append(Problem(1, (), "the file is empty"))
        else:
            document.value = _Reading(document).value(node, ())
    return document


class _Loader(yaml.SafeLoader):
    """Builds nodes only, and stops at tags, depth and size before they cost time or memory."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        self._nodes += 1
        self._depth += 1
        complaint = None
        if getattr(event, "tag", None) is not None:
            complaint = f"tags such as {event.tag} are not allowed"
        elif self._depth > MAX_DEPTH:
            complaint = f"nested deeper than {MAX_DEPTH} levels"
        elif self._nodes > 2 * MAX_VALUES:  # a key and a value each
            complaint = f"more than {MAX_VALUES:,} values"
        if complaint:
            raise yaml.MarkedYAMLError(problem=complaint, problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _syntax(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = error.problem or error.context or "cannot be read"
    # PyYAML's sentences about the whole stream begin in the context: "expected …" "but found …".
    sentence = " ".join(f"{error.context}, {problem}".split() if problem.startswith("but ") else problem.split())
    if "'\\t'" in sentence:
        sentence += "; indent with spaces, not tabs"
    return Problem(line, (), f"not valid YAML: {sentence}", column)


class _Reading:
    """Turns nodes into values, noting lines and mistakes in the document on the way."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._values = 0
        self._above: list[yaml.Node] = []

    def value(self, node: yaml.Node, place: Place) -> Any:
        self._document.lines.setdefault(place, node.start_mark.line + 1)
        self._values += 1
        if isinstance(node, yaml.ScalarNode):
            self._document.written[place] = node.value
            value, complaint = _scalar(node)
            return self._wrong(node, place, complaint) if complaint else value
        if node in self._above:
            return self._wrong(node, place, "an alias that contains itself")
        if len(self._above) >= MAX_DEPTH:
            return self._wrong(node, place, f"aliases nest deeper than {MAX_DEPTH} levels")
        self._above.append(node)
        value = self._mapping(node, place) if isinstance(node, yaml.MappingNode) else self._sequence(node, place)
        self._above.pop()
        return value

    def _sequence(self, node: yaml.Node, place: Place) -> list[Any]:
        return [self.value(item, (*place, n)) for n, item in enumerate(node.value) if self._room(item, place)]

    def _mapping(self, node: yaml.Node, place: Place) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not self._room(key_node, place):
                break
            key = self._key(key_node, place)
            if key is None:
                continue
            here = (*place, key)
            line = key_node.start_mark.line + 1
            if key in value:
                message = f"written twice, first on line {self._document.lines[here]}; keep one"
                self._document.problems.append(Problem(line, here, message))
                continue
            self._document.lines[here] = line
            value[key] = self.value(value_node, here)
        return value

    def _key(self, node: yaml.Node, place: Place) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._wrong(node, place, "found a list or a mapping as a key; allowed: text")
            return None
        if node.value == "<<" and not node.style:
            self._wrong(node, place, "merge keys (<<) are not allowed; write the keys out")
            return None
        text: str = node.value
        value, complaint = _scalar(node)
        if complaint or not isinstance(value, str):
            self._wrong(node, (*place, text), complaint or f'a key is text; write "{text}"')
        return text

    def _room(self, node: yaml.Node, place: Place) -> bool:
        if self._values == MAX_VALUES:
            self._values += 1
            self._wrong(node, place, f"more than {MAX_VALUES:,} values once aliases are expanded")
        return self._values < MAX_VALUES

    def _wrong(self, node: yaml.Node, place: Place, message: str) -> None:
        self._document.problems.append(Problem(node.start_mark.line + 1, place, message))


def _scalar(node: yaml.ScalarNode) -> tuple[Any, str | None]:
    """The value of a scalar, and what is wrong with it."""
    text: str = node.value
    if _CONTROL.search(text):
        return None, "holds a control character or half of a surrogate pair"
    if node.style:
        return text, None
    if text in _NULL:
        return None, None
    if text in _BOOL:
        return _BOOL[text], None
    if _INT.fullmatch(text):
        return int(text), None
    if _FLOAT.fullmatch(text):
        return float(text), None
    if node.tag != _TEXT_TAG or _ELSEWHERE.fullmatch(text):
        quoted = f'YAML readers disagree about {text}; write "{text}" if it is text'
        return None, f"{quoted}, or a plain number, true or false"
    return text, None
