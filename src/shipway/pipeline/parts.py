"""What the pipeline works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shipway.core.description.app import App
from shipway.core.ports import (
    Builder,
    FeatureHistory,
    FeatureStore,
    Models,
    Monitoring,
    Secrets,
    Source,
    Store,
    TrainingSteps,
)
from shipway.pipeline.rollouts import Rollouts


@dataclass(frozen=True)
class Parts:
    """What a run works with. `read_app` parses a committed description."""

    store: Store
    source: Source
    builder: Builder
    models: Models
    monitoring: Monitoring
    secrets: Secrets
    features: FeatureStore
    history: FeatureHistory
    training: TrainingSteps
    rollouts: Rollouts
    clock: Callable[[], float]
    read_app: Callable[[bytes], App]
    operator_app: Callable[[], App]
