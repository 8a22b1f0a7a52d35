"""BentoML: the same service with a sync endpoint (run in a thread) and with an async one; no access log, no metrics."""

from __future__ import annotations

from typing import Any

import bentoml
from scoring import Scorer

_LEAN = {
    "workers": 1,
    "traffic": {"timeout": 120},
    "metrics": {"enabled": False},
    "tracing": {"sample_rate": 0.0},
    "logging": {"access": {"enabled": False}},
}


@bentoml.service(**_LEAN)
class Sync:
    """As in BentoML's quickstart."""

    def __init__(self) -> None:
        self._scorer = Scorer()

    @bentoml.api
    def predict(self, instances: list[dict[str, Any]]) -> dict[str, Any]:
        return {"predictions": self._scorer.predict(instances)}


@bentoml.service(**_LEAN)
class Async:
    """On the event loop: no thread in between."""

    def __init__(self) -> None:
        self._scorer = Scorer()

    @bentoml.api
    async def predict(self, instances: list[dict[str, Any]]) -> dict[str, Any]:
        return {"predictions": self._scorer.predict(instances)}
