"""`package`: a folder's model in the fastest form that is faithful to it, with the proof."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import onnxruntime
import skl2onnx
import treelite

from model_packaging import graphs, lightgbm_text, originals, rows
from model_packaging.engines import Engine, GraphForm, LightGBM, Onnx, microseconds
from model_packaging.fold import Splits, fold
from model_packaging.originals import Original
from model_packaging.refusal import Refusal
from model_packaging.schema import Described, Matrix, Vector, describe
from model_packaging.trees import Ensemble, NotTrees

Tell = Callable[[str], None]

_DRAWN = 2_000
_GOLDEN = 20
_SHOWN = 5
_TIMED_SECONDS = 0.5
# an ensemble of such a size takes skl2onnx minutes, and its graph has always been the slower one
_MOST_GRAPH_LEAVES = 20_000
_SINGLE = 100


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
    """The rows that every form is checked on, with what the original says to them; `made` of them at the end."""

    matrix: Matrix
    predictions: Vector
    name: str
    made: int

    @property
    def scale(self) -> float:
        """The largest prediction, at least 1: what a relative error is relative to."""
        return max(1.0, float(np.abs(self.predictions).max()))


def package(job: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """The job's answer: metadata to add, and whether `work`/converted holds a new model file. Raises Refusal."""
    described = describe(Path(job["folder"]))
    original = originals.load(described)
    checked = _checked(described, original, tell)
    answer: dict[str, Any] = {}
    if not described.document.get("golden"):
        answer["golden"] = _golden(described, checked)
        tell(f"made {len(answer['golden'])} golden requests of {checked.name}")
    if described.format == "lightgbm-text":
        return answer
    answer["tolerance"] = _tolerance(described, original.tolerance, checked)
    if described.format == "onnx":
        form = graphs.check(described.model_path.read_bytes(), described.features, described.document.get("onnx"))
        return answer | {"onnx": vars(form)}
    try:
        return answer | _converted(described, original, checked, Path(job["work"]), tell)
    except Refusal as refusal:
        if not (job["keep_native"] and described.format == "sklearn-pickle"):
            raise
        tell("kept as it is, a pickle")
        return answer | {"native": {"library": original.library, "why": refusal.what}}


def _checked(described: Described, original: Original, tell: Tell) -> Checked:
    """Score the rows by the original; what was recorded must come out again. Raises Refusal."""
    held_out = rows.read_holdout(described)
    golden = described.document.get("golden") or []
    recorded = [float(entry["prediction"]) for entry in golden]
    asked = [_golden_row(described, entry["instance"]) for entry in golden]
    if held_out is not None and len(held_out.matrix):
        matrix, name = held_out.matrix, f"{len(held_out.matrix):,} held-out rows"
        known = np.append(held_out.predictions, recorded)
    else:
        matrix = rows.drawn(described.features, _DRAWN)
        name = f"{_DRAWN:,} rows drawn from the schema (the folder has no held-out rows)"
        known = np.append(np.full(_DRAWN, np.nan), recorded)
    matrix = np.vstack([matrix, np.array(asked).reshape(len(asked), len(described.features))])
    hard = np.vstack([rows.one_missing(described.features, matrix), rows.each_category(described.features, matrix)])
    everything = np.vstack([matrix, hard])
    checked = Checked(everything, original.predict(everything), name, len(hard))
    if not np.all(np.isfinite(checked.predictions)):
        raise Refusal("the model predicts what is no finite number", "mend the model")
    tolerance = _tolerance(described, original.tolerance, checked)
    computed = np.where(np.isnan(known), np.nan, checked.predictions[: len(known)])
    try:
        _must_agree(computed, known, tolerance, (original.library, "recorded"), len(known) - len(golden))
    except Refusal as refusal:
        raise _with_unlisted(refusal, described) from None
    if not np.all(np.isnan(known)):
        apart = float(np.nanmax(np.abs(computed - known)))
        of = name if held_out else f"{len(golden)} golden requests"
        tell(f"{original.library} computes what is recorded of {of}; largest difference {apart:.2g}")
    return checked


