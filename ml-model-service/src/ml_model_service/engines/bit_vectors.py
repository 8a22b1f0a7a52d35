"""Scores many rows by bit vectors instead of walks through the trees, so that no branch is mispredicted.

After QuickScorer (Lucchese et al., SIGIR 2015). A tree's leaves are the bits of a word. The thresholds of a feature
divide its values into cells; for each cell and tree, a word says which leaves a row with such a value can still reach.
The AND of the words of all features leaves one leaf of each tree. Leaves are summed in LightGBM's order, so predictions
are the same to the last bit.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import exp, inf, nan, nextafter
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_model_service.contract.lightgbm_text import CATEGORICAL, listed
from ml_model_service.engines import Engine
from ml_model_service.engines.tree_text import NEARLY_ZERO, Split, TreeText, Unsupported, read

# Larger models have no vectors: building them would hold up a swap.
MOST_TEXT, MOST_BYTES = 3 << 20, 16 << 20
# A walk reads a few features of each tree, bit vectors all that any tree splits by: beyond so many, a walk is faster.
MOST_FEATURES = 64
# from so many rows on, bit vectors take less time than walks
MANY = 4
# so many rows are scored at once, or as many as have their words in the processor's cache
_AT_ONCE, _BYTES_AT_ONCE = 64, 2 << 20
_PROBES = 200
_MOST_LEAVES = 64

_Placed = tuple[int, Split]
_Words = NDArray[np.unsignedinteger[Any]]


class BitVectors:
    """An ensemble of small trees. Few rows at a time are left to `exact`, which walks."""

    def __init__(self, text: bytes, exact: Engine, features: int) -> None:
        """Build the vectors for rows of so many features. Raises Unsupported for large models and for other kinds."""
        if len(text) > MOST_TEXT:
            raise Unsupported(f"{len(text):,} bytes")
        model = read(text)
        most = max(len(tree.leaves) for tree in model.trees)
        bits = next((bits for bits in (_MOST_LEAVES // 2, _MOST_LEAVES) if bits >= most), None)
        if bits is None:
            raise Unsupported(f"a tree of {most} leaves")
        self._exact, self.predict_one = exact, exact.predict_one
        self._sigmoid, self._divisor = model.sigmoid, len(model.trees) if model.average else 1
        self._firsts = np.arange(len(model.trees)) * bits
        self._values = np.zeros((len(model.trees), bits))
        for values, tree in zip(self._values, model.trees, strict=True):
            values[: len(tree.leaves)] = tree.leaves
        # LightGBM's sums start at +0.0, so that a lone leaf of -0.0 predicts +0.0
        self._values += 0.0
        self._one = np.dtype(f"u{bits // 8}").type(1)
        leaves = ((1 << len(tree.leaves)) - 1 for tree in model.trees)
        self._all_leaves: _Words = np.array(list(leaves), dtype=f"u{bits // 8}")
        self._features = features
        self._cut_up(_by_feature(model))

    def predict(self, values: array[float], rows: int) -> list[float]:
        """One prediction a row; see Engine."""
        if rows < MANY:
            return self._exact.predict(values, rows)
        return self.predict_many(np.frombuffer(values, dtype=np.float64).reshape(rows, -1))

    def predict_many(self, matrix: NDArray[np.float64]) -> list[float]:
        """One prediction for each row of a matrix (rows, features)."""
        parts = [self._sums(matrix[start : start + self._most]) for start in range(0, len(matrix), self._most)]
        return [self._prediction(total / self._divisor) for part in parts for total in part]

    def probes(self) -> NDArray[np.float64]:
        """Rows, (rows, features); a value is missing, near zero, far out, or at or just beside a threshold.

        What no split looks at is zero.
        """
        draw = Random(0)
        rows = np.zeros((_PROBES, self._features))
        for feature in self._split_by:
            kinds = (*_ANYWHERE, _beside(self._cuts.imag[self._cuts.real == feature].tolist()))
            rows[:, feature] = [draw.choice(draw.choice(kinds)) for _ in range(_PROBES)]
        return rows

    def _sums(self, matrix: NDArray[np.float64]) -> list[float]:
        """The sum of the leaves that are left over, for each of at most `_most` rows."""
        keys = self._keys[:, : len(matrix)].copy()
        keys.imag = matrix.take(self._split_by, axis=1).T
        left = np.bitwise_and.reduce(self._words.take(self._cuts.searchsorted(keys), axis=0), axis=0)
        # Each word has one bit now; those below it count to the leaf's number.
        leaves = np.bitwise_count(left - self._one) + self._firsts
        sums: list[float] = self._values.take(leaves).cumsum(axis=1)[:, -1].tolist()
        return sums

    def _prediction(self, score: float) -> float:
        if self._sigmoid is None:
            return score
        try:
            return 1.0 / (1.0 + exp(-self._sigmoid * score))
        except OverflowError:
            return 0.0

    def _cut_up(self, splits: dict[int, list[_Placed]]) -> None:
        """Make one table of all features' cells: the leaves that values above one cut, up to the next, can still reach.

        A cut is a complex number: the feature is its real part, the value its imaginary one. NumPy orders complex
        numbers by the real part first, and those with a NaN (a missing value) last: one search finds the cells of
        whole rows.
        """
        self._split_by = np.array(sorted(splits))
        if not 1 <= len(splits) <= MOST_FEATURES:
            raise Unsupported(f"splits by {len(splits)} features")
        cuts = {feature: _cuts([split for _, split in splits[feature]]) for feature in sorted(splits)}
        if sum(len(ends) + 1 for ends in cuts.values()) * self._all_leaves.nbytes > MOST_BYTES:
            raise Unsupported("its bit vectors would be too large")
        cells = [(feature, cut) for feature, ends in cuts.items() for cut in ends]
        cells += [(feature, nan) for feature in cuts]
        self._cuts = np.array([complex(*cell) for cell in cells])
        words = [self._left_over(splits[feature], ends) for feature, ends in cuts.items()]
        self._words: _Words = np.concatenate([part[:-1] for part in words] + [part[-1:] for part in words])
        self._most = max(1, min(_AT_ONCE, _BYTES_AT_ONCE // (len(splits) * self._all_leaves.nbytes)))
        self._keys = np.tile(self._split_by.astype(np.complex128)[:, None], (1, self._most))

    def _left_over(self, placed: Sequence[_Placed], cuts: Sequence[float]) -> _Words:
        """For each of a feature's cells, and at last for missing values."""
        # All values of a cell go where the cell's end goes, zero's neighbours where zero goes.
        ends = np.array([*(0.0 if abs(cut) <= NEARLY_ZERO else cut for cut in cuts), nan])
        words = np.tile(self._all_leaves, (len(ends), 1))
        kind = words.dtype.type
        for tree, split in placed:
            gone = np.where(split.goes_left(ends), kind(split.leaves_right), kind(split.leaves_left))
            words[:, tree] &= ~gone
        return words


