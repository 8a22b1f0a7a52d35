"""The verbs of splits and shadows on AWS: the same parameter holds them. Nothing there judges or ends them by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shipway.aws.model_moves import ModelMoves, ModelParts
from shipway.aws.model_parameters import Told
from shipway.core.contract.schema import unlike
from shipway.core.contract.wanted import Shadow, Wanted
from shipway.core.desk import ExperimentDesk
from shipway.core.errors import Refused
from shipway.core.experiments.experiment import Experiment, check_percent, check_versions, read_shares
from shipway.core.experiments.report import ExperimentReport
from shipway.core.models.approval import check_promotable

UNJUDGED = (
    "on AWS nothing compares the versions or takes a bad one out by itself: /metrics of the tasks and their logs have "
    "the figures"
)


class AwsExperiments(ExperimentDesk):
    """The verbs over one app. IAM says who may carry them out."""

    def __init__(self, parts: ModelParts) -> None:
        self._parts = parts
        self._moves = ModelMoves(parts)

    def show(self, environment: str) -> ExperimentReport:
        told = self._serving(environment, self._moves.told.there(environment))[0]
        return ExperimentReport(_experiment(environment, told), told=(UNJUDGED,))

    def split(self, environment: str, shares: Sequence[str], who: str, why: str) -> ExperimentReport:
        split = read_shares(shares)
        told, wanted = self._serving(environment, self._moves.ready(environment))
        return self._begun(environment, told, replace(wanted, split=split), "split the model", who, why)

    def end_split(self, environment: str, who: str, why: str) -> ExperimentReport:
        told, wanted = self._serving(environment, self._moves.ready(environment))
        return self._ended(environment, told, replace(wanted, split=()), "end the split", who, why)

    def shadow(self, environment: str, version: str, percent: float, who: str, why: str) -> ExperimentReport:
        check_percent(percent)
        told, wanted = self._serving(environment, self._moves.ready(environment))
        wanted = replace(wanted, shadow=Shadow(version, percent))
        return self._begun(environment, told, wanted, "shadow the model", who, why)

    def end_shadow(self, environment: str, who: str, why: str) -> ExperimentReport:
        told, wanted = self._serving(environment, self._moves.ready(environment))
        return self._ended(environment, told, replace(wanted, shadow=None), "end the shadow", who, why)

    def _begun(self, environment: str, told: Told, wanted: Wanted, action: str, who: str, why: str) -> ExperimentReport:
        check_versions(Experiment(environment, wanted.version, wanted.split, wanted.shadow))
        shadow = (wanted.shadow.version,) if wanted.shadow is not None else ()
        for version in (*(version for version, _ in wanted.split), *shadow):
            self._check_candidate(told, version)
        return self._moved(environment, told, wanted, action, who, why)

    def _ended(self, environment: str, told: Told, wanted: Wanted, action: str, who: str, why: str) -> ExperimentReport:
        if wanted == told.wanted:
            return ExperimentReport(_experiment(environment, told))
        return self._moved(environment, told, wanted, action, who, why)

    def _moved(self, environment: str, told: Told, wanted: Wanted, action: str, who: str, why: str) -> ExperimentReport:
        line = self._moves.move(environment, told, wanted, who, why, action)
        now = self._moves.told.there(environment)
        experiment = replace(_experiment(environment, now), by=who, why=why)
        tried = bool(wanted.split or wanted.shadow)
        return ExperimentReport(experiment, told=(line, UNJUDGED) if tried else (line,))

    def _check_candidate(self, told: Told, version: str) -> None:
        model = self._parts.models.verified(version)
        check_promotable(model)
        if reasons := self._moves.fits(told, model, lambda old: unlike(model, old)):
            raise Refused(
                f"model {version} can't share requests with {told.version}: {'; '.join(reasons)}",
                fix=f"shipway model promote {version} --next-release, then deploy the services that know its features",
                state="nothing changed",
            )

    def _serving(self, environment: str, told: Told) -> tuple[Told, Wanted]:
        if told.wanted is None:
            raise Refused(
                f"{environment} was told no model version yet",
                fix=f"shipway model promote VERSION --env {environment}",
                state="nothing changed",
            )
        return told, told.wanted


def _experiment(environment: str, told: Told) -> Experiment:
    assert told.wanted is not None
    wanted = told.wanted
    return Experiment(environment, wanted.version, wanted.split, wanted.shadow, by=told.by, since=told.at)
