"""Checks that a form predicts what the original predicts: on which rows, and within which tolerance."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model_packaging import rows, special
from model_packaging.columns import rounded
from model_packaging.engines import Engine, GraphForm
from model_packaging.originals import Original
from model_packaging.refusal import Refusal
from model_packaging.rows import Holdout
from model_packaging.schema import Described, Matrix, Vector
from model_packaging.special import Marks

Tell = Callable[[str], None]

DRAWN = 2_000
_DRAWN_BESIDE = 500
_SHOWN = 5
_LONGEST = 500
_SINGLE = 100
_FAR_OUT = 2e9
_FEW = 0.2
_WHOLE = 0.5
_LOOKED_AT = 1_000


@dataclass(frozen=True)
class Candidate:
    """A form that might serve. `bounds` are rows at its own splits, where it would differ from the original first."""

    format: str
    by: str
    data: bytes
    engine: Engine
    bounds: Matrix
    tolerance: float
    form: GraphForm | None = None


@dataclass(frozen=True)
class Checked:
    """The rows that every form is checked on, with the original's predictions.

    The last `made` rows were made to be hard. Those before them are golden requests and rows of a `kind`: held out, or
    drawn. `recorded` is the largest prediction of the golden requests.
    """

    matrix: Matrix
    predictions: Vector
    name: str
    made: int
    kind: str = "held-out"
    recorded: float = 0.0

    @property
    def real(self) -> int:
        """How many rows are held out, drawn or golden, rather than made to be hard."""
        return len(self.matrix) - self.made

    @property
    def scale(self) -> float:
        """The largest prediction for the real rows, at least 1; relative errors are relative to it.

        Of drawn rows the most extreme twentieth does not count: an exponential of one of them may dwarf all others.
        """
        sizes = np.abs(self.predictions[: self.real])
        return max(1.0, self.recorded, float(sizes.max() if self.kind == "held-out" else np.quantile(sizes, 0.95)))


def rows_to_check(
    described: Described, original: Original, held_out: Holdout | None, marks: Marks, tell: Tell
) -> Checked:
    """The rows with the original's predictions. Raises Refusal when these are not the recorded ones."""
    features = described.features
    golden = described.document.get("golden") or []
    recorded = [float(entry["prediction"]) for entry in golden]
    asked = [_golden_row(described, entry["instance"]) for entry in golden]
    if held_out is not None and len(held_out.matrix):
        matrix, name = held_out.matrix, f"{len(held_out.matrix):,} held-out rows"
        known, kind = np.append(held_out.predictions, recorded), "held-out"
    else:
        matrix = _with_answers(original, rows.drawn(features, marks, DRAWN))
        name = f"{len(matrix):,} rows drawn from the schema (the folder has no held-out rows)"
        known, kind = np.append(np.full(len(matrix), np.nan), recorded), "drawn"
    matrix = np.vstack([matrix, np.array(asked).reshape(len(asked), len(features))])
    numbers = np.append(special.usual_numbers(), original.numbers)
    hard = np.vstack(
        [
            rows.one_missing(features, matrix),
            rows.each_category(features, matrix),
            rows.special(features, matrix, numbers),
            rows.drawn(features, marks, _DRAWN_BESIDE, seed=1),
        ]
    )
    predictions = original.predict(matrix)
    if not np.all(np.isfinite(predictions)):
        raise Refusal("the model predicts a number that is not finite", "correct the model")
    hard, beside = _accepted(original, hard, tell)
    # An exponential has no finite answer for a large number: there is nothing to compare.
    hard, beside = hard[np.isfinite(beside)], beside[np.isfinite(beside)]
    largest = max((abs(prediction) for prediction in recorded), default=0.0)
    checked = Checked(np.vstack([matrix, hard]), np.append(predictions, beside), name, len(hard), kind, largest)
    tolerance = tolerance_of(described, original.tolerance, checked)
    computed = np.where(np.isnan(known), np.nan, checked.predictions[: len(known)])
    try:
        _must_agree(computed, known, tolerance, (original.library, "recorded"), len(known) - len(golden), kind)
    except Refusal as refusal:
        told = Refusal(f"{refusal.what}\n{original.note}", refusal.fix) if original.note else refusal
        raise _naming_unlisted_values(told, described) from None
    if not np.all(np.isnan(known)):
        apart = float(np.nanmax(np.abs(computed - known)))
        of = name if held_out else f"{len(golden)} golden requests"
        tell(f"{original.library} computes what is recorded of {of}; largest difference {apart:.2g}")
    return checked


