"""The steps of a training as orders: what each reads, with which words it is started. Values, carried out elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from shipway.core.description.training import Training, Tuning
from shipway.core.releases.release import Artifact
from shipway.core.training.windows import Window

BIAS_OUTPUT = "processing/output/bias"


@dataclass(frozen=True, slots=True)
class Input:
    """What one channel of a step gets.

    `data`: months of the table `name`. `step`: the output `part` of the step whose result is `name`. `version`: the
    model version `name`. `document`: `text` as the file `part`.
    """

    kind: Literal["data", "step", "version", "document"]
    name: str = ""
    part: str = ""
    text: str = ""
    months: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepOrder:
    """One step to carry out: of the artifact's program, with these words, on these inputs by channel.

    `bucket` has the data. `hyperparameters` are of a training job, None for a processing job. `timeout` is in seconds.
    `container`: not the command is run, but the image that the artifact's Dockerfile makes.
    """

    name: str
    artifact: Artifact
    command: str
    inputs: Mapping[str, Input]
    bucket: str
    options: tuple[str, ...] = ()
    hyperparameters: Mapping[str, str] | None = None
    timeout: float = 3600.0
    container: bool = False


@dataclass(frozen=True, slots=True)
class StepDone:
    """A step's result. `digest` names what went in: inputs, code, lock, parameters; `seconds` it took when it ran.

    `reused`: it was there already. `outputs` are SHA-256 by path. `made_of` is the digest's parts: program, options,
    parameters, and each input by its name. `why` says why it ran, or was reused.
    """

    name: str
    digest: str
    seconds: float
    reused: bool
    outputs: Mapping[str, str] = field(default_factory=dict)
    made_of: Mapping[str, str] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, slots=True)
class Orders:
    """Makes the orders of one training."""

    settings: Training
    artifact: Artifact
    window: Window

    def prepare(self, there: Sequence[str]) -> StepOrder:
        """Tables to rows; `there` are the months that there are."""
        begin, end, after = self.window.days
        months = self.window.needed(there)
        tables = {table: Input("data", table, months=months) for table in self.settings.tables}
        return self._order("prepare", tables, "--from", begin, "--until", end, "--test-until", after)

    def tune(self, prepared: StepDone, tuning: Tuning, trials: int, jobs: int) -> StepOrder:
        """Rows to better parameters: the tested month is not among what it gets."""
        ranges = (
            f"{name}={varied.min}..{varied.max}{',log' if varied.log else ''}" for name, varied in tuning.space.items()
        )
        fixed = (f"{name}={value}" for name, value in self.settings.parameters.items())
        words = [
            *(word for text in ranges for word in ("--vary", text)), *(word for text in fixed for word in ("--set", text)),
            "--trials", str(trials), "--months", str(tuning.months), "--seed", str(tuning.seed), "--jobs", str(jobs),
        ]  # fmt: skip
        return replace(self._order("tune", _learned(prepared), *words), timeout=tuning.timeout)

    def train(self, prepared: StepDone, found: Mapping[str, str] | None = None) -> StepOrder:
        """Rows to a model; `found` are the parameters of a search."""
        parameters = {name: str(value) for name, value in self.settings.parameters.items()} | dict(found or {})
        return StepOrder(
            "train", self.artifact, self.settings.command, _learned(prepared), self.settings.data,
            hyperparameters=parameters, timeout=self.settings.step_timeout, container=self._container,
        )  # fmt: skip

    def evaluate(self, prepared: StepDone, trained: StepDone, champion: str | None) -> StepOrder:
        """The model beside the version that is the champion, if there is one."""
        against = {"champion": Input("version", champion)} if champion is not None else {}
        return self._order("evaluate", {**_tested(prepared, trained), **against})

    def bias(self, prepared: StepDone, trained: StepDone, baseline: StepDone | None = None) -> StepOrder:
        """The model between groups, beside what an earlier training found of them."""
        words = [word for facet in self.settings.facets for word in ("--facet", facet)]
        if self.settings.group_variable is not None:
            words += ["--group-variable", self.settings.group_variable]
        before = {} if baseline is None else {"baseline": Input("step", baseline.digest, BIAS_OUTPUT)}
        return self._order("bias", {**_tested(prepared, trained), **before}, *words)

    def package(self, prepared: StepDone, trained: StepDone, lineage: Mapping[str, Any]) -> StepOrder:
        """The model as a folder that can be published."""
        known = {
            "training": Input("step", prepared.digest, "processing/output/training"),
            "prepared": Input("step", prepared.digest, "processing/output/prepared"),
            "lineage": Input("document", part="lineage.json", text=json.dumps(lineage, sort_keys=True)),
        }
        return self._order("package", {**_tested(prepared, trained), **known})

    @property
    def _container(self) -> bool:
        return self.settings.run_in == "container"

    def _order(self, name: str, inputs: Mapping[str, Input], *options: str) -> StepOrder:
        return StepOrder(
            name, self.artifact, self.settings.command, inputs, self.settings.data, options,
            timeout=self.settings.step_timeout, container=self._container,
        )  # fmt: skip


def _learned(prepared: StepDone) -> dict[str, Input]:
    return {"training": Input("step", prepared.digest, "processing/output/training")}


def _tested(prepared: StepDone, trained: StepDone) -> dict[str, Input]:
    return {
        "model": Input("step", trained.digest, "model"),
        "test": Input("step", prepared.digest, "processing/output/test"),
    }
