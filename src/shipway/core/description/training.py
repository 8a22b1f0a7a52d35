"""`model.training` of shipway.yaml: how a model is trained anew, and when the new one may take the old one's place."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from shipway.core.description.command_line import mistakes
from shipway.core.description.folders import include_mistakes
from shipway.core.description.values import Days, Name, Percent, Seconds, Strict, was_stored

Facet = Annotated[
    str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}(=[^\x00-\x1f]{1,900}|>-?[0-9]{1,15}(\.[0-9]{1,9})?)$")
]
Parameter = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
BIAS_METRICS = (
    *("CI", "DPL", "KL", "JS", "LP", "TVD", "KS", "CDDL"),
    *("DPPL", "DI", "DCA", "DCR", "RD", "SD", "DAR", "DRR", "AD", "CDDPL", "TE", "FT", "GE"),
)
"""Clarify's, of labels and of predictions."""
MOST_TRIALS, MOST_JOBS = 10_000, 64
"""Of a search for parameters."""


class ModelGate(Strict):
    """When a new model is as good as it must be. Every figure has a default."""

    min_labels: int = Field(default=1000, ge=2, description="fewer labelled rows decide nothing")
    min_improvement: float = Field(
        default=0.0003,
        ge=0,
        le=1,
        description="how much better the Brier score must surely be: another seed is no reason",
    )
    min_days: int = Field(default=14, ge=2, description="fewer days of them decide nothing")
    max_calibration_error: Percent = Field(default=10.0, description="distance of predictions and outcomes, in points")
    max_calibration_increase: Percent = Field(default=2.0, description="points above the champion's")
    max_bias: dict[str, float] = Field(
        default={}, description="metric → how far from no bias it may be, whichever side: DPPL, AD, RD …; DI from 1"
    )
    max_latency_ratio: float = Field(default=3.0, ge=1, description="times the champion's time for one row")

    @field_validator("max_bias")
    @classmethod
    def _metrics(cls, given: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        for name, limit in {} if was_stored(info) else given.items():
            if name not in BIAS_METRICS:
                raise ValueError(f"{name} is no metric of bias; allowed are {', '.join(BIAS_METRICS)}")
            if not 0 <= limit < math.inf:
                raise ValueError(f"{name}: {limit:g} is no limit; allowed is 0 or more")
        return given


class Varied(Strict):
    """The values that a search may try, both ends among them."""

    min: int | float = Field(description="least value")
    max: int | float = Field(description="greatest value, above the least")
    log: bool = Field(default=False, description="as likely by the logarithm; the least value is above 0")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not -math.inf < self.min < self.max < math.inf:
            raise ValueError("max must be above min")
        if self.log and self.min <= 0:
            raise ValueError("log: min must be above 0")
        return self


class Tuning(Strict):
    """A search for better parameters before each training, or where `shipway train --tune` asks for one."""

    space: dict[Parameter, Varied] = Field(min_length=1, max_length=20, description="hyperparameter → what to try")
    trials: int = Field(
        default=0, ge=0, le=MOST_TRIALS, description="of each training; 0: only by `shipway train --tune`"
    )
    months: int = Field(default=3, ge=1, le=24, description="newest months learned from that trials are judged by")
    jobs: int = Field(
        default=1, ge=1, le=MOST_JOBS, description="trials at a time; with more than 1 it cannot be repeated"
    )
    seed: int = Field(default=2013, ge=0, le=2**31 - 1, description="of the search")
    timeout: Seconds = Field(default=6 * 3600.0, description="how long the step may take")


class Probation(Strict):
    """How a promotion of a version that a training made is watched by its labels, and what takes it back."""

    environments: tuple[Name, ...] = Field(default=(), description="where promotions are on probation")
    days: int = Field(default=21, ge=2, le=366, description="days with labels after which it is decided")
    every: Seconds = Field(default=3600.0, ge=1, description="from one look at the labels to the next")
    hold_timeout: Days = Field(default=60 * 86400.0, ge=60, description="how long labels may be lacking")
    on_timeout: Literal["rollback", "promote"] = Field(default="rollback", description="what happens then")


class Training(Strict):
    """The program that trains the model, what it learns from, and the gate that its models pass."""

    path: str = Field(default="training", description="folder of the program, from the folder of shipway.yaml")
    include: tuple[str, ...] = Field(default=(), description="other folders that links in the program's lead into")
    command: str = Field(default="python -m training.container", description="runs the step whose name it is given")
    lock: str = Field(default="requirements.lock", description="hashed lock file in the folder")
    run_in: Literal["process", "container"] = Field(default="process", description="what a step is on this machine")
    data: Name = Field(default="training-data-bucket", description="bucket of the data: TABLE/yyyy-mm/…")
    tables: tuple[Name, ...] = Field(min_length=1, max_length=100, description="tables that `prepare` reads")
    months: int | None = Field(default=None, ge=1, le=1200, description="trained on; default: all there are")
    parameters: dict[str, str | int | float] = Field(default={}, description="hyperparameters of the step `train`")
    facets: tuple[Facet, ...] = Field(default=(), max_length=20, description="groups that `bias` looks at")
    group_variable: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$",
        description="column that CDDL and CDDPL are conditioned on",
    )
    tuning: Tuning | None = Field(default=None, description="default: no search")
    step_timeout: Seconds = Field(default=3600.0, description="how long one step may take; `tune` has its own")
    gate: ModelGate = ModelGate()
    approval: Literal["person", "automatic"] = Field(default="person", description="of what the gate promotes")
    probation: Probation = Probation()

    @model_validator(mode="after")
    def _whole(self, info: ValidationInfo) -> Self:
        if was_stored(info):
            return self
        bad = list(include_mistakes(self.path, self.include))
        bad += [f"command: {mistake}" for mistake in mistakes(self.command, filled=False)]
        if self.gate.max_bias and not self.facets:
            bad.append("gate: max_bias needs `facets`, whose bias it bounds")
        if bad:
            raise ValueError("\n".join(bad))
        return self