def with_bit_vectors(text: bytes, exact: Engine, features: int) -> Engine:
    """Bit vectors where the model can have some and they predict exactly what `exact` does; else `exact`."""
    try:
        vectors = BitVectors(text, exact, features)
    except Unsupported:
        return exact
    probes = vectors.probes()
    same = vectors.predict_many(probes) == exact.predict(array("d", probes.tobytes()), len(probes))
    return vectors if same else exact


def most_bytes(text: bytes, features: int, categories: int) -> int:
    """What the vectors of a model take at most, known before they are built; `categories` are those of all features.

    0 where none are built.
    """
    leaves = list(map(int, listed(text, b"num_leaves")))
    if len(text) > MOST_TEXT or not 1 <= max(leaves, default=0) <= _MOST_LEAVES:
        return 0
    split_by = list(listed(text, b"split_feature"))
    splits = zip(split_by, listed(text, b"threshold"), listed(text, b"decision_type"), strict=False)
    thresholds = {(feature, threshold) for feature, threshold, kind in splits if not int(kind) & CATEGORICAL}
    a_cell = len(leaves) * (4 if max(leaves) <= _MOST_LEAVES // 2 else 8)
    if len(thresholds) * a_cell > MOST_BYTES or len(set(split_by)) > MOST_FEATURES:
        return 0
    # further ones around zero, up to infinity, and missing; before and after each category
    cells = len(thresholds) + 4 * features + 2 * categories
    return min(MOST_BYTES, cells * a_cell) + len(leaves) * _MOST_LEAVES * 8


def _by_feature(model: TreeText) -> dict[int, list[_Placed]]:
    """The splits of each feature that has any, each with its tree's number."""
    found: dict[int, list[_Placed]] = {}
    for number, tree in enumerate(model.trees):
        for split in tree.splits:
            found.setdefault(split.feature, []).append((number, split))
    for placed in found.values():
        if len({split.codes is None for _, split in placed}) > 1:
            raise Unsupported("a feature that is both a category and a number")
    return found


def _cuts(splits: Sequence[Split]) -> list[float]:
    """Where cells end, in ascending order: at the thresholds and around zero, or before and after each code."""
    if splits[0].codes is not None:
        codes = {code for split in splits for code in split.codes or ()}
        # fractions count as the whole number towards zero
        ends = {nextafter(end, -inf) if end else -1.0 for code in codes for end in (code, code + 1)}
        return sorted(ends | {inf})
    return sorted({split.threshold for split in splits} | {nextafter(-NEARLY_ZERO, -inf), NEARLY_ZERO, inf})


def _beside(values: Sequence[float]) -> Sequence[float]:
    """The values and the numbers next to them."""
    return [near for value in values for near in (value, nextafter(value, inf), nextafter(value, -inf))]


# kinds of values that matter to every feature
_ANYWHERE = ((nan,), (0.0, -0.0, *_beside((NEARLY_ZERO, -NEARLY_ZERO))), (1e300, -1e300))
