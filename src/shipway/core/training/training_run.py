"""What a training has come to: the record of a run of the kind `train`, beside its `Run`."""

from __future__ import annotations

from dataclasses import dataclass

from shipway.core.training.champion import Decision
from shipway.core.training.evidence import Evidence
from shipway.core.training.steps import StepDone
from shipway.core.training.windows import Window


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """`begin` and `end` are the months that were asked for; `window` is what they came to.

    `champion` is the version that it is compared with, `version` the one that came of it. What is None is not known yet.
    """

    id: str
    begin: str | None = None
    end: str | None = None
    window: Window | None = None
    champion: str | None = None
    artifact: str = ""
    steps: tuple[StepDone, ...] = ()
    found: Evidence | None = None
    decision: Decision | None = None
    version: str | None = None
