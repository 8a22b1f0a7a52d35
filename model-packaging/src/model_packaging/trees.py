"""Tree ensembles of all libraries in one form: arrays of nodes, read through treelite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import treelite
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_LESS, _LESS_OR_EQUAL = 2, 3
_NUMERIC, _CATEGORICAL = 1, 2
_LINKS = {"identity": "identity", "identity_multiclass": "identity", "sigmoid": "sigmoid", "exponential": "exponential"}


class NotTrees(Exception):
    """A model that cannot be written as trees with one output; the message says why."""


@dataclass(frozen=True)
class Ensemble:
    """link(base + sum of the trees), or their mean where `average`. The nodes of all trees stand one after the other.

    `starts` has the first node of each tree, its root; every other array has shape (nodes,). A leaf has `left` −1.
    A numeric node sends a value to the left when it is below `threshold` (`strict`) or at most that; a categorical
    one when it is among `listed[node]`, or, where `listed_right`, when it is not. Missing goes left if `default_left`.
    """

    starts: Ints
    left: Ints
    right: Ints
    column: Ints
    threshold: NDArray[np.float64]
    strict: Flags
    default_left: Flags
    listed: dict[int, Ints]
    listed_right: Flags
    leaf: NDArray[np.float64]
    base: float
    average: bool
    link: str

    @property
    def leaves(self) -> int:
        """Leaves of all trees together."""
        return int((self.left < 0).sum())


def ensemble(model: treelite.Model) -> Ensemble:
    """The trees of a model that treelite has read. Raises NotTrees for several outputs or an unknown link."""
    header = model.get_header_accessor()
    link = _LINKS.get(str(header.get_field("postprocessor")))
    if link is None:
        raise NotTrees(f"its output is made by {header.get_field('postprocessor')}, which no tree format has")
    if link == "sigmoid" and float(header.get_field("sigmoid_alpha")[0]) != 1:
        raise NotTrees("its sigmoid is scaled")
    classes, targets = int(header.get_field("num_class")[0]), int(header.get_field("num_target")[0])
    average = bool(header.get_field("average_tree_output")[0])
    vector = int(header.get_field("leaf_vector_shape")[1])
    if targets != 1 or (classes, vector) not in ((1, 1), (2, 2)) or (vector == 2 and not average):
        raise NotTrees(f"it has {targets} outputs and {classes} classes; one output, or two classes, can be served")
    base = header.get_field("base_scores")
    if average and np.any(base != 0):
        raise NotTrees("it adds a constant to the mean of its trees")

    trees = [_Fields(model.get_tree_accessor(n)) for n in range(model.num_tree)]
    starts = np.cumsum([0, *(tree.size for tree in trees)])
    node_type, operator = _joined(trees, "node_type"), _joined(trees, "cmp")
    if not np.all(np.isin(operator[node_type == _NUMERIC], (_LESS, _LESS_OR_EQUAL))):
        raise NotTrees("it compares by other operators than < and <=")
    listed = {start + node: codes for start, tree in zip(starts, trees, strict=False) for node, codes in tree.listed()}
    return Ensemble(
        starts=starts[:-1],
        left=_children(trees, starts, "cleft"),
        right=_children(trees, starts, "cright"),
        column=_joined(trees, "split_index"),
        threshold=np.concatenate([tree.field("threshold", np.float64) for tree in trees]),
        strict=operator == _LESS,
        default_left=_joined(trees, "default_left") != 0,
        listed=listed,
        listed_right=(_joined(trees, "category_list_right_child") != 0) & (node_type == _CATEGORICAL),
        leaf=np.concatenate([tree.leaves(vector) for tree in trees]),
        base=float(base[0]),
        average=average,
        link=link,
    )


class _Fields:
    """One tree as treelite gives it: arrays of shape (nodes,), children numbered within the tree."""

    def __init__(self, accessor: Any) -> None:
        self._accessor = accessor
        self.size = len(self.field("node_type", np.int64))

    def field(self, name: str, kind: Any) -> NDArray[Any]:
        return np.array(self._accessor.get_field(name), dtype=kind)

    def leaves(self, vector: int) -> NDArray[np.float64]:
        """The value of each leaf: of two classes, the second one's share."""
        if vector == 1:
            return self.field("leaf_value", np.float64)
        values = np.zeros(self.size)
        is_leaf = self.field("cleft", np.int64) < 0
        second = self.field("leaf_vector_begin", np.int64)[is_leaf] + 1
        values[is_leaf] = self.field("leaf_vector", np.float64)[second]
        return values

    def listed(self) -> list[tuple[int, Ints]]:
        """The categories that each categorical node lists."""
        nodes = np.flatnonzero(self.field("node_type", np.int64) == _CATEGORICAL)
        if not len(nodes):
            return []
        every = self.field("category_list", np.int64)
        begin, end = self.field("category_list_begin", np.int64), self.field("category_list_end", np.int64)
        return [(int(node), every[begin[node] : end[node]]) for node in nodes]


def _joined(trees: list[_Fields], name: str) -> Ints:
    return np.concatenate([tree.field(name, np.int64) for tree in trees])


def _children(trees: list[_Fields], starts: Ints, name: str) -> Ints:
    parts = [tree.field(name, np.int64) for tree in trees]
    return np.concatenate([np.where(part < 0, -1, part + start) for part, start in zip(parts, starts, strict=False)])
