"""Folders that shipway.yaml names: a program's own, and those beside it that belong to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence


def is_inside(folder: str) -> bool:
    """Whether it is a path that stays below where it starts."""
    return bool(re.fullmatch(r"[A-Za-z0-9_.][A-Za-z0-9_. -]*(?:/[A-Za-z0-9_. -]+)*", folder)) and ".." not in folder


def include_mistakes(path: str, include: Sequence[str]) -> Iterator[str]:
    """What is wrong with the folders that a program in the folder `path` includes."""
    for n, folder in enumerate(include):
        overlapping = [other for other in include[:n] if _holds(other, folder) or _holds(folder, other)]
        if not is_inside(folder):
            yield f"include[{n}]: {folder!r} is not a folder below that of shipway.yaml, such as shared/features"
        elif _holds(path, folder):
            yield f"include[{n}]: {folder!r} is in `path`, {path!r}, already; leave it out"
        elif _holds(folder, path):
            yield f"include[{n}]: {folder!r} holds `path`, {path!r}; name folders beside that"
        elif overlapping:
            yield f"include[{n}]: {folder!r} overlaps {overlapping[0]!r}; leave one of them out"


def _holds(folder: str, other: str) -> bool:
    """Whether `other` is `folder`, or lies below it."""
    outer, inner = ([part for part in path.split("/") if part != "."] for path in (folder, other))
    return inner[: len(outer)] == outer