def _with_answers(original: Original, drawn: Matrix) -> Matrix:
    """The drawn rows with a finite prediction; an exponential has none for large numbers. All rows if few have one."""
    finite = np.isfinite(original.predict(drawn))
    return drawn[finite] if finite.mean() > _FEW else drawn


def _accepted(original: Original, hard: Matrix, tell: Tell) -> tuple[Matrix, Vector]:
    """The rows and their predictions, without rows whose numbers the original refuses for being too large."""
    try:
        return hard, original.predict(hard)
    except Refusal:
        near = hard[np.all(np.isnan(hard) | (np.abs(hard) <= _FAR_OUT), axis=1)]
        predictions = original.predict(near)
    tell(f"the model takes no numbers beyond {_FAR_OUT:g}: feature_schema should say so (minimum, maximum)")
    return near, predictions


def too_large_for_floats(described: Described, positions: Sequence[int], checked: Checked) -> list[str]:
    """Features at `positions` with whole numbers that single precision cannot tell apart, with an example of each."""
    told = []
    for position in positions:
        values = checked.matrix[: checked.real, position]
        lost = np.abs(rounded(values) - values)
        if np.any(lost >= _WHOLE):
            worst = int(np.nanargmax(lost))
            told.append(f"{described.features[position].name} {values[worst]!s} becomes {rounded(values)[worst]!s}")
    return told


def check(described: Described, original: Original, candidate: Candidate, checked: Checked) -> float:
    """The largest difference from the original. Raises Refusal when it is above the tolerance.

    A made row may lie far out, where a regressor's prediction is large: the tolerance grows with it.
    """
    matrix = np.vstack([checked.matrix, candidate.bounds])
    # some libraries refuse a matrix without rows
    at_bounds = original.predict(candidate.bounds) if len(candidate.bounds) else np.empty(0)
    expected = np.append(checked.predictions, at_bounds)
    tolerance = tolerance_of(described, candidate.tolerance, checked)
    allowed = tolerance * np.maximum(1.0, np.abs(expected) / checked.scale)
    found = candidate.engine.predict(matrix)
    names = (candidate.format, original.library)
    try:
        _must_agree(found, expected, allowed, names, checked.real, checked.kind)
        # the model server scores single rows by another call
        first = matrix[:_SINGLE]
        singly = [candidate.engine.predict_one(np.ascontiguousarray(first[n : n + 1])) for n in range(len(first))]
        _must_agree(np.array(singly), expected[: len(first)], allowed[: len(first)], names, len(first), checked.kind)
    except Refusal as refusal:
        raise _with_worst_row(refusal, described, original, candidate, matrix, (found, expected, allowed)) from None
    return float(np.abs(found - expected)[np.abs(expected) <= checked.scale].max())


def tolerance_of(described: Described, least: float, checked: Checked) -> float:
    """The metadata's own tolerance, else `least` times the largest prediction (at least 1)."""
    stated = described.document.get("tolerance")
    return least * checked.scale if stated is None else float(stated)


