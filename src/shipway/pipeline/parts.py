"""What the pipeline works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shipway.core.description.app import App
from shipway.core.ports.building import Builder, Bundles, Source
from shipway.core.ports.learning import FeatureHistory, FeatureStore, Monitoring, Reports, TrainingSteps
from shipway.core.ports.models import Models
from shipway.core.ports.state import Secrets, Store
from shipway.core.releases.release import Release
from shipway.pipeline.offerings import Offerings
from shipway.pipeline.rollouts import Rollouts


@dataclass(frozen=True)
class Parts:
    """What a run works with. `read_app` parses a committed description."""

    store: Store
    source: Source
    builder: Builder
    models: Models
    monitoring: Monitoring
    reports: Reports
    secrets: Secrets
    features: FeatureStore
    history: FeatureHistory
    training: TrainingSteps
    bundles: Bundles
    offerings: Offerings
    rollouts: Rollouts
    clock: Callable[[], float]
    read_app: Callable[[bytes], App]
    operator_app: Callable[[], App]

    def serving(self, environment: str) -> Release | None:
        """The newest release that was let in there; where it is equal to the one before, that one's tasks answer."""
        record = self.rollouts.record_of(environment)
        return self.store.get(Release, record.described_by or record.stable or "")
