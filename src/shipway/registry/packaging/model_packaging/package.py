"""`package`: a folder's model in the fastest form that is faithful to it, with the proof."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import onnxruntime
import skl2onnx
import treelite

from model_packaging import graphs, lightgbm_text, originals, rows, special
from model_packaging.columns import rounded
from model_packaging.engines import Engine, GraphForm, LightGBM, Onnx, microseconds
from model_packaging.fold import Splits, fold
from model_packaging.originals import Original
from model_packaging.refusal import Refusal
from model_packaging.rows import Holdout
from model_packaging.schema import FAR, Described, Feature, Matrix, Vector, describe
from model_packaging.special import Spans
from model_packaging.trees import Ensemble, Flags, NotTrees

Tell = Callable[[str], None]

_DRAWN, _DRAWN_BESIDE = 2_000, 500
_GOLDEN = 20
_SHOWN = 5
_LONGEST = 500
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
class Read:
    """The model as trees, their splits on the features; `why` says of a model without them why."""

    whole: Ensemble | None
    splits: Splits | None
    why: str = ""

    def spans(self, features: Sequence[Feature]) -> Spans:
        """From each number's lowest threshold to its highest one."""
        found: Spans = [None] * len(features)
        if self.whole is not None and self.splits is not None:
            numeric = _numeric(self.whole, self.splits)
            feature, threshold = self.splits.feature[numeric], self.splits.threshold[numeric]
            usual = np.abs(threshold) < FAR
            for position in np.unique(feature[usual]).tolist():
                of_it = threshold[usual & (feature == position)]
                found[position] = float(of_it.min()), float(of_it.max())
        return found


@dataclass(frozen=True)
class Checked:
    """The rows that every form is checked on, with what the original says to them; `made` of them at the end."""

    matrix: Matrix
    predictions: Vector
    name: str
    made: int

    @property
    def real(self) -> int:
        """How many are held out, drawn or golden, rather than made to be hard."""
        return len(self.matrix) - self.made

    @property
    def scale(self) -> float:
        """The largest prediction for the rows that are real, at least 1: what a relative error is relative to."""
        return max(1.0, float(np.abs(self.predictions[: self.real]).max()))


