"""What the person sees: results on stdout, the rest on stderr; colour and Unicode only where they can be shown."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TextIO
from unicodedata import combining, east_asian_width

from shipway.cli.hints import spelled
from shipway.core.errors import Refused

_COLOURS = {"✔": "32", "✘": "31", "‖": "33", "·": "2", "–": "2"}
_ASCII = str.maketrans(
    {"✔": "+", "✘": "x", "‖": "=", "·": "-", "–": "-", "—": "-", "→": "->", "…": "...", "≥": ">=", "≤": "<="}
)


@dataclass(frozen=True, slots=True)
class Style:
    """What a stream can show."""

    colour: bool = False
    unicode: bool = True

    def draw(self, line: str) -> str:
        """The line with its leading mark coloured, or in ASCII where the encoding has no more."""
        if not self.unicode:
            return line.translate(_ASCII).encode("ascii", "replace").decode()
        if not self.colour:
            return line
        at = len(line) - len(line.lstrip(" "))
        colour = _COLOURS.get(line[at : at + 1])
        return f"{line[:at]}\x1b[{colour}m{line[at]}\x1b[0m{line[at + 1 :]}" if colour else line


def style_of(stream: TextIO) -> Style:
    """The style of a stream, from its encoding, from NO_COLOR and from whether it is a terminal."""
    colour = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    try:
        "✔✘‖·–→…".encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return Style(colour, unicode=False)
    return Style(colour)


def say(lines: str | Iterable[str], *, as_written: bool = False) -> None:
    """Lines of a result, to stdout. `as_written`: somebody else's, in which no command is spelled out."""
    _write(sys.stdout, lines, as_written=as_written)


def tell(lines: str | Iterable[str]) -> None:
    """Lines of everything that is no result, to stderr."""
    _write(sys.stderr, lines)


def say_json(value: Any) -> None:
    """One JSON object, to stdout."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
    sys.stdout.flush()


def is_live() -> bool:
    """Whether a line on stderr can be redrawn in place."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Columns of the terminal."""
    return shutil.get_terminal_size().columns


def fold(line: str) -> list[str]:
    """The line, on as many lines of the terminal as it needs; all but the first are indented."""
    return textwrap.wrap(line, max(20, width() - 1), subsequent_indent="    ")


def confirm(question: str, yes: bool) -> None:
    """Ask on a terminal; `yes`, or no terminal, is a yes. Raises Refused when the answer is no."""
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    sys.stderr.write(f"{style_of(sys.stderr).draw(question)} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Refused("not confirmed", state="nothing changed", fix="answer y, or say --yes")


class LiveBlock:
    """Lines on stderr that the next ones replace. Draws nothing where lines can't be redrawn."""

    def __init__(self) -> None:
        self._live = is_live()
        self._style = style_of(sys.stderr)
        self._height = 0

    def draw(self, lines: list[str]) -> None:
        """Replace what was drawn before."""
        if not self._live:
            return
        room = shutil.get_terminal_size()
        shown = [self._style.draw(clip(line, room.columns - 1)) for line in lines[: max(1, room.lines - 1)]]
        sys.stderr.write(self._erasure() + "".join(f"{line}\n" for line in shown))
        sys.stderr.flush()
        self._height = len(shown)

    def clear(self) -> None:
        """Take the lines away, before something that stays is written."""
        if self._height:
            sys.stderr.write(self._erasure())
            sys.stderr.flush()
            self._height = 0

    def _erasure(self) -> str:
        return f"\x1b[{self._height}A\x1b[J" if self._height else ""


def clip(line: str, columns: int) -> str:
    """The line, cut to a number of columns; wide characters take two."""
    used = 0
    for n, character in enumerate(line):
        used += 0 if combining(character) else 2 if east_asian_width(character) in "WF" else 1
        if used > columns:
            return line[: max(0, n - 1)] + "…"
    return line


def _write(stream: TextIO, lines: str | Iterable[str], *, as_written: bool = False) -> None:
    style = style_of(stream)
    for line in [lines] if isinstance(lines, str) else lines:
        stream.write(style.draw(line if as_written else spelled(line)) + "\n")
    stream.flush()
