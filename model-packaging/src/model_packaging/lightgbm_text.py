"""Trees as a LightGBM text model, which LightGBM's own library loads and serves exactly as written.

LightGBM takes a number within 1e-35 of zero for zero; apart from that a split is decided by the very double.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ml_model_service.contract.lightgbm_text import CATEGORICAL, DEFAULT_LEFT, MISSING_IS_NAN, MISSING_IS_ZERO, words_of
from ml_model_service.engines.names import BY_POSITION, are_meant
from model_packaging.fold import Splits
from model_packaging.trees import Ensemble, Ints

_SMALLEST = sys.float_info.min
_ENDING = {"is_linear": [0], "shrinkage": [1]}
_OBJECTIVES = {"identity": "regression", "sigmoid": "binary sigmoid:1", "exponential": "poisson"}


def spelled(names: Sequence[str]) -> list[str]:
    """The features' names as a LightGBM file can hold them: themselves, or else by position, as the server takes them.

    >>> spelled(["temp", "x<5"]), spelled(["n items", "Column_7"])
    (['temp', 'x<5'], ['Column_0', 'Column_1'])
    """
    if all(re.fullmatch(r"[^\s,:\"\[\]{}=\\]{1,200}", name) for name in names):
        return list(names)
    neutral = [[f"{start}{n}" for n in range(len(names))] for start in BY_POSITION]
    return next((spelling for spelling in neutral if are_meant(spelling, names)), list(names))


def text(whole: Ensemble, splits: Splits, names: Sequence[str]) -> bytes:
    """The model file."""
    names = spelled(names)
    ends = [*whole.starts[1:].tolist(), len(whole.left)]
    first_base = 0.0 if whole.average else whole.base
    trees = [
        _tree(n, whole, splits, start, end, first_base if n == 0 else 0.0)
        for n, (start, end) in enumerate(zip(whole.starts.tolist(), ends, strict=True))
    ]
    header = [
        "tree",
        "version=v4",
        "num_class=1",
        "num_tree_per_iteration=1",
        "label_index=0",
        f"max_feature_idx={len(names) - 1}",
        f"objective={_OBJECTIVES[whole.link]}",
        *(["average_output"] if whole.average else []),
        "feature_names=" + " ".join(names),
        "feature_infos=" + " ".join("none" for _ in names),
        "tree_sizes=" + " ".join(str(len(tree)) for tree in trees),
    ]
    closing = "end of trees\n\nfeature_importances:\n\nparameters:\nend of parameters\n\npandas_categorical:null\n"
    return "\n".join(header).encode() + b"\n\n" + b"".join(trees) + closing.encode()


def _tree(number: int, whole: Ensemble, splits: Splits, start: int, end: int, base: float) -> bytes:
    left, right = whole.left[start:end] - start, whole.right[start:end] - start
    is_leaf = whole.left[start:end] < 0
    left, right = np.where(is_leaf, -1, left), np.where(is_leaf, -1, right)
    left, right, root = _without_fixed(left, right, splits.fixed[start:end])
    used = _reachable(left, right, root)
    inner, leaves = np.flatnonzero(used & (left >= 0)), np.flatnonzero(used & (left < 0))
    inner = np.concatenate([inner[inner == root], inner[inner != root]])  # the root comes first
    values = whole.leaf[start + leaves] + base
    if not len(inner):
        return _lines(number, {"num_leaves": [1], "num_cat": [0], "leaf_value": values, **_ENDING})

    # children: an inner node by its number, a leaf by the complement of its own
    place = np.zeros(len(left), dtype=np.int64)
    place[inner], place[leaves] = np.arange(len(inner)), ~np.arange(len(leaves))
    swapped = splits.swapped[start + inner]
    goes_left, goes_right = place[left[inner]], place[right[inner]]
    boundaries, words, by_code, thresholds = _bitsets(splits, start + inner)
    kind = np.where(splits.zero[start + inner], MISSING_IS_ZERO, MISSING_IS_NAN) << 2
    kind = kind | np.where(splits.default_left[start + inner], DEFAULT_LEFT, 0)
    fields: dict[str, Sequence[object] | NDArray[np.generic]] = {
        "num_leaves": [len(leaves)],
        "num_cat": [len(boundaries) - 1],
        "split_feature": splits.feature[start + inner],
        "split_gain": np.zeros(len(inner), dtype=np.int64),
        "threshold": [int(t) if c else t for t, c in zip(thresholds.tolist(), by_code.tolist(), strict=True)],
        "decision_type": np.where(by_code, CATEGORICAL, kind),
        "left_child": np.where(swapped, goes_right, goes_left),
        "right_child": np.where(swapped, goes_left, goes_right),
        "leaf_value": values,
    }
    if len(boundaries) > 1:
        fields |= {"cat_boundaries": boundaries, "cat_threshold": words}
    return _lines(number, {**fields, **_ENDING})


def _without_fixed(left: Ints, right: Ints, fixed: Ints) -> tuple[Ints, Ints, int]:
    """Children and root with every node that decides nothing left out: its one child takes its place."""
    target = np.where(fixed < 0, left, np.where(fixed > 0, right, np.arange(len(left))))
    while np.any(target[target] != target):
        target = target[target]
    return np.where(left < 0, -1, target[left]), np.where(right < 0, -1, target[right]), int(target[0])


def _reachable(left: Ints, right: Ints, root: int) -> NDArray[np.bool_]:
    used = np.zeros(len(left), dtype=np.bool_)
    level = np.array([root])
    while len(level):
        used[level] = True
        inner = level[left[level] >= 0]
        level = np.concatenate([left[inner], right[inner]])
    return used


def _bitsets(splits: Splits, nodes: Ints) -> tuple[list[int], list[int], NDArray[np.bool_], NDArray[np.float64]]:
    """Boundaries and words of the sets of codes, which nodes use one, and thresholds, a set's being its number."""
    boundaries, words = [0], list[int]()
    thresholds = splits.threshold[nodes].copy()
    # the smallest doubles are not read everywhere, and LightGBM takes what is so near to zero for zero
    tiny = np.abs(thresholds) < _SMALLEST
    thresholds[tiny] = np.where(thresholds[tiny] < 0, -_SMALLEST, 0.0)
    by_code = np.zeros(len(nodes), dtype=np.bool_)
    for n, node in enumerate(nodes.tolist()):
        if node in splits.codes:
            thresholds[n], by_code[n] = len(boundaries) - 1, True
            words += words_of(splits.codes[node].tolist())
            boundaries.append(len(words))
    return boundaries, words, by_code, thresholds


def _lines(number: int, fields: dict[str, Sequence[object] | NDArray[np.generic]]) -> bytes:
    lines = [f"Tree={number}"]
    for name, values in fields.items():
        plain = values.tolist() if isinstance(values, np.ndarray) else values
        lines.append(f"{name}={' '.join(map(repr, plain))}")
    return ("\n".join(lines) + "\n\n\n").encode()