def package(job: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """The job's answer: metadata to add, and whether `work`/converted holds a new model file. Raises Refusal."""
    described = describe(Path(job["folder"]))
    original = originals.load(described)
    held_out = rows.read_holdout(described)
    known = held_out.matrix if held_out is not None and len(held_out.matrix) else None
    rough = rows.drawn(described.features, original.spans(described.features), _DRAWN) if known is None else known
    read = _read(described, original, rough)
    if original.note:
        tell(original.note)
    checked = _checked(described, original, held_out, _spans(described, original, read), tell)
    answer: dict[str, Any] = {}
    if not described.document.get("golden"):
        answer["golden"] = _golden(described, checked)
        tell(f"made {len(answer['golden'])} golden requests of {checked.name}")
    if described.format == "lightgbm-text":
        return answer | _lightgbm(described, original, read, checked, Path(job["work"]), tell)
    answer["tolerance"] = _tolerance(described, original.tolerance, checked)
    if described.format == "onnx":
        form = graphs.check(described.model_path.read_bytes(), described.features, described.document.get("onnx"))
        return answer | {"onnx": vars(form)}
    try:
        return answer | _converted(described, original, read, checked, Path(job["work"]), tell)
    except Refusal as refusal:
        # the service has no categories of pandas to give
        if not (job["keep_native"] and described.format == "sklearn-pickle") or original.own_categories:
            raise
        tell("kept as it is, a pickle")
        return answer | {"native": {"library": original.library, "why": refusal.what}}


def _read(described: Described, original: Original, matrix: Matrix) -> Read:
    if original.trees is None:
        return Read(None, None)
    whole = None
    try:
        whole, columns = original.trees(matrix)
        return Read(whole, fold(whole, columns, described.features))
    except NotTrees as error:
        return Read(whole, None, f"as lightgbm-text: {error}")


def _spans(described: Described, original: Original, read: Read) -> Spans:
    """The ranges that the model was fitted to: by its splits, else by its first steps."""
    by_splits, by_steps = read.spans(described.features), original.spans(described.features)
    return [split or step for split, step in zip(by_splits, by_steps, strict=True)]


def _lightgbm(
    described: Described, original: Original, read: Read, checked: Checked, work: Path, tell: Tell
) -> dict[str, Any]:
    """Nothing to add where the file says the same to a service, which gives it codes; else its conversion."""
    if not original.own_categories:
        return {}
    data = described.model_path.read_bytes()
    engine = LightGBM(data, described.features)
    bounds = _at_bounds(described, checked.matrix, read)
    try:
        _check(described, original, Candidate("lightgbm-text", "", data, engine, bounds, original.tolerance), checked)
    except Refusal:
        tell("the model numbers its categories in another way than feature_schema does: it is written anew")
        return _converted(described, original, read, checked, work, tell)
    return {}


def _checked(
    described: Described, original: Original, held_out: Holdout | None, spans: Spans, tell: Tell
) -> Checked:
    """Score the rows by the original; what was recorded must come out again. Raises Refusal."""
    features = described.features
    golden = described.document.get("golden") or []
    recorded = [float(entry["prediction"]) for entry in golden]
    asked = [_golden_row(described, entry["instance"]) for entry in golden]
    if held_out is not None and len(held_out.matrix):
        matrix, name = held_out.matrix, f"{len(held_out.matrix):,} held-out rows"
        known = np.append(held_out.predictions, recorded)
    else:
        matrix = rows.drawn(features, spans, _DRAWN)
        name = f"{_DRAWN:,} rows drawn from the schema (the folder has no held-out rows)"
        known = np.append(np.full(_DRAWN, np.nan), recorded)
    matrix = np.vstack([matrix, np.array(asked).reshape(len(asked), len(features))])
    numbers = np.append(special.usual_numbers(), original.numbers)
    hard = np.vstack(
        [
            rows.one_missing(features, matrix),
            rows.each_category(features, matrix),
            rows.special(features, matrix, numbers),
            rows.drawn(features, spans, _DRAWN_BESIDE, seed=1),
        ]
    )
    predictions = original.predict(matrix)
    if not np.all(np.isfinite(predictions)):
        raise Refusal("the model predicts what is no finite number", "mend the model")
    # far out, an exponential has no finite answer: there is nothing to compare
    beside = original.predict(hard)
    hard, beside = hard[np.isfinite(beside)], beside[np.isfinite(beside)]
    checked = Checked(np.vstack([matrix, hard]), np.append(predictions, beside), name, len(hard))
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


def _converted(
    described: Described, original: Original, read: Read, checked: Checked, work: Path, tell: Tell
) -> dict[str, Any]:
    """The fastest candidate that agrees, written to `work`/converted. Raises Refusal when none does."""
    found, reasons = _candidates(described, original, read, checked, tell)
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
            "rows": checked.real,
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
    described: Described, original: Original, read: Read, checked: Checked, tell: Tell
) -> tuple[list[Candidate], list[str]]:
    """Forms of the model, and why others are missing."""
    found: list[Candidate] = []
    reasons: list[str] = [read.why] if read.why else []
    leaves = 0 if read.whole is None else read.whole.leaves
    bounds = _at_bounds(described, checked.matrix, read)
    if read.whole is not None:
        tell(f"read {len(read.whole.starts):,} trees with {leaves:,} leaves")
    if read.whole is not None and read.splits is not None:
        try:
            text = lightgbm_text.text(read.whole, read.splits, described.names)
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
            found.append(Candidate("onnx", by, data, engine_, bounds, tolerance, form))
        except Refusal as refusal:
            reasons.append(f"as onnx: {refusal.what}")
    return found, reasons


def _at_bounds(described: Described, matrix: Matrix, read: Read) -> Matrix:
    if read.whole is None or read.splits is None:
        return matrix[:0]
    numeric = _numeric(read.whole, read.splits)
    return rows.at_bounds(described.features, matrix, read.splits.feature[numeric], read.splits.threshold[numeric])


