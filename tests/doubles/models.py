"""The model registry in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shipway.core.contract.version import next_version
from shipway.core.errors import Refused, UsageError
from shipway.core.models.approval import Decision, check_decision, check_promotable
from shipway.core.models.model_version import ModelVersion
from shipway.core.ports.models import Models
from shipway.core.ports.telling import Tell
from shipway.core.views.models import Publishing

NAMES = ("v1.0", "v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6", "v2.0", "v3.0", "v4.0", "v5.0", "v5.1", "v6.6")
"""All pending at first, but for v1.0, which is approved; the files of v6.6 do not have their digests."""


class FakeModels(Models):
    """Versions by name; `current` is the one that new releases take, written there by whomever. A training made those of `trained`."""

    def __init__(self) -> None:
        self.current: str | None = "v1.0"
        self.versions = {name: a_version(name) for name in NAMES}
        self.damaged = {"v6.6"}
        self.trained: set[str] = set()
        self.baked: tuple[str, str] | None = None
        self.promoted("v1.0")

    def promoted(self, version: str) -> None:
        """It was approved and promoted in the past, whatever became of its files since."""
        self.versions[version] = replace(self.versions[version], approval_status="approved")
        self.current = version

    def latest(self) -> ModelVersion:
        if self.current is None:
            raise Refused("no model version was promoted", fix="shipway model promote VERSION")
        return self._approved(self.get(self.current))

    def verified(self, version: str) -> ModelVersion:
        model = self.get(version)
        if version in self.damaged:
            raise Refused(f"model {version}: model.txt has another sha256")
        return model

    def get(self, version: str) -> ModelVersion:
        if version not in self.versions:
            raise UsageError(f"no model version {version!r}", fix=f"there are {', '.join(self.versions)}")
        return self.versions[version]

    def latest_name(self) -> str | None:
        return self.current

    def list(self) -> tuple[ModelVersion, ...]:
        return tuple(self.versions.values())

    def metadata(self, version: str) -> Mapping[str, Any]:
        model = self.get(version)
        found = {"name": model.name, "version": version, "approval": {"status": model.approval_status}}
        return found | ({"lineage": {"run": "1"}} if version in self.trained else {})

    def publish(self, folder: str, version: str | None, author: str, how: Publishing, tell: Tell) -> ModelVersion:
        name = version or next_version(tuple(self.versions))
        tell(f"published {folder} as it is")
        made = replace(self.versions.get(name) or a_version(name), author=author)
        if not how.check:
            self.versions[name] = made
        return made

    def compare(self, a: str, b: str, tell: Tell) -> Mapping[str, Any]:
        self.get(a), self.get(b)
        tell("both answer")
        return {"rows": 10}

    def decide(self, version: str, decision: Decision, by: str, why: str, at: float) -> ModelVersion:
        model = self.verified(version) if decision == "approved" else self.get(version)
        if model.approval_status != decision:
            check_decision(version, model.approval_status, decision, by, why)  # type: ignore[arg-type]
            model = replace(model, approval_status=decision, approval_by=by, approval_why=why)
        self.versions[version] = model
        return model

    def bake(self, version: str, folder: str) -> ModelVersion:
        model = self.verified(version)
        check_promotable(model)
        self.baked = (version, folder)
        return model

    def make_latest(self, version: str, by: str, why: str, at: float) -> None:
        model = self.get(version)
        check_promotable(model)
        if model.approval_status == "pending":
            self.decide(version, "approved", by, f"promoted: {why}" if why else "promoted", at)
        self._approved(self.verified(version))
        self.current = version

    def _approved(self, model: ModelVersion) -> ModelVersion:
        if model.approval_status != "approved":
            raise Refused(
                f"model {model.version} is {model.approval_status}; only an approved version goes into releases"
            )
        return model


def a_version(name: str, status: str = "pending") -> ModelVersion:
    """A version that takes what every other takes."""
    return ModelVersion(name, "m", "model.txt", f"digest of {name}", "schema", "", "", "ann", status)  # type: ignore[arg-type]