def _naming_unlisted_values(refusal: Refusal, described: Described) -> Refusal:
    """The refusal, naming held-out values that count as missing because the schema does not list them."""
    unlisted = {
        feature.name: sorted(
            {value for _, row, _, _ in found if (value := row[feature.name]) is not None} - set(feature.values)
        )
        for found in [rows.read_instances(described) or []]
        for feature in described.features
        if feature.is_category
    }
    told = [f"{name} {', '.join(values[:_SHOWN])}" for name, values in unlisted.items() if values]
    if not told:
        return refusal
    return Refusal(
        f"{refusal.what}\nheld-out values that feature_schema does not list count as missing: {'; '.join(told)}",
        f"list every value that the model was trained on in feature_schema; or {refusal.fix}",
    )


def _with_worst_row(
    refusal: Refusal,
    described: Described,
    original: Original,
    candidate: Candidate,
    matrix: Matrix,
    said: tuple[Vector, Vector, Vector],
) -> Refusal:
    """The refusal, with the worst row as a request, and features for which single precision is too coarse."""
    found, expected, allowed = said
    apart = np.abs(found - expected)
    worst = int(np.argmax(np.where(np.isnan(apart), np.inf, apart) / allowed))
    lines = [
        f"the worst row: {json.dumps(rows.decode(described.features, matrix[worst]), ensure_ascii=False)[:_LONGEST]}"
    ]
    coarse: list[str] = []
    if candidate.format == "onnx":
        some = np.linspace(0, len(matrix) - 1, min(len(matrix), _LOOKED_AT)).astype(np.intp)
        some = np.append(some, np.flatnonzero(~(apart <= allowed))[:_LOOKED_AT])
        coarse = _too_coarse(described, original, matrix[some], expected[some], allowed[some])
    if coarse:
        lines.append(f"a graph takes single precision, which alone costs more than the tolerance: {'; '.join(coarse)}")
    return Refusal("\n".join([refusal.what, *lines]), refusal.fix)


def _too_coarse(
    described: Described, original: Original, matrix: Matrix, expected: Vector, allowed: Vector
) -> list[str]:
    """Features that change the original's own prediction when they are rounded to floats, with an example."""
    told: list[str] = []
    for position, feature in enumerate(described.features):
        if feature.is_category or len(told) == _SHOWN:
            continue
        varied = matrix.copy()
        varied[:, position] = rounded(matrix[:, position])
        apart = np.abs(original.predict(varied) - expected) / allowed
        worst = int(np.nanargmax(apart)) if not np.all(np.isnan(apart)) else 0
        if apart[worst] > 1:
            told.append(f"{feature.name} {matrix[worst, position]!s} becomes {varied[worst, position]!s}")
    return told


def _must_agree(
    found: Vector, expected: Vector, allowed: float | Vector, names: tuple[str, str], real: int, kind: str
) -> None:
    """Raise Refusal naming the worst rows. NaN on both sides agrees; rows from `real` on were made."""
    tolerance = float(np.min(allowed))
    apart = np.where(np.isnan(found) & np.isnan(expected), 0.0, np.abs(found - expected))
    apart = np.where(np.isnan(apart), np.inf, apart)
    wrong = np.flatnonzero(apart > allowed)
    if not len(wrong):
        return
    worst = wrong[np.argsort(-apart[wrong], kind="stable")][:_SHOWN].tolist()
    lines = [
        f"  {f'{kind} row {n + 1}' if n < real else f'made row {n + 1 - real}'}: "
        f"{names[0]} {float(found[n])!r}, {names[1]} {float(expected[n])!r}"
        for n in worst
    ]
    first = ", ".join(f"{n + 1:,}" for n in wrong[:_SHOWN].tolist())
    raise Refusal(
        f"{names[0]} and {names[1]} differ by more than {tolerance:g} on {len(wrong):,} of {len(found):,} rows "
        f"(first {first}), by at most {apart.max():.3g}; the worst:\n" + "\n".join(lines),
        "write the folder again with predictions of the very model in it, or state a `tolerance` in metadata.json",
    )


def _golden_row(described: Described, instance: dict[str, Any]) -> list[float]:
    try:
        return rows.encode(described.features, instance)
    except KeyError as error:
        raise Refusal(f"a golden request lacks {error}", "write all features into each of `golden`") from error
