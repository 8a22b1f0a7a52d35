"""`read`: whether the model server would serve a finished version, found out by its own code, under its own lock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ml_model_service.check import why_not
from model_packaging.refusal import would_not_serve


def read(job: dict[str, Any]) -> dict[str, Any]:
    """Nothing to add. Raises Refusal, with what the server says, for a version that it would not serve."""
    why = why_not(Path(job["folder"]), pickles=job["pickles"])
    if why is not None:
        raise would_not_serve(why)
    return {}
