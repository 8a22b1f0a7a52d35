"""`package`: a folder's model in the fastest form that is faithful to it, with the proof."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import onnxruntime
import skl2onnx
import treelite

from model_packaging import (
    checking,
    conversion,
    graphs,
    lightgbm_text,
    originals,
    ranges,
    rows,
    special,
    tree_reading,
)
from model_packaging.checking import Candidate, Checked, Tell
from model_packaging.engines import LightGBM, Onnx, microseconds
from model_packaging.originals import Original
from model_packaging.refusal import Refusal
from model_packaging.schema import Described, describe
from model_packaging.tree_reading import TreeReading
from model_packaging.trees import NotTrees

_GOLDEN = 20
_TIMED_SECONDS = 0.5
# skl2onnx takes minutes for more leaves, and the graph was always slower than the text
_MOST_GRAPH_LEAVES = 20_000


def package(job: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """The job's answer: metadata to add, and whether `work`/converted holds a new model file. Raises Refusal."""
    described = describe(Path(job["folder"]))
    original = originals.load(described)
    described = replace(described, features=original.features or described.features)
    held_out = rows.read_holdout(described)
    by_steps = original.marks(described.features)
    if held_out is not None and len(held_out.matrix):
        read = tree_reading.read(original, described.features, held_out.matrix)
    else:
        read = tree_reading.read(original, described.features, rows.drawn(described.features, by_steps, checking.DRAWN))
    by_splits = read.marks(described.features)
    marks = [step if split is None else split for split, step in zip(by_splits, by_steps, strict=True)]
    if held_out is not None and len(held_out.matrix):
        marks = ranges.filled_from_rows(held_out.matrix, marks)
    else:
        marks = ranges.filled_by_asking(described.features, original.predict, marks)
    if original.note:
        tell(original.note)
    checked = checking.rows_to_check(described, original, held_out, marks, tell)
    answer: dict[str, Any] = {}
    if not described.document.get("golden"):
        answer["golden"] = _golden(described, checked)
        tell(f"made {len(answer['golden'])} golden requests of {checked.name}")
    if described.format == "lightgbm-text":
        return answer | _lightgbm(described, original, read, checked, Path(job["work"]), tell)
    answer["tolerance"] = checking.tolerance_of(described, original.tolerance, checked)
    if described.format == "onnx":
        data = described.model_path.read_bytes()
        form = graphs.check(data, described.features, described.document.get("onnx"))
        singles = graphs.single_inputs(data, described.features)
        if coarse := checking.too_large_for_floats(described, singles, checked):
            tell(f"the graph takes single precision: {'; '.join(coarse)}")
        return answer | {"onnx": vars(form)}
    try:
        return answer | _converted(described, original, read, checked, Path(job["work"]), tell)
    except Refusal as refusal:
        # a service gives no pandas categories
        if not (job["keep_native"] and described.format == "sklearn-pickle") or original.own is not None:
            raise
        tell("the pickle is kept as it is")
        return answer | {"native": {"library": original.library, "why": refusal.what}}


def _lightgbm(
    described: Described, original: Original, read: TreeReading, checked: Checked, work: Path, tell: Tell
) -> dict[str, Any]:
    """An empty answer where the file uses the schema's codes, as services do; else its conversion."""
    if original.uses_the_schemas_codes:
        data = described.model_path.read_bytes()
        engine, bounds = LightGBM(data, described.features), read.bounds(described.features, checked.matrix)
        as_it_is = Candidate("lightgbm-text", "", data, engine, bounds, original.tolerance)
        checking.check(described, original, as_it_is, checked)
        return {}
    tell("the model numbers its categories differently from feature_schema: it is written anew")
    return _converted(described, original, read, checked, work, tell)


def _converted(
    described: Described, original: Original, read: TreeReading, checked: Checked, work: Path, tell: Tell
) -> dict[str, Any]:
    """The fastest candidate that agrees, written to `work`/converted. Raises Refusal when none does."""
    found, reasons = _candidates(described, original, read, checked, tell)
    tell(f"checking on {checked.name} and {checked.made:,} made to be hard")
    faithful: list[tuple[Candidate, float]] = []
    for candidate in found:
        try:
            apart = checking.check(described, original, candidate, checked)
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
    if chosen.format == "onnx" and special.has_thresholds(original.estimator):
        tell("a graph rounds to single precision: a number within about 1e-7 of a split or edge may count as beyond it")
    (work / "converted").write_bytes(chosen.data)
    answer: dict[str, Any] = {
        "tolerance": checking.tolerance_of(described, chosen.tolerance, checked),
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
            "tolerance": checking.tolerance_of(described, chosen.tolerance, checked),
            "one_row_microseconds": {
                "original": round(times[0], 2),
                **{c.format: round(t, 2) for (c, _), t in zip(faithful, times[1:], strict=True)},
            },
            "not_taken": [reason.splitlines()[0] for reason in reasons],
        },
    }
    return answer | ({"onnx": vars(chosen.form)} if chosen.form else {})


def _candidates(
    described: Described, original: Original, read: TreeReading, checked: Checked, tell: Tell
) -> tuple[list[Candidate], list[str]]:
    """Forms of the model, and why others are missing."""
    found: list[Candidate] = []
    reasons: list[str] = []
    leaves = 0 if read.whole is None else read.whole.leaves
    bounds = read.bounds(described.features, checked.matrix)
    if read.whole is not None:
        tell(f"read {len(read.whole.starts):,} trees with {leaves:,} leaves")
    try:
        text, by = _lightgbm_text(described, original, read)
        engine = LightGBM(text, described.features)
        found.append(Candidate("lightgbm-text", by, text, engine, bounds, original.tolerance))
    except NotTrees as error:
        reasons.append(f"as lightgbm-text: {error}")
    if original.estimator is not None and leaves <= _MOST_GRAPH_LEAVES:
        try:
            data, form = conversion.convert(original.estimator, described.features, described.takes_values)
            by = f"skl2onnx {skl2onnx.__version__}, ONNX Runtime {onnxruntime.__version__}"
            engine_ = Onnx(data, form, described.features)
            tolerance = max(original.tolerance, originals.GRAPH_SINGLE)
            found.append(Candidate("onnx", by, data, engine_, bounds, tolerance, form))
        except Refusal as refusal:
            reasons.append(f"as onnx: {refusal.what}")
    return found, reasons


def _lightgbm_text(described: Described, original: Original, read: TreeReading) -> tuple[bytes, str]:
    """The model as LightGBM text, and by what it was made. Raises NotTrees."""
    by = f"LightGBM {lightgbm.__version__}"
    if original.text is not None:
        try:
            return original.text(), by
        except NotTrees:
            if read.splits is None:
                raise
    if read.whole is None or read.splits is None:
        raise NotTrees(read.why)
    return lightgbm_text.text(read.whole, read.splits, described.names), f"treelite {treelite.__version__}, {by}"


def _golden(described: Described, checked: Checked) -> list[dict[str, Any]]:
    # the tolerance of golden requests is absolute: it fits predictions of the usual size
    usual = np.flatnonzero(np.abs(checked.predictions[: checked.real]) <= checked.scale)
    picked = usual[np.unique(np.linspace(0, len(usual) - 1, _GOLDEN).astype(int))].tolist()
    return [
        {
            "instance": rows.decode(described.features, checked.matrix[n]),
            "prediction": float(checked.predictions[n]),
        }
        for n in picked
    ]