def _with_unlisted(refusal: Refusal, described: Described) -> Refusal:
    """The refusal, and which held-out values count as missing because the schema does not list them."""
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


def _converted(described: Described, original: Original, checked: Checked, work: Path, tell: Tell) -> dict[str, Any]:
    """The fastest candidate that agrees, written to `work`/converted. Raises Refusal when none does."""
    found, reasons = _candidates(described, original, checked.matrix, tell)
    tell(f"checking on {checked.name} and {checked.made:,} made to be hard")
    faithful: list[tuple[Candidate, float]] = []
    for candidate in found:
        try:
            apart = _check(described, original, candidate, checked)
        except Refusal as refusal:
            reasons.append(f"as {candidate.format}: {refusal.what}")
            continue
        tell(f"as {candidate.format} it agrees; largest difference {apart:.2g}")
        faithful.append((candidate, apart))
    if not faithful:
        raise Refusal(
            "no form that can be served is faithful to the model\n" + "\n".join(reasons),
            "serve another kind of model, or publish with --keep-native for where MODEL_PICKLES allows pickles"
            if described.format == "sklearn-pickle"
            else "train a model that can be converted",
        )
    one = np.ascontiguousarray(checked.matrix[:1])
    times = microseconds(
        [lambda: original.predict(one), *[lambda c=c: c.engine.predict_one(one) for c, _ in faithful]], _TIMED_SECONDS
    )
    best = int(np.argmin(times[1:]))
    chosen, apart = faithful[best]
    tell(f"one row takes {times[best + 1]:.1f} µs as {chosen.format}, {times[0]:,.0f} µs as it was")
    (work / "converted").write_bytes(chosen.data)
    answer: dict[str, Any] = {
        "tolerance": _tolerance(described, chosen.tolerance, checked),
        "format": chosen.format,
        "conversion": {
            "from_format": described.format,
            "from_file": described.model_path.name,
            "from_sha256": hashlib.sha256(described.model_path.read_bytes()).hexdigest(),
            "from_library": original.library,
            "by": chosen.by,
            "checked": checked.name,
            "rows": len(checked.matrix) - checked.made,
            "hard_rows": checked.made + len(chosen.bounds),
            "largest_difference": apart,
            "tolerance": _tolerance(described, chosen.tolerance, checked),
            "one_row_microseconds": {
                "original": round(times[0], 2),
                **{c.format: round(t, 2) for (c, _), t in zip(faithful, times[1:], strict=True)},
            },
            "not_taken": [reason.splitlines()[0] for reason in reasons],
        },
    }
    return answer | ({"onnx": vars(chosen.form)} if chosen.form else {})


def _candidates(
    described: Described, original: Original, matrix: Matrix, tell: Tell
) -> tuple[list[Candidate], list[str]]:
    """Forms of the model, and why others are missing."""
    found: list[Candidate] = []
    reasons: list[str] = []
    leaves = 0
    if original.trees is not None:
        try:
            whole, columns = original.trees(matrix)
            leaves = whole.leaves
            tell(f"read {len(whole.starts):,} trees with {leaves:,} leaves")
            splits = fold(whole, columns, described.features)
            text = lightgbm_text.text(whole, splits, described.names)
            bounds = _at_bounds(described, matrix, whole, splits)
            by = f"treelite {treelite.__version__}, LightGBM {lightgbm.__version__}"
            engine = LightGBM(text, described.features)
            found.append(Candidate("lightgbm-text", by, text, engine, bounds, original.tolerance))
        except NotTrees as error:
            reasons.append(f"as lightgbm-text: {error}")
    if original.estimator is not None and leaves <= _MOST_GRAPH_LEAVES:
        try:
            data, form = graphs.convert(original.estimator, described.features, described.takes_values)
            by = f"skl2onnx {skl2onnx.__version__}, ONNX Runtime {onnxruntime.__version__}"
            engine_ = Onnx(data, form, described.features)
            tolerance = max(original.tolerance, originals.GRAPH_SINGLE)
            found.append(Candidate("onnx", by, data, engine_, matrix[:0], tolerance, form))
        except Refusal as refusal:
            reasons.append(f"as onnx: {refusal.what}")
    return found, reasons


