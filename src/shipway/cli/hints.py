"""Commands that people are told to type, as they work for whoever named the target on this command line."""

from __future__ import annotations

import re
from collections.abc import Collection

_spelling: tuple[re.Pattern[str], str] | None = None


def for_target(target: str | None, commands: Collection[str]) -> None:
    """From now on lines name this target with each of these commands; None: as they are."""
    global _spelling  # noqa: PLW0603 - one command line a process
    if target is None:
        _spelling = None
        return
    names = "|".join(map(re.escape, commands))
    _spelling = (re.compile(rf"(?<![\w/.-])shipway (?=(?:{names})\b)"), f"shipway --target {target} ")


def spelled(line: str) -> str:
    """The line, with the target in every command that it tells to type."""
    return line if _spelling is None else _spelling[0].sub(_spelling[1].replace("\\", r"\\"), line)
