"""Rewrites LightGBM's text for the schema's codes; all else stays as the library wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from ml_model_service.contract.lightgbm_text import (
    CATEGORICAL,
    MISSING_IS_ZERO,
    codes,
    cut,
    fields,
    joined,
    listed,
    missing,
    size,
    words_of,
)
from model_packaging.lightgbm_text import spelled
from model_packaging.schema import Vector
from model_packaging.trees import NotTrees


def recoded(text: str, names: Sequence[str], tables: Mapping[int, Vector]) -> bytes:
    """The text for the features `names`. `tables` has the model's code by the schema's code, for each such feature.

    Raises NotTrees where the model compares codes by their order.
    """
    head, trees, rest = cut(text.encode())
    made = [_recoded(tree, tables) for tree in trees]
    head = _line(_line(head, b"feature_names", spelled(names)), b"tree_sizes", [size(tree) for tree in made])
    rest = re.sub(rb"\npandas_categorical:.*", b"\npandas_categorical:null", rest)
    return joined(head, made, rest)


def takes_zero_for_missing(text: str) -> bool:
    """Whether some split does (`zero_as_missing`)."""
    return any(missing(int(kind)) == MISSING_IS_ZERO for kind in listed(text.encode(), b"decision_type"))


def _recoded(tree: bytes, tables: Mapping[int, Vector]) -> bytes:
    found = fields(tree)
    features = [int(n) for n in found.get(b"split_feature", b"").split()]
    kinds = [int(n) for n in found.get(b"decision_type", b"").split()]
    touched = [n for n, feature in enumerate(features) if feature in tables]
    if not touched:
        return tree
    if any(not kinds[n] & CATEGORICAL for n in touched):
        raise NotTrees("it compares the codes of an ordered category: list its values in that order in feature_schema")
    thresholds = found[b"threshold"].split()
    owner = {int(float(thresholds[n])): features[n] for n in range(len(features)) if kinds[n] & CATEGORICAL}
    bounds = [int(n) for n in found[b"cat_boundaries"].split()]
    words = [int(n) for n in found[b"cat_threshold"].split()]
    new_bounds, new_words = [0], list[int]()
    for number, (start, end) in enumerate(pairwise(bounds)):
        bits = words[start:end]
        if owner.get(number) in tables:
            bits = _bits(bits, tables[owner[number]])
        new_words += bits
        new_bounds.append(len(new_words))
    return _line(_line(tree, b"cat_boundaries", new_bounds), b"cat_threshold", new_words)


def _bits(words: Sequence[int], table: Vector) -> list[int]:
    """The set of the schema's codes whose code of the model is in the set."""
    chosen = set(codes(words))
    return words_of(code for code, own in enumerate(table[:-1].tolist()) if own in chosen)


def _line(text: bytes, name: bytes, values: Iterable[object]) -> bytes:
    line = b"%b=%b" % (name, " ".join(map(str, values)).encode())
    return re.sub(rb"^%b=.*$" % name, lambda _: line, text, count=1, flags=re.MULTILINE)
