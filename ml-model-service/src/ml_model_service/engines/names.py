"""What a model file calls its features: the schema's names are what clients use, which some libraries cannot spell."""

from __future__ import annotations

import re
from collections.abc import Sequence

# what libraries call the columns of a table without names
BY_POSITION = ("Column_", "f", "x", "feature_", "")
_SIGNS = re.compile(r"[^A-Za-z0-9]+")


def are_meant(found: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a model's names are the schema's `names`, in their order: to the letter, as far as its library can
    spell them (`n_items` for `n items`), or by position (`Column_0`, `Column_1`, …).

    >>> are_meant(["n_items", "x_5"], ["n items", "x<5"]), are_meant(["f0", "f1"], ["n items", "x<5"])
    (True, True)
    >>> are_meant(["x<5", "n items"], ["n items", "x<5"]), are_meant(["f0", "f1"], ["f1", "f0"])
    (False, False)
    """
    if len(found) != len(names):
        return False
    pairs, known = list(zip(found, names, strict=True)), frozenset(names)
    if any(mine != name and mine in known for mine, name in pairs):
        return False  # the name of another feature
    if all(mine == name or spelled(mine) == spelled(name) for mine, name in pairs):
        return True
    return _are_counted(found)


def spelled(name: str) -> str:
    """The name with letters and digits alone, `_` for all signs between."""
    return _SIGNS.sub("_", name)


def _are_counted(found: Sequence[str]) -> bool:
    return any(all(mine == f"{start}{n}" for n, mine in enumerate(found)) for start in BY_POSITION)


def inputs_of(inputs: Sequence[str], names: Sequence[str]) -> dict[str, str] | None:
    """Which of a graph's inputs is which feature; None when they are not the features.

    Inputs have an order of their own, so one that is spelled otherwise must be like one feature alone.
    """
    if sorted(inputs) == sorted(names):
        return {name: name for name in names}
    if _are_counted(inputs) and are_meant(inputs, names):
        return dict(zip(names, inputs, strict=True))
    like = {spelled(name): name for name in names}
    found = {like[spelled(given)]: given for given in inputs if spelled(given) in like}
    is_whole = len(found) == len(inputs) == len(names) == len(like)
    return found if is_whole and all(found.get(given, given) == given for given in inputs) else None
