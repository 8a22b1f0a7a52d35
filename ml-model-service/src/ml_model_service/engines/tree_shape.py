"""Whether a LightGBM text is whole. The C library trusts what it reads: half a file ends the process, not the call."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ml_model_service.contract import lightgbm_text
from ml_model_service.engines import EngineError

Whole = NDArray[np.int64]

_SMALLEST = sys.float_info.min
_PER_NODE = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
_PER_NODE_TOLD = ("split_gain", "internal_value", "internal_weight", "internal_count")
_PER_LEAF_TOLD = ("leaf_weight", "leaf_count")


def check(text: bytes) -> None:
    """Raises EngineError for a text that is cut off, and for a tree whose nodes lead elsewhere than to its leaves."""
    head, bodies, rest = lightgbm_text.cut(text)
    if not rest:
        raise EngineError("the model file is cut off: it has no `end of trees`")
    whole = text[: len(text) - len(rest)]
    if b"\0" in whole or b"\r" in whole:
        raise EngineError("the model file is damaged: it holds NUL bytes or carriage returns")
    header = lightgbm_text.fields(head)
    try:
        sizes = _whole(header, b"tree_sizes") if b"tree_sizes" in header else None
        columns = int(header.get(b"max_feature_idx", b"")) + 1
    except ValueError as error:
        raise EngineError(f"the model file is damaged: {error}") from error
    if not header.get(b"objective", b"custom").split():
        raise EngineError("the model file is damaged: it has an `objective` without a name")
    # the library finds each tree by the sizes of those before it
    if sizes is not None and sizes.tolist() != [lightgbm_text.size(body) for body in bodies]:
        raise EngineError("the model file is damaged: its trees are not of the sizes that `tree_sizes` tells")
    for number, body in enumerate(bodies):
        try:
            if any(line.count(b"=") != 1 for line in body.rstrip(b"\n").split(b"\n")[1:]):
                raise ValueError("it has a line that is no `name=values`")
            # to the library these are no spaces, to Python they are
            if any(sign in body for sign in (b"\t", b"\v", b"\f")):
                raise ValueError("its values are parted by something else than spaces")
            _check_tree(lightgbm_text.fields(body), columns)
        except (ValueError, LookupError) as error:
            raise EngineError(f"tree {number} of the model file is damaged: {error}") from error


def _check_tree(fields: dict[bytes, bytes], columns: int) -> None:
    leaves = int(fields[b"num_leaves"])
    _must_have(fields, "num_cat", 1)
    _must_have(fields, "leaf_value", leaves)
    if b"shrinkage" in fields:
        _must_have(fields, "shrinkage", 1)
    if leaves > 1:
        for names, count in (
            (_PER_NODE, leaves - 1),
            (_told(fields, _PER_NODE_TOLD), leaves - 1),
            (_told(fields, _PER_LEAF_TOLD), leaves),
        ):
            for name in names:
                _must_have(fields, name, count)
        _check_children(_whole(fields, b"left_child"), _whole(fields, b"right_child"))
        _must_lie_below("split_feature", _whole(fields, b"split_feature"), columns)
        _check_categories(fields)
    if fields.get(b"is_linear", b"0") != b"0":
        _check_linear(fields, leaves, columns)


def _check_children(left: Whole, right: Whole) -> None:
    """Raises ValueError unless each leaf, and each node but the root, is one node's child, and the root leads to all.

    Then every walk ends at a leaf.
    """
    nodes = len(left)
    wanted = np.append(np.arange(-nodes - 1, 0), np.arange(1, nodes))
    once = np.array_equal(np.sort(np.append(left, right)), wanted)
    reached, level = 0, np.array([0])
    while once and len(level):
        reached += len(level)
        level = np.append(left[level], right[level])
        level = level[level >= 0]
    if reached != nodes:
        raise ValueError("its nodes do not lead to each of its leaves")


def _check_categories(fields: dict[bytes, bytes]) -> None:
    count = int(fields[b"num_cat"])
    kinds = _whole(fields, b"decision_type")
    thresholds = np.array(fields[b"threshold"].split()).astype(np.float64)
    chosen = thresholds[kinds & lightgbm_text.CATEGORICAL != 0]
    _must_lie_below("threshold of a category", chosen, count)
    if not count:
        return
    bounds = _whole(fields, b"cat_boundaries")
    _must_have(fields, "cat_boundaries", count + 1)
    _must_have(fields, "cat_threshold", int(bounds[-1]))
    if bounds[0] != 0 or np.any(np.diff(bounds) < 0):
        raise ValueError("cat_boundaries do not rise")


def _check_linear(fields: dict[bytes, bytes], leaves: int, columns: int) -> None:
    _must_have(fields, "leaf_const", leaves)
    _must_have(fields, "num_features", leaves)
    counts = _whole(fields, b"num_features")
    if np.any(counts < 0):
        raise ValueError("num_features are negative")
    for name in ("leaf_features", "leaf_coeff"):
        _must_have(fields, name, int(counts.sum()))
    _must_lie_below("leaf_features", _whole(fields, b"leaf_features"), columns)


def _told(fields: dict[bytes, bytes], names: Sequence[str]) -> list[str]:
    """Those of the fields that a text may leave out but does not."""
    return [name for name in names if name.encode() in fields]


def _must_have(fields: dict[bytes, bytes], name: str, count: int) -> None:
    """Raises ValueError unless there are so many numbers: the library parses trees where it cannot raise."""
    words = fields[name.encode()].split()
    if len(words) != count:
        raise ValueError(f"{name} has {len(words):,} values, expected {count:,}")
    if b"_" in fields[name.encode()]:
        raise ValueError(f"{name} holds what is no number")
    if not words:
        return
    values = np.abs(np.array(words).astype(np.float64))
    odd = np.flatnonzero((values < _SMALLEST) | np.isinf(values))
    if not all(_is_double(words[n]) for n in odd.tolist()):
        raise ValueError(f"{name} holds a number that no double can")


def _is_double(word: bytes) -> bool:
    """Whether what is zero, infinite or nearly so is written like that, not the end of an under- or overflow."""
    if math.isinf(float(word)):
        return b"inf" in word.lower()
    return not word.lower().partition(b"e")[0].strip(b"+-0.")


def _must_lie_below(name: str, values: Whole | NDArray[np.float64], end: int) -> None:
    if not np.all((values >= 0) & (values < end)):
        raise ValueError(f"{name} is not within 0 to {end - 1}")


def _whole(fields: dict[bytes, bytes], name: bytes) -> Whole:
    return np.array(fields[name].split() or np.empty(0)).astype(np.int64)
