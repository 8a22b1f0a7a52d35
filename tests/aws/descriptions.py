"""The example's own description, and changes of it."""

from pathlib import Path
from typing import Any

from shipway.core.description.app import App
from shipway.description.reader import parse

ROOT = Path(__file__).parents[2]
_EXAMPLE: list[App] = []


def ontime(**rollout: Any) -> App:
    """shipway.yaml of this repository; `rollout` changes prod's policy."""
    if not _EXAMPLE:
        _EXAMPLE.append(parse((ROOT / "shipway.yaml").read_bytes()))
    app = _EXAMPLE[0]
    if not rollout:
        return app
    prod = app.environments["prod"]
    changed = prod.model_copy(update={"rollout": prod.rollout.model_copy(update=rollout)})
    return app.model_copy(update={"environments": {**app.environments, "prod": changed}})
