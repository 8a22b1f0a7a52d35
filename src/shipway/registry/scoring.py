"""Two versions on the same held-out rows, scored by the packaging program."""

from __future__ import annotations

from pathlib import Path

from shipway.core.errors import ShipwayError
from shipway.core.ports.telling import Tell
from shipway.registry import forms
from shipway.registry.comparison import Scores
from shipway.registry.metadata import Metadata
from shipway.registry.packer import Packer, work_folder

_SCORED = (forms.LIGHTGBM, forms.ONNX)
_USUAL_THRESHOLD = 0.5


def scored(
    packer: Packer | None, a: tuple[Path, Metadata], b: tuple[Path, Metadata], tell: Tell
) -> tuple[Scores | None, str]:
    """The scores of the versions in two folders, with a note: why there are none, or what to mind when reading them."""
    for folder, described in (a, b):
        if described.model_format not in _SCORED:
            return None, f"{folder.name} is a {described.model_format} model, which is not loaded for a comparison"
    if a[1].holdout is None and b[1].holdout is None:
        return None, "neither version has held-out rows to compare them on"
    if packer is None:
        return None, "the versions were not scored: this registry keeps files and loads no models"
    job = {"command": "score", "a": str(a[0]), "b": str(b[0]), "threshold": threshold(a[1])}
    try:
        with work_folder() as work:
            answer = packer.run(job, work, tell)
    except ShipwayError as error:  # the rest of the comparison needs no program
        return None, f"the versions were not scored: {error.what}"
    return answer["scores"], answer["note"]


def threshold(described: Metadata) -> float | None:
    """From which prediction on a version decides yes: as its schema says, else 0.5 for probabilities, else None."""
    stated = described.feature_schema.output.get("threshold")
    if isinstance(stated, int | float):
        return float(stated)
    return _USUAL_THRESHOLD if all(0 <= golden.prediction <= 1 for golden in described.golden) else None
