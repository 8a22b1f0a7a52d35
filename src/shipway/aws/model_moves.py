"""Telling an environment's tasks what to serve, and reading it back: what promotions and experiments have in common."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from shipway.aws.answering import Answering, Sample
from shipway.aws.calls import Calls
from shipway.aws.model_parameters import ModelParameters, Told
from shipway.aws.names import Names
from shipway.aws.parameters import Parameters
from shipway.aws.read_back import Ask, ask_public
from shipway.aws.release_store import ReleaseStore
from shipway.aws.services import Services
from shipway.core.access.roles import check_known
from shipway.core.contract.wanted import Wanted
from shipway.core.description.app import App
from shipway.core.errors import Refused, RolledBack, ShipwayError, UsageError
from shipway.core.events import AuditEntry
from shipway.core.models.model_version import ModelVersion
from shipway.core.ports.models import Models

FOLLOW, LOOK = 120.0, 5.0
"""Seconds that tasks have to take a version, of which five pass until they look, and between two samples."""
_CHANCE = 0.001
"""How improbable it must be that a version which answers its share is in no answer, to say that it answers nobody."""
_MOVING = ("PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")


@dataclass(frozen=True, slots=True)
class ModelParts:
    """What the verbs of models are made of. `clock` is Unix time, `steady` never goes back."""

    app: App
    names: Names
    calls: Calls
    models: Models
    store: ReleaseStore
    ask: Ask = ask_public
    clock: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic


class ModelMoves:
    """Moves an environment's model version by its parameter, which tasks follow by themselves."""

    def __init__(self, parts: ModelParts) -> None:
        self._parts = parts
        parameters = Parameters(parts.calls)
        self.told = ModelParameters(parameters, parts.names)
        self._answering = Answering(parts.app, parts.names, parameters, self._services, parts.ask)

    def ready(self, environment: str) -> Told:
        """What its tasks are told now. Raises Refused where that can't be changed: nothing is there, or it moves."""
        check_known(self._parts.app, environment)
        if not self._parts.app.model_services():
            raise Refused(
                "no service of shipway.yaml takes the model from the bucket",
                fix="`model: true` in a service; a model that is baked in comes with `shipway deploy`",
                state="nothing changed",
            )
        told = self.told.there(environment)
        if self._is_moving(environment):
            raise Refused(
                f"a rollout is under way in {environment}", fix=f"shipway status; shipway abort --env {environment}"
            )
        return told

    def move(self, environment: str, before: Told, wanted: Wanted, who: str, why: str, action: str) -> str:
        """Tell the tasks, and read back what answers name: in words.

        Raises RolledBack, after telling them what they were told before, where answers go on naming other versions.
        """
        detail = {"told": wanted.text(), "before": before.text}
        self._parts.store.add_audit(AuditEntry(self._parts.clock(), who, action, environment, why, detail))
        self.told.write(environment, wanted.text())
        return self._followed(environment, before, wanted)

    def _followed(self, environment: str, before: Told, wanted: Wanted) -> str:
        shares = {version: percent / 100 for version, percent in wanted.variants if percent > 0}
        deadline, seen = self._parts.steady() + FOLLOW, Sample()
        while True:
            try:
                sample = self._answering.sample(environment)
            except ShipwayError as error:
                return f"{environment} is told {wanted.text()}; not read back: {error.what}"
            late = self._parts.steady() >= deadline
            # before their first version tasks answer 503
            if not sample.named and (late or not sample.failed):
                return f"{environment} is told {wanted.text()}; not read back: {sample.why_none}"
            strange = sample.named.keys() - shares
            # what was answered before all tasks followed is no evidence
            seen = Sample() if strange else seen + sample
            missing = shares.keys() - seen.named
            if not missing:
                return f"{environment}: {seen.told(wanted.version)}"
            if late:
                break
            self._parts.calls.sleep(LOOK)
        too_few = all((1 - shares[version]) ** seen.named.total() > _CHANCE for version in missing)
        if not strange and too_few:
            return f"{environment}: {seen.told(wanted.version)}; too few to tell of {', '.join(sorted(missing))}"
        found = sample if strange else seen
        raise RolledBack(
            f"{environment}: {found.told(wanted.version)} within {FOLLOW:g} s: tasks refuse what they are told, or can't fetch it",
            fix=f"shipway logs --env {environment} --service {self._parts.app.model_services()[0]}",
            state=self._taken_back(environment, before, wanted),
        )

    def _taken_back(self, environment: str, before: Told, wanted: Wanted) -> str:
        """Tell the tasks what they were told before, unless somebody else has told them more since; what is so now."""
        now = self.told.there(environment)
        if before.wanted is None or now.text != wanted.text():
            return f"its tasks are told {now.text}"
        self.told.write(environment, before.text)
        return f"its tasks are told {before.text} again"

    def fits(
        self, told: Told, model: ModelVersion, differences: Callable[[ModelVersion], tuple[str, ...]]
    ) -> list[str]:
        """How `model` differs from the version that serves, by `differences`; none where nothing serves yet."""
        if told.version is None or told.version == model.version:
            return []
        try:
            old = self._parts.models.get(told.version)
        except ShipwayError as error:
            return [f"what {told.version} takes is not known any more: {error.what}"]
        return [] if old.schema_digest == model.schema_digest else list(differences(old))

    def _is_moving(self, environment: str) -> bool:
        services = self._services(self._parts.names.cluster(environment))
        try:
            found = services.describe(list(self._parts.app.model_services()))
        except UsageError:
            return False
        arns = [service.deployment for service in found.values() if service.deployment is not None]
        return any(deployment.status in _MOVING for deployment in services.look(arns))

    def _services(self, cluster: str) -> Services:
        return Services(self._parts.calls, cluster)
