"""Two versions' predictions for the same held-out rows, judged."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from shipway.core.errors import ShipwayError
from shipway.core.ports import Tell
from shipway.registry import forms
from shipway.registry.agreement import disagreement, distribution, ks_distance
from shipway.registry.comparison import Scored, Scores
from shipway.registry.metadata import Metadata
from shipway.registry.packer import Packer, work_folder
from shipway.registry.quality import quality

_SCORED = (forms.LIGHTGBM, forms.ONNX)
_USUAL_THRESHOLD = 0.5
_FEWEST_FAIR = 200


def scored(
    packer: Packer | None, a: tuple[Path, Metadata], b: tuple[Path, Metadata], tell: Tell
) -> tuple[Scores | None, str]:
    """The scores of the versions in two folders, and why there are none or what to mind."""
    for folder, described in (a, b):
        if described.model_format not in _SCORED:
            return None, f"{folder.name} is a {described.model_format} model, which is not loaded for a comparison"
    if a[1].holdout is None and b[1].holdout is None:
        return None, "neither version has held-out rows to compare them on"
    if packer is None:
        return None, "the versions were not scored: this registry keeps files and loads no models"
    try:
        with work_folder() as work:
            answer = packer.run({"command": "score", "a": str(a[0]), "b": str(b[0])}, work, tell)
    except ShipwayError as error:  # the rest of the comparison needs no program
        return None, f"the versions were not scored: {error.what}"
    return _judged(answer, threshold(a[1]))


def threshold(described: Metadata) -> float | None:
    """What parts a version's predictions into two decisions: the schema says it, or they are probabilities."""
    stated = described.feature_schema.output.get("threshold")
    if isinstance(stated, int | float):
        return float(stated)
    return _USUAL_THRESHOLD if all(0 <= golden.prediction <= 1 for golden in described.golden) else None


def _judged(answer: dict[str, Any], parting: float | None) -> tuple[Scores, str]:
    rows, labels = answer["rows"], answer["labels"]
    fair = [n for n, both in enumerate(answer["both"]) if both]
    note = ""
    if len(fair) < _FEWEST_FAIR:
        note = (
            f"only {len(fair):,} rows were held out by both versions: either may have learned from rows that it is "
            "judged on here, which flatters it"
        )
    judged = range(len(rows)) if note else fair
    scores: Scores = {
        "rows": {
            "count": len(rows),
            "a": answer["from_a"],
            "b": len(rows) - answer["from_a"],
            "both": len(fair),
            "judged": len(judged),
            "left_out": answer["left_out"],
        },
        "a": _scored(answer["a"], labels, judged, answer["latency"][0]),
        "b": _scored(answer["b"], labels, judged, answer["latency"][1]),
        "disagreement": disagreement(rows, answer["a"], answer["b"], labels, parting),
        "ks_distance": ks_distance(answer["a"], answer["b"]),
    }
    return scores, note


def _scored(
    predictions: list[float], labels: list[float | None], judged: Iterable[int], latency: dict[str, float]
) -> Scored:
    known = [(predictions[n], label) for n in judged if (label := labels[n]) is not None]
    return {
        "predictions": distribution(predictions),
        "quality": quality([p for p, _ in known], [y for _, y in known]),
        "latency": {"one_row": latency["one_row"], "thousand_rows": latency["thousand_rows"]},
    }
