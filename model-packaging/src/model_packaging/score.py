"""`score`: two versions on the same held-out rows, and how long each takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model_packaging import rows
from model_packaging.engines import Engine, GraphForm, LightGBM, Onnx, microseconds
from model_packaging.refusal import Refusal
from model_packaging.schema import Described, Matrix, describe

_THOUSAND = 1000
_TIMED_SECONDS = 0.7


def score(job: dict[str, Any], tell: Callable[[str], None]) -> dict[str, Any]:
    """The rows that fit both schemas, both versions' predictions for them, labels, times. Raises Refusal.

    `from_a` rows are the first version's, the rest the second's that the first does not have; `both` says of each row
    whether both held it out.
    """
    both = [describe(Path(job[side])) for side in ("a", "b")]
    engines = [_engine(described) for described in both]
    kept: list[tuple[dict[str, Any], float]] = []
    matrices: tuple[list[list[float]], list[list[float]]] = ([], [])
    seen: dict[tuple[tuple[str, Any], ...], int] = {}  # which row of `kept` it is, −1 for none
    both_have, from_a, left_out = set[int](), 0, 0
    for n, described in enumerate(both):
        for where, instance, _, label in rows.read_instances(described) or ():
            key = tuple(sorted(instance.items()))
            if key in seen:
                both_have |= {seen[key]} if n == 1 and seen[key] < from_a else set()
                continue
            seen[key] = -1
            try:
                codes = [rows.encode(other.features, instance, where) for other in both]
            except (KeyError, Refusal):  # a feature that only one has, or a value that one does not take
                left_out += 1
                continue
            seen[key] = len(kept)
            kept.append((instance, label))
            for matrix, row in zip(matrices, codes, strict=True):
                matrix.append(row)
        from_a = len(kept) if n == 0 else from_a
    if not kept:
        raise Refusal("there are no held-out rows that fit both schemas", "publish with a holdout.csv")
    tell(f"scoring {len(kept):,} held-out rows by both")
    a, b = (np.array(matrix) for matrix in matrices)
    return {
        "rows": [{name: rows.as_written(value) for name, value in instance.items()} for instance, _ in kept],
        "labels": [None if np.isnan(label) else label for _, label in kept],
        "a": engines[0].predict(a).tolist(),
        "b": engines[1].predict(b).tolist(),
        "both": [n in both_have for n in range(len(kept))],
        "from_a": from_a,
        "left_out": left_out,
        "latency": _latency(engines, (a, b)),
    }


def _engine(described: Described) -> Engine:
    if described.format == "lightgbm-text":
        return LightGBM(described.model_path.read_bytes(), described.features)
    if described.format == "onnx":
        entry = described.document["onnx"]
        form = GraphForm(entry.get("input", "codes"), entry["output"], entry.get("column"))
        return Onnx(described.model_path.read_bytes(), form, described.features)
    raise Refusal(f"a {described.format} model is not loaded for a comparison", "compare the metrics")


def _latency(engines: Sequence[Engine], matrices: Sequence[Matrix]) -> list[dict[str, float]]:
    one = [np.ascontiguousarray(matrix[:1]) for matrix in matrices]
    thousand = [np.ascontiguousarray(np.resize(matrix, (_THOUSAND, matrix.shape[1]))) for matrix in matrices]
    pairs = list(zip(engines, one, thousand, strict=True))
    singly = microseconds([lambda e=e, m=m: e.predict_one(m) for e, m, _ in pairs], _TIMED_SECONDS)  # type: ignore[misc]
    together = microseconds([lambda e=e, m=m: e.predict(m) for e, _, m in pairs], _TIMED_SECONDS)  # type: ignore[misc]
    return [{"one_row": s, "thousand_rows": t} for s, t in zip(singly, together, strict=True)]