def _numeric(whole: Ensemble, splits: Splits) -> Flags:
    """The nodes that split a number."""
    numeric = (whole.left >= 0) & (splits.fixed == 0)
    numeric[list(splits.codes)] = False
    return numeric


def _check(described: Described, original: Original, candidate: Candidate, checked: Checked) -> float:
    """The largest difference from the original. Raises Refusal when it is above the tolerance.

    A made row may lie far out, where a regressor's prediction is large: the tolerance grows with it.
    """
    matrix = np.vstack([checked.matrix, candidate.bounds])
    # not all libraries take a matrix without rows
    at_bounds = original.predict(candidate.bounds) if len(candidate.bounds) else np.empty(0)
    expected = np.append(checked.predictions, at_bounds)
    tolerance = _tolerance(described, candidate.tolerance, checked)
    allowed = tolerance * np.maximum(1.0, np.abs(expected) / checked.scale)
    found = candidate.engine.predict(matrix)
    names = (candidate.format, original.library)
    try:
        _must_agree(found, expected, allowed, names, checked.real)
        # serving asks for single rows by another call
        first = matrix[:_SINGLE]
        singly = [candidate.engine.predict_one(np.ascontiguousarray(first[n : n + 1])) for n in range(len(first))]
        _must_agree(np.array(singly), expected[: len(first)], allowed[: len(first)], names, len(first))
    except Refusal as refusal:
        raise _told(refusal, described, original, candidate, matrix, (found, expected, allowed)) from None
    return float(np.abs(found - expected)[np.abs(expected) <= checked.scale].max())


def _told(
    refusal: Refusal,
    described: Described,
    original: Original,
    candidate: Candidate,
    matrix: Matrix,
    said: tuple[Vector, Vector, Vector],
) -> Refusal:
    """The refusal, with the worst row as a request and the features that single precision is too coarse for."""
    found, expected, allowed = said
    apart = np.abs(found - expected)
    worst = int(np.argmax(np.where(np.isnan(apart), np.inf, apart) / allowed))
    lines = [f"the worst row: {json.dumps(rows.decode(described.features, matrix[worst]), ensure_ascii=False)[:_LONGEST]}"]
    coarse = _too_coarse(described, original, matrix, expected, allowed) if candidate.format == "onnx" else []
    if coarse:
        lines.append(f"a graph takes single precision, which alone costs more than the tolerance: {'; '.join(coarse)}")
    return Refusal("\n".join([refusal.what, *lines]), refusal.fix)


def _too_coarse(
    described: Described, original: Original, matrix: Matrix, expected: Vector, allowed: Vector
) -> list[str]:
    """Features that the original itself answers otherwise for once they are rounded to floats, with an example."""
    told = []
    for position, feature in enumerate(described.features):
        if feature.is_category:
            continue
        varied = matrix.copy()
        varied[:, position] = rounded(matrix[:, position])
        apart = np.abs(original.predict(varied) - expected) / allowed
        worst = int(np.nanargmax(apart)) if not np.all(np.isnan(apart)) else 0
        if apart[worst] > 1:
            told.append(f"{feature.name} {matrix[worst, position]!s} becomes {varied[worst, position]!s}")
    return told


def _must_agree(
    found: Vector, expected: Vector, allowed: float | Vector, names: tuple[str, str], held_out: int
) -> None:
    """Raise Refusal naming the worst rows. NaN on both sides agrees; rows from `held_out` on were not held out."""
    tolerance = float(np.min(allowed))
    apart = np.where(np.isnan(found) & np.isnan(expected), 0.0, np.abs(found - expected))
    apart = np.where(np.isnan(apart), np.inf, apart)
    wrong = np.flatnonzero(apart > allowed)
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
    picked = np.unique(np.linspace(0, checked.real - 1, _GOLDEN).astype(int)).tolist()
    return [
        {
            "instance": rows.decode(described.features, checked.matrix[n]),
            "prediction": float(checked.predictions[n]),
        }
        for n in picked
    ]
