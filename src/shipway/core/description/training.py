"""`model.training` of shipway.yaml: how a model is trained anew, and when the new one may take the old one's place."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, ValidationInfo, model_validator

from shipway.core.description.command_line import mistakes
from shipway.core.description.folders import include_mistakes
from shipway.core.description.values import Name, Percent, Seconds, Strict, was_stored

Facet = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}=[^\x00-\x1f]{1,900}$")]


class ModelGate(Strict):
    """When a new model is as good as it must be. Every figure has a default."""

    min_labels: int = Field(default=1000, ge=2, description="fewer labelled rows decide nothing")
    min_days: int = Field(default=14, ge=2, description="fewer days of them decide nothing")
    max_calibration_error: Percent = Field(default=10.0, description="distance of predictions and outcomes, in points")
    max_calibration_increase: Percent = Field(default=2.0, description="points above the champion's")
    max_bias: dict[str, float] = Field(
        default={}, description="metric → how far from no bias it may be, whichever side: DPPL, AD, RD …; DI from 1"
    )
    max_latency_ratio: float = Field(default=3.0, ge=1, description="times the champion's time for one row")


class Training(Strict):
    """The program that trains the model, what it learns from, and the gate that its models pass."""

    path: str = Field(default="training", description="folder of the program, from the folder of shipway.yaml")
    include: tuple[str, ...] = Field(default=(), description="other folders that links in the program's lead into")
    command: str = Field(default="python -m training.container", description="runs the step whose name it is given")
    lock: str = Field(default="requirements.lock", description="hashed lock file in the folder")
    data: Name = Field(default="training-data-bucket", description="bucket of the data: TABLE/yyyy-mm/…")
    tables: tuple[Name, ...] = Field(min_length=1, max_length=100, description="tables that `prepare` reads")
    months: int | None = Field(default=None, ge=1, le=1200, description="trained on; default: all there are")
    parameters: dict[str, str | int | float] = Field(default={}, description="hyperparameters of the step `train`")
    facets: tuple[Facet, ...] = Field(default=(), max_length=20, description="groups that `bias` looks at")
    step_timeout: Seconds = Field(default=3600.0, description="how long one step may take")
    gate: ModelGate = ModelGate()

    @model_validator(mode="after")
    def _whole(self, info: ValidationInfo) -> Self:
        if was_stored(info):
            return self
        bad = list(include_mistakes(self.path, self.include))
        bad += [f"command: {mistake}" for mistake in mistakes(self.command, filled=False)]
        if bad:
            raise ValueError("\n".join(bad))
        return self
