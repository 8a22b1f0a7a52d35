"""Rewrites LightGBM's text for the schema's codes; all else stays as the library wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from model_packaging.lightgbm_text import spelled
from model_packaging.schema import Vector
from model_packaging.trees import NotTrees

_CATEGORICAL, _ZERO = 1, 1
_WORD = 32
_FIRST_TREE, _END = "\nTree=", "\nend of trees"


def recoded(text: str, names: Sequence[str], tables: Mapping[int, Vector]) -> bytes:
    """The text for the features `names`. `tables` has the model's code by the schema's code, for each such feature.

    Raises NotTrees where the model compares codes by their order.
    """
    whole, _, rest = text.partition(_END)
    head, *trees = whole.split(_FIRST_TREE)
    made = [_recoded(tree, tables) for tree in trees]
    sizes = " ".join(str(len(f"Tree={tree}\n".encode())) for tree in made)
    head = _line(_line(head, "feature_names", " ".join(spelled(names))), "tree_sizes", sizes)
    rest = re.sub(r"\npandas_categorical:.*", "\npandas_categorical:null", rest)
    return (_FIRST_TREE.join([head, *made]) + _END + rest).encode()


def takes_zero_for_missing(text: str) -> bool:
    """Whether some split does (`zero_as_missing`)."""
    kinds = re.findall(r"^decision_type=(.*)$", text, re.MULTILINE)
    return any(int(kind) >> 2 & 3 == _ZERO for line in kinds for kind in line.split())


def _recoded(tree: str, tables: Mapping[int, Vector]) -> str:
    fields = dict(line.split("=", 1) for line in tree.splitlines() if "=" in line)
    features = [int(n) for n in fields.get("split_feature", "").split()]
    kinds = [int(n) for n in fields.get("decision_type", "").split()]
    touched = [n for n, feature in enumerate(features) if feature in tables]
    if not touched:
        return tree
    if any(not kinds[n] & _CATEGORICAL for n in touched):
        raise NotTrees("it compares the codes of an ordered category: list its values in that order in feature_schema")
    thresholds = fields["threshold"].split()
    owner = {int(float(thresholds[n])): features[n] for n in range(len(features)) if kinds[n] & _CATEGORICAL}
    bounds = [int(n) for n in fields["cat_boundaries"].split()]
    words = [int(n) for n in fields["cat_threshold"].split()]
    new_bounds, new_words = [0], list[int]()
    for number, (start, end) in enumerate(pairwise(bounds)):
        bits = words[start:end]
        if owner.get(number) in tables:
            bits = _bits(bits, tables[owner[number]])
        new_words += bits
        new_bounds.append(len(new_words))
    tree = _line(tree, "cat_boundaries", " ".join(map(str, new_bounds)))
    return _line(tree, "cat_threshold", " ".join(map(str, new_words)))


def _bits(words: Sequence[int], table: Vector) -> list[int]:
    """The set of the schema's codes whose code of the model is in the set."""
    made = [0] * ((len(table) - 2) // _WORD + 1)
    for code, own in enumerate(table[:-1].tolist()):
        if not np.isnan(own) and int(own) // _WORD < len(words) and words[int(own) // _WORD] >> int(own) % _WORD & 1:
            made[code // _WORD] |= 1 << code % _WORD
    return made


def _line(text: str, name: str, value: str) -> str:
    return re.sub(rf"^{name}=.*$", lambda _: f"{name}={value}", text, count=1, flags=re.MULTILINE)
