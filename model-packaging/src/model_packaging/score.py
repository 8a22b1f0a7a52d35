"""`score`: two versions on the same held-out rows: how good they are, how far they agree, and how long each takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_packaging import rows
from model_packaging.agreement import disagreement, distribution, ks_distance
from model_packaging.engines import Engine, GraphForm, LightGBM, Onnx, microseconds
from model_packaging.quality import quality
from model_packaging.refusal import Refusal
from model_packaging.schema import Described, Matrix, Vector, describe

_THOUSAND = 1000
_TIMED_SECONDS = 0.7
_FEWEST_FAIR = 200


@dataclass(frozen=True)
class _Compared:
    """The rows that fit both schemas, each different one once, and each version's matrix of them.

    `from_a` rows are the first version's, the rest the second's that the first does not have; `held_out_by_both` says
    so of each row; `left_out` rows do not fit one of the schemas. A label is NaN where it is not known.
    """

    instances: list[dict[str, Any]]
    labels: Vector
    matrices: tuple[Matrix, Matrix]
    held_out_by_both: NDArray[np.bool_]
    from_a: int
    left_out: int


def score(job: dict[str, Any], tell: Callable[[str], None]) -> dict[str, Any]:
    """The job's answer: `scores`, as `shipway model compare` shows them, and in `note` what to mind. Raises Refusal.

    Quality is judged on rows that neither version learned from; on all of them, and `note` says so, where those are
    too few. `threshold` of the job parts predictions into two decisions; None when nothing does.
    """
    versions = [describe(Path(job[side])) for side in ("a", "b")]
    engines = [_engine(described) for described in versions]
    compared = _compared(versions)
    count, fair = len(compared.instances), compared.held_out_by_both
    tell(f"scoring {count:,} held-out rows by both")
    a, b = (engine.predict(matrix) for engine, matrix in zip(engines, compared.matrices, strict=True))
    note = ""
    if fair.sum() < _FEWEST_FAIR:
        note = (
            f"only {fair.sum():,} rows were held out by both versions: either may have learned from rows that it is "
            "judged on here, which flatters it"
        )
    judged = np.full(count, True) if note else fair
    known = judged & ~np.isnan(compared.labels)
    figures = [
        {
            "predictions": distribution(predictions),
            "quality": quality(predictions[known], compared.labels[known]),
            "latency": latency,
        }
        for predictions, latency in zip((a, b), _latency(engines, compared.matrices), strict=True)
    ]
    scores = {
        "rows": {
            "count": count,
            "a": compared.from_a,
            "b": count - compared.from_a,
            "both": int(fair.sum()),
            "judged": int(judged.sum()),
            "left_out": compared.left_out,
        },
        "a": figures[0],
        "b": figures[1],
        "disagreement": disagreement(compared.instances, a, b, compared.labels, job["threshold"]),
        "ks_distance": ks_distance(a, b),
    }
    return {"scores": scores, "note": note}


def _compared(versions: Sequence[Described]) -> _Compared:
    kept: list[tuple[dict[str, Any], float]] = []
    matrices: tuple[list[list[float]], list[list[float]]] = ([], [])
    seen: dict[tuple[tuple[str, Any], ...], int] = {}  # which row of `kept` it is, −1 for none
    both_have, from_a, left_out = set[int](), 0, 0
    for n, described in enumerate(versions):
        for where, instance, _, label in rows.read_instances(described) or ():
            key = tuple(sorted(instance.items()))
            if key in seen:
                both_have |= {seen[key]} if n == 1 and seen[key] < from_a else set()
                continue
            seen[key] = -1
            try:
                codes = [rows.encode(other.features, instance, where) for other in versions]
            except (KeyError, Refusal):  # a feature that only one has, or a value that one does not take
                left_out += 1
                continue
            seen[key] = len(kept)
            kept.append(({name: rows.as_written(value) for name, value in instance.items()}, label))
            for matrix, row in zip(matrices, codes, strict=True):
                matrix.append(row)
        from_a = len(kept) if n == 0 else from_a
    if not kept:
        raise Refusal("there are no held-out rows that fit both schemas", "publish with a holdout.csv")
    return _Compared(
        [instance for instance, _ in kept],
        np.array([label for _, label in kept]),
        (np.array(matrices[0]), np.array(matrices[1])),
        np.isin(np.arange(len(kept)), list(both_have)),
        from_a,
        left_out,
    )


def _engine(described: Described) -> Engine:
    if described.format == "lightgbm-text":
        return LightGBM(described.model_path.read_bytes(), described.features)
    if described.format == "onnx":
        entry = described.document["onnx"]
        form = GraphForm(entry.get("input", "codes"), entry["output"], entry.get("column"))
        return Onnx(described.model_path.read_bytes(), form, described.features)
    raise Refusal(f"a {described.format} model is not loaded for a comparison", "compare the metrics")


def _latency(engines: Sequence[Engine], matrices: Sequence[Matrix]) -> list[dict[str, float]]:
    """Median microseconds of one call of the bare model, one thread."""
    one = [np.ascontiguousarray(matrix[:1]) for matrix in matrices]
    thousand = [np.ascontiguousarray(np.resize(matrix, (_THOUSAND, matrix.shape[1]))) for matrix in matrices]
    pairs = list(zip(engines, one, thousand, strict=True))
    singly = microseconds([lambda e=e, m=m: e.predict_one(m) for e, m, _ in pairs], _TIMED_SECONDS)  # type: ignore[misc]
    together = microseconds([lambda e=e, m=m: e.predict(m) for e, _, m in pairs], _TIMED_SECONDS)  # type: ignore[misc]
    return [{"one_row": s, "thousand_rows": t} for s, t in zip(singly, together, strict=True)]
