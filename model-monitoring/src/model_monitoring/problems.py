"""What is wrong with what the program was given, and where in its text."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_BYTE = re.compile(r"\(byte (\d+)\)")
_PATH = re.compile(r"`(\$[^`]*)`")
_QUOTED = re.compile(r"Invalid enum value '([^']*)'|unknown field `([^`]*)`")
_STEP = re.compile(r"\.((?:[^.\[\\]|\\.)+)|\[(\d+|\.\.\.)\]")


class Problem(Exception):
    """A mistake in the input: what it is, in one line, with what is allowed."""

    @classmethod
    def at(cls, name: str, text: bytes, path: str, said: str) -> Problem:
        """A mistake at a place such as `$.features[2].name` of a JSON file."""
        line = line_of(text, path)
        return cls(f"{name}, line {line}: {said} - at `{path}`" if line else f"{name}: {said} - at `{path}`")


def decoded(text: bytes, kind: type[T], name: str) -> T:
    """The JSON text as `kind`. Raises Problem that names the line; `name` is the file's."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        said = str(error)
        line = _line_of(text, said)
        raise Problem(f"{name}, line {line}: {said}" if line else f"{name}: {said}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        byte = _BYTE.search(str(error))
        line = text.count(b"\n", 0, int(byte[1])) + 1 if byte else text.count(b"\n") + 1
        raise Problem(f"{name}, line {line}: {error}") from None


def _line_of(text: bytes, said: str) -> int | None:
    """The line that msgspec's words speak of: of the value at a path, or of the word in it that they quote."""
    found, key = _PATH.search(said), _QUOTED.search(said)
    line = line_of(text, found[1]) if found else None
    if line is None or key is None:
        return line
    begin = sum(len(one) for one in text.splitlines(keepends=True)[: line - 1])
    at = text.find(f'"{key[1] or key[2]}"'.encode(), begin)
    return text.count(b"\n", 0, at) + 1 if at >= 0 else line


def line_of(text: bytes, path: str) -> int | None:
    """The line of a JSON text on which the value at a path stands.

    Of a path that leads nowhere, the line of the last of its values that is there; None if that is the whole document.
    """
    document = text.decode("utf-8", "replace")
    at = whole = _value_at(document, 0)
    for key, index in _STEP.findall(path.removeprefix("$")):
        found = _member(document, at, key) if key else _item(document, at, int(index)) if index.isdigit() else None
        if found is None:
            return _line_at(document, at) if at > whole else None
        at = found
    return _line_at(document, at)


def _line_at(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _member(text: str, at: int, key: str) -> int | None:
    if text[at : at + 1] != "{":
        return None
    at = _value_at(text, at + 1)
    while text[at : at + 1] == '"':
        name, at = _decoder.raw_decode(text, at)
        at = _value_at(text, _value_at(text, at) + 1)  # over the colon
        if name == key:
            return at
        at = _next(text, at)
    return None


def _item(text: str, at: int, index: int) -> int | None:
    if text[at : at + 1] != "[":
        return None
    at = _value_at(text, at + 1)
    for _ in range(index):
        if text[at : at + 1] in ("]", ""):
            return None
        at = _next(text, at)
    return at


def _next(text: str, at: int) -> int:
    """Behind a value and the comma that follows it."""
    _, at = _decoder.raw_decode(text, at)
    at = _value_at(text, at)
    return _value_at(text, at + 1) if text[at : at + 1] == "," else at


def _value_at(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


_decoder: Any = json.JSONDecoder()
