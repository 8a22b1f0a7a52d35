"""Many rows through tree ensembles by bit vectors: no walk through trees, so no branch is mispredicted.

After QuickScorer (Lucchese et al., SIGIR 2015). Every leaf of every tree is a bit. The thresholds of a feature cut its
values into cells, and of each cell it is known beforehand which leaves it leaves over; the AND over all features leaves
over one leaf of each tree. Leaves are summed in LightGBM's order: predictions are the same to the last bit.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from math import exp, inf, nan, nextafter
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_model_service.engines import Engine
from ml_model_service.engines.tree_text import NEARLY_ZERO, Split, TreeText, Unsupported, read

# Beyond these, building the vectors would hold up a swap.
MOST_TEXT, MOST_BYTES = 3 << 20, 16 << 20
# rows from which this takes less time than walking, and rows whose vectors stay together in a core's cache
MANY, _AT_ONCE = 4, 64
# for words of so many bits: a multiplier and a shift that number the powers of two without gaps (de Bruijn sequences)
_NUMBERING = {32: (0x077CB531, 27), 64: (0x03F79D71B4CB0A89, 58)}
_PROBES = 200
_LARGEST, _ENDS = sys.float_info.max, 2

_Placed = tuple[int, Split]
_Words = NDArray[np.unsignedinteger[Any]]


class BitVectors:
    """An ensemble of small trees. Few rows at a time are left to `exact`, which walks."""

    def __init__(self, text: bytes, exact: Engine, features: int) -> None:
        """Build the vectors. Raises Unsupported for a large model (`MOST_TEXT`, `MOST_BYTES`) and for other kinds."""
        if len(text) > MOST_TEXT:
            raise Unsupported(f"{len(text):,} bytes")
        model = read(text)
        most = max(len(tree.leaves) for tree in model.trees)
        bits = next((bits for bits in _NUMBERING if bits >= most), None)
        if bits is None:
            raise Unsupported(f"a tree of {most} leaves")
        self._exact, self.predict_one = exact, exact.predict_one
        self._sigmoid, self._divisor = model.sigmoid, len(model.trees) if model.average else 1
        self._multiplier, self._shift = _NUMBERING[bits]
        self._signed = np.dtype(f"i{bits // 8}")
        self._firsts = np.arange(len(model.trees)) * bits
        self._values = self._numbered_values(model, bits)
        leaves = ((1 << len(tree.leaves)) - 1 for tree in model.trees)
        self._all_leaves: _Words = np.array(list(leaves), dtype=f"u{bits // 8}")
        self._cut_up(_by_feature(model), features)

    def predict(self, values: array[float], rows: int) -> list[float]:
        """One prediction a row; see Engine."""
        if rows < MANY:
            return self._exact.predict(values, rows)
        return self.predict_many(np.frombuffer(values, dtype=np.float64).reshape(rows, -1))

    def predict_many(self, matrix: NDArray[np.float64]) -> list[float]:
        """One prediction for each row of a matrix (rows, features)."""
        parts = [self._sums(matrix[start : start + _AT_ONCE]) for start in range(0, len(matrix), _AT_ONCE)]
        return [self._prediction(total / self._divisor) for part in parts for total in part]

    def probes(self) -> NDArray[np.float64]:
        """Rows, (rows, features); a value is missing, near zero, far out, or at or just beside a threshold."""
        draw = Random(0)
        of_feature = [self._cuts.imag[self._cuts.real == feature][:-_ENDS] for feature in range(len(self._keys))]
        kinds = [(*_ANYWHERE, *([_beside(cuts.tolist())] if len(cuts) else [])) for cuts in of_feature]
        rows = [[draw.choice(draw.choice(kind)) for kind in kinds] for _ in range(_PROBES)]
        return np.array(rows, dtype=np.float64)

    def _sums(self, matrix: NDArray[np.float64]) -> list[float]:
        """The sum of the leaves that are left over, for each of at most `_AT_ONCE` rows."""
        keys = self._keys[:, : len(matrix)].copy()
        np.fmin(matrix.T, inf, out=keys.imag)
        left = np.bitwise_and.reduce(self._words.take(self._cuts.searchsorted(keys), axis=0), axis=0)
        # Each word has one bit now, which the multiplication numbers.
        leaves = (left * self._multiplier >> self._shift).view(self._signed) + self._firsts
        sums: list[float] = self._values.take(leaves).cumsum(axis=1)[:, -1].tolist()
        return sums

    def _prediction(self, score: float) -> float:
        if self._sigmoid is None:
            return score
        try:
            return 1.0 / (1.0 + exp(-self._sigmoid * score))
        except OverflowError:
            return 0.0

    def _numbered_values(self, model: TreeText, bits: int) -> NDArray[np.float64]:
        """Each tree's leaf values, where the numbering of the powers of two finds them."""
        values = np.zeros((len(model.trees), bits))
        for number, tree in enumerate(model.trees):
            for leaf, value in enumerate(tree.leaves):
                values[number, (self._multiplier << leaf & (1 << bits) - 1) >> self._shift] = value
        return values.ravel()

    def _cut_up(self, splits: dict[int, list[_Placed]], features: int) -> None:
        """Make one table of all features' cells.

        Its row `n` says what is left over by values above cut `n - 1`, up to cut `n`. A cut is a complex number: the
        feature, then the value. NumPy puts those in order by feature first, so that one search finds the cells of all.
        A feature's last cell, which ends at infinity, is for missing values.
        """
        cuts = [_cuts([split for _, split in splits.get(feature, ())]) for feature in range(features)]
        if sum(map(len, cuts)) * self._all_leaves.nbytes > MOST_BYTES:
            raise Unsupported("its bit vectors would be too large")
        self._cuts = np.array([complex(feature, cut) for feature in range(features) for cut in cuts[feature]])
        self._words: _Words = np.concatenate(
            [self._left_over(splits.get(feature, ()), cuts[feature]) for feature in range(features)]
        )
        self._keys = np.tile(np.arange(features, dtype=np.complex128)[:, None], (1, _AT_ONCE))

    def _left_over(self, placed: Sequence[_Placed], cuts: Sequence[float]) -> _Words:
        # All values of a cell go where the cell's end goes, zero's neighbours where zero goes.
        ends = np.array([*(0.0 if abs(cut) <= NEARLY_ZERO else cut for cut in cuts[:-1]), nan])
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
    """Where cells end, in ascending order: at the thresholds and around zero, or before and after each code.

    The last two are the largest number and infinity, as which missing values are looked up.
    """
    if not splits:
        inner = set[float]()
    elif splits[0].codes is not None:
        codes = {code for split in splits for code in split.codes or ()}
        # fractions count as the whole number towards zero
        inner = {nextafter(end, -inf) if end else -1.0 for code in codes for end in (code, code + 1)}
    else:
        inner = {split.threshold for split in splits} | {nextafter(-NEARLY_ZERO, -inf), NEARLY_ZERO}
    return [*sorted(cut for cut in inner if cut < _LARGEST), _LARGEST, inf]


def _beside(values: Sequence[float]) -> Sequence[float]:
    """The values and the numbers next to them."""
    return [near for value in values for near in (value, nextafter(value, inf), nextafter(value, -inf))]


# kinds of values that matter to every feature
_ANYWHERE = ((nan,), (0.0, -0.0, *_beside((NEARLY_ZERO, -NEARLY_ZERO))), (1e300, -1e300))