def _at_bounds(described: Described, matrix: Matrix, whole: Ensemble, splits: Splits) -> Matrix:
    numeric = (whole.left >= 0) & (splits.fixed == 0)
    numeric[list(splits.codes)] = False
    return rows.at_bounds(described.features, matrix, splits.feature[numeric], splits.threshold[numeric])


def _check(described: Described, original: Original, candidate: Candidate, checked: Checked) -> float:
    """The largest difference from the original. Raises Refusal when it is above the tolerance."""
    matrix = np.vstack([checked.matrix, candidate.bounds])
    # not all libraries take a matrix without rows
    at_bounds = original.predict(candidate.bounds) if len(candidate.bounds) else np.empty(0)
    expected = np.append(checked.predictions, at_bounds)
    tolerance = _tolerance(described, candidate.tolerance, checked)
    found = candidate.engine.predict(matrix)
    names = (candidate.format, original.library)
    _must_agree(found, expected, tolerance, names, len(matrix) - len(candidate.bounds) - checked.made)
    # serving asks for single rows by another call
    first = matrix[:_SINGLE]
    singly = [candidate.engine.predict_one(np.ascontiguousarray(first[n : n + 1])) for n in range(len(first))]
    _must_agree(np.array(singly), expected[: len(first)], tolerance, names, len(first))
    return float(np.abs(found - expected).max())


def _must_agree(found: Vector, expected: Vector, tolerance: float, names: tuple[str, str], held_out: int) -> None:
    """Raise Refusal naming the worst rows. NaN on both sides agrees; rows from `held_out` on were not held out."""
    apart = np.where(np.isnan(found) & np.isnan(expected), 0.0, np.abs(found - expected))
    apart = np.where(np.isnan(apart), np.inf, apart)
    wrong = np.flatnonzero(apart > tolerance)
    if not len(wrong):
        return
    worst = wrong[np.argsort(-apart[wrong], kind="stable")][:_SHOWN].tolist()
    lines = [
        f"  {f'held-out row {n + 1}' if n < held_out else f'made row {n + 1 - held_out}'}: "
        f"{names[0]} {float(found[n])!r}, {names[1]} {float(expected[n])!r}"
        for n in worst
    ]
    first = ", ".join(f"{n + 1:,}" for n in wrong[:_SHOWN].tolist())
    raise Refusal(
        f"{names[0]} and {names[1]} differ by more than {tolerance:g} on {len(wrong):,} of {len(found):,} rows "
        f"(first {first}), by at most {apart.max():.3g}; the worst:\n" + "\n".join(lines),
        "write the folder again with predictions of the very model in it, or state a `tolerance` in metadata.json",
    )


def _tolerance(described: Described, least: float, checked: Checked) -> float:
    """What the metadata states, else `least`, in proportion to predictions above 1."""
    stated = described.document.get("tolerance")
    return least * checked.scale if stated is None else float(stated)


def _golden_row(described: Described, instance: dict[str, Any]) -> list[float]:
    try:
        return rows.encode(described.features, instance)
    except KeyError as error:
        raise Refusal(f"a golden request lacks {error}", "write all features into each of `golden`") from error


def _golden(described: Described, checked: Checked) -> list[dict[str, Any]]:
    real = len(checked.matrix) - checked.made
    picked = np.unique(np.linspace(0, real - 1, _GOLDEN).astype(int)).tolist()
    return [
        {
            "instance": rows.decode(described.features, checked.matrix[n]),
            "prediction": float(checked.predictions[n]),
        }
        for n in picked
    ]
