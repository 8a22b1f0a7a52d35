"""The verbs of model versions on AWS: the bucket in S3 keeps them, a parameter says which one an environment serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shipway.aws.model_moves import ModelMoves, ModelParts
from shipway.aws.model_parameters import Told
from shipway.core.access.roles import check_known
from shipway.core.contract.schema import refused_by
from shipway.core.contract.wanted import Wanted
from shipway.core.desk import ModelDesk, Tell
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.experiments.experiment import Experiment, check_promotion
from shipway.core.models.approval import Decision, check_promotable, check_unused
from shipway.core.models.baked import baked_into, to_describe
from shipway.core.models.model_version import ModelVersion
from shipway.core.models.origin import decided_by, origin_of
from shipway.core.ports.building import Source
from shipway.core.rollouts.served import Served
from shipway.core.views.models import Baked, Decided, ModelInUse, ModelStay, ModelsView, ModelView, Promoted, Publishing


class AwsModelDesk(ModelDesk):
    """The verbs over one app. IAM says who may carry them out."""

    def __init__(self, parts: ModelParts, source: Source) -> None:
        self._parts, self._source = parts, source
        self._app, self._models = parts.app, parts.models
        self._moves = ModelMoves(parts)

    # -- what is shown -------------------------------------------------------------------------------------------

    def list(self) -> ModelsView:
        serving = self._serving()
        return ModelsView(
            self._models.latest_name(),
            tuple(ModelInUse(one, serving.get(one.version, ())) for one in self._models.list()),
        )

    def show(self, version: str) -> ModelView:
        return ModelView(
            metadata=self._models.metadata(version),
            latest=self._models.latest_name() == version,
            serves=self._serving().get(version, ()),
            served=tuple(one for name in self._app.environments for one in self._served(name, version)),
        )

    def history(self, environment: str | None, at: float | None) -> Sequence[ModelStay]:
        """By the parameters' histories, of which Parameter Store keeps the last hundred texts; no release is known to it."""
        found = []
        for name in [environment] if environment is not None else self._app.environments:
            for version in {told.version for told in self._history(name)} - {None}:
                assert version is not None
                found += [self._stay(version, one, at) for one in self._served(name, version) if _lasted(one, at)]
        return sorted(found, key=lambda stay: -stay.since)

    def compare(self, a: str, b: str, tell: Tell) -> Mapping[str, Any]:
        return self._models.compare(a, b, tell)

    # -- what is done --------------------------------------------------------------------------------------------

    def publish(self, folder: str, version: str | None, who: str, how: Publishing, tell: Tell) -> ModelVersion:
        return self._models.publish(folder, version, who, how, tell)

    def decide(self, version: str, decision: Decision, who: str, why: str) -> Decided:
        before = self._models.get(version)
        serves = self._serving().get(version, ())
        latest = self._models.latest_name() == version
        if decision == "archived":
            check_unused(version, latest=latest, serves=serves)
        model = self._models.decide(version, decision, who, why, self._parts.clock())
        wanted = self._app.model.on_approval if self._app.model is not None else ()
        if model == before or decision != "approved" or not wanted:
            return Decided(model, model != before, serves, latest)
        try:
            done = self.promote(version, wanted, who, f"on approval: {why}", canary=False)
        except Refused as refusal:
            # The approval stands; who approved can promote later.
            return Decided(model, True, serves, latest, not_promoted=refusal)
        return Decided(model, True, serves, latest, told=done.told)

    def promote(self, version: str, environments: Sequence[str], who: str, why: str, *, canary: bool) -> Promoted:
        """Tell the tasks of these environments, by default of all that Terraform has made, and ask what answers name.

        It ends a split, of which it must be a part. New releases take it as well, unless an environment with an
        approval policy was left out. Raises RolledBack where answers go on naming another version.
        """
        if canary:
            raise Refused(
                "on AWS a model version is brought by its parameter, not by a rollout: it has no canary",
                fix=f"shipway model split {version}=10% --env ENV, and once it does well: shipway model promote {version} --env ENV",
                state="nothing changed",
            )
        model = self._promotable(version)
        places = {name: self._moves.ready(name) for name in environments or self._there()}
        for name, told in places.items():
            check_promotion(_experiment(name, told), version)
            self._check_fits(name, told, model)
        return self._brought({name: (told, model) for name, told in places.items()}, who, why)

    def promote_for_releases(self, version: str, who: str, why: str) -> Promoted:
        self._promotable(version)
        self._models.make_latest(version, who, why, self._parts.clock())
        return Promoted(self._models.latest_name(), None)

    def roll_back(self, environments: Sequence[str], who: str, why: str) -> Promoted:
        """Each environment goes back to what it was told before itself, as Parameter Store remembers it."""
        back: dict[str, tuple[Told, ModelVersion]] = {}
        for name in environments or self._there():
            told, before = self._moves.ready(name), self._moves.told.before(name)
            if before is not None:
                back[name] = told, self._promotable(before)
            elif environments:
                raise Refused(
                    f"no model version was current in {name} before {told.version or 'the first one'}",
                    fix="shipway model list",
                    state="nothing changed",
                )
        if not back:
            raise Refused(
                "no model version was current before this one", fix="shipway model list", state="nothing changed"
            )
        return self._brought(back, who, why)

    def bake(self, version: str, service: str | None, into: str | None, who: str) -> Baked:  # noqa: ARG002 - git tells who
        name, folder = baked_into(self._app, service)
        inside = self._source.folder(into or folder)
        model = self._models.bake(version, inside)
        return Baked(model, inside, to_describe(self._app, name, inside, self._source.folder))

    # -- how ------------------------------------------------------------------------------------------------------

    def _brought(self, places: Mapping[str, tuple[Told, ModelVersion]], who: str, why: str) -> Promoted:
        """Approve, tell one environment after the other, and let new releases take the version if that is decided."""
        versions = {model.version: model for _, model in places.values()}
        for version, model in versions.items():
            if model.approval_status == "pending":
                said = f"promoted: {why}" if why else "promoted"
                self._models.decide(version, "approved", who, said, self._parts.clock())
        lines = []
        for name, (told, model) in places.items():
            try:
                lines.append(self._moves.move(name, told, Wanted(model.version), who, why, "promote model"))
            except ShipwayError as error:
                if lines:
                    error.state = f"{error.state or 'it stays as it was'}; before that: {'; '.join(lines)}"
                raise
        if len(versions) == 1 and self._guarded() <= set(places):
            version = next(iter(versions))
            self._models.make_latest(version, who, why, self._parts.clock())
            lines.append(f"new releases take {version}")
        return Promoted(self._models.latest_name(), None, tuple(lines))

    def _promotable(self, version: str) -> ModelVersion:
        if self._app.model is None:
            raise UsageError("shipway.yaml has no `model:` section", fix="add one, or deploy without a model")
        model = self._models.verified(version)
        check_promotable(model)
        return model

    def _check_fits(self, environment: str, told: Told, model: ModelVersion) -> None:
        if reasons := self._moves.fits(told, model, lambda old: refused_by(model, old)):
            raise Refused(
                f"model {model.version} does not take every request that {environment}'s {told.version} takes: "
                + "; ".join(reasons),
                fix=f"let a release bring the services that fit it first, with {told.version} still serving",
                state="nothing changed",
            )

    def _there(self) -> Sequence[str]:
        """The environments that Terraform has made."""
        found = [name for name in self._app.environments if self._moves.told.read(name) is not None]
        if not found:
            raise Refused(
                "no environment is on AWS yet",
                fix="shipway --target aws infra apply ENV",
                state="nothing changed",
            )
        return found

    def _guarded(self) -> set[str]:
        """Those with an approval policy: who may change dev alone does not decide what production gets next."""
        guarded = (name for name, one in self._app.environments.items() if one.approval is not None)
        return {name for name in guarded if self._moves.told.read(name) is not None}

    def _serving(self) -> dict[str, tuple[str, ...]]:
        """Version → the environments whose tasks are told to answer with it, in part as well."""
        found: dict[str, dict[str, None]] = {}
        for name in self._app.environments:
            told = self._moves.told.read(name)
            for version, _ in told.wanted.variants if told is not None and told.wanted is not None else ():
                found.setdefault(version, {})[name] = None
        return {version: tuple(names) for version, names in found.items()}

    def _stay(self, version: str, one: Served, at: float | None) -> ModelStay:
        metadata = self._models.metadata(version)
        moment = at if at is not None else one.until if one.until is not None else self._parts.clock()
        return ModelStay(
            one.environment,
            version,
            one.since,
            one.until,
            "",
            one.by,
            origin=origin_of(metadata),
            decided=decided_by(metadata, moment),
        )

    def _history(self, environment: str) -> Sequence[Told]:
        check_known(self._app, environment)
        return self._moves.told.history(environment)

    def _served(self, environment: str, version: str) -> Sequence[Served]:
        """When the version was current there, by the parameter's history; a release is not known to it."""
        history = self._history(environment)
        found = []
        for n, told in enumerate(history):
            if told.version != version or (n and history[n - 1].version == version):
                continue
            until = next((later.at for later in history[n:] if later.version != version), None)
            found.append(Served(environment, "", (version,), told.at, until, told.by))
        return found


def _lasted(one: Served, at: float | None) -> bool:
    return at is None or (one.since <= at and (one.until is None or at < one.until))


def _experiment(environment: str, told: Told) -> Experiment | None:
    if told.wanted is None:
        return None
    return Experiment(
        environment, told.wanted.version, told.wanted.split, told.wanted.shadow, by=told.by, since=told.at
    )
