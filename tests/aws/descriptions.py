"""Descriptions for tests: one of their own, and changes of it; and that of this repository."""

from functools import cache
from pathlib import Path
from typing import Any

from shipway.core.description.app import App
from shipway.description.reader import parse

HERE = Path(__file__).parent


@cache
def _own() -> App:
    return parse((HERE / "app.yaml").read_bytes())


@cache
def repositorys() -> App:
    """The example's, as it is committed."""
    return parse((HERE.parents[1] / "shipway.yaml").read_bytes())


def ontime(**rollout: Any) -> App:
    """Two services in dev and prod; `rollout` changes prod's policy."""
    app = _own()
    prod = app.environments["prod"]
    changed = prod.model_copy(update={"rollout": prod.rollout.model_copy(update=rollout)})
    return app.model_copy(update={"environments": {**app.environments, "prod": changed}})
