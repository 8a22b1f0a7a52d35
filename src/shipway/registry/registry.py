"""The model registry: versions, their approval, and the one that new releases take."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from shipway.core.errors import Refused
from shipway.core.models.approval import Decision, check_promotable
from shipway.core.models.model_version import ModelVersion
from shipway.core.ports.models import Models, VersionStore
from shipway.core.ports.telling import Tell
from shipway.core.views.models import Publishing
from shipway.registry import baking, decisions, metadata, publish
from shipway.registry.comparison import Comparison, compared
from shipway.registry.files import METADATA
from shipway.registry.metadata import Metadata
from shipway.registry.packer import Packer
from shipway.registry.scoring import scored

_AS_IT_COMES = Publishing()
_TRIES = 20


def _silently(line: str) -> None:
    """A `tell` for callers that show no progress."""


class ModelRegistry(Models):
    """The model versions in one store; safe to use from several processes.

    Without a packer it keeps files only: what has to be loaded is refused, the rest is published unread.
    """

    def __init__(self, store: VersionStore, packer: Packer | None = None, work_tree: Path = Path()) -> None:
        self._store, self._packer = store, packer
        self._work_tree = work_tree

    def publish(
        self,
        folder: str | PathLike[str],
        version: str | None,
        author: str,
        how: Publishing = _AS_IT_COMES,
        tell: Tell = _silently,
    ) -> ModelVersion:
        """As `publish.publish` says. With `how.check` the answer is the version that it would become."""
        return publish.publish(self._store, self._packer, Path(folder), version, author, how, tell)

    def list(self) -> tuple[ModelVersion, ...]:
        return tuple(self.get(version) for version in self._store.versions())

    def get(self, version: str) -> ModelVersion:
        """One version. Raises UsageError when there is none, Refused when its metadata is damaged."""
        return metadata.described(version, self._read(version)[1])

    def metadata(self, version: str) -> dict[str, Any]:
        return self._read(version)[0]

    def decide(self, version: str, decision: Decision, by: str, why: str, at: float) -> ModelVersion:
        """Record who decided what, when (Unix time) and why. The same decision again changes nothing.

        Raises as `verified` does, UsageError without a reason, Refused where the state does not allow it.
        """
        if decision == "approved":
            self.verified(version)
        for _ in range(_TRIES):
            before = self._store.metadata(version)
            document, _ = self._parsed(version, before)
            decided = decisions.decided(document, decision, by, why, at)
            if decided == document or self._store.replace_metadata(version, before, metadata.dump(decided)):
                return self.get(version)
        raise Refused(f"others decide on model {version} all the time", fix="decide again", state="nothing changed")

    def set_latest(self, version: str) -> ModelVersion:
        """Make new releases take the version. Raises as `verified` does, and Refused when it is not approved."""
        model = self.verified(version)
        _check_approved(model)
        self._store.point(version)
        return model

    def make_latest(self, version: str, by: str, why: str, at: float) -> None:
        """Approve a pending version and make new releases take it. Raises as `verified` does.

        Raises Refused for one that was rejected or archived: only a person's own decision brings that back.
        """
        model = self.get(version)
        check_promotable(model)
        if model.approval_status == "pending":
            self.decide(version, "approved", by, f"promoted: {why}" if why else "promoted", at)
        self.set_latest(version)

    def bake(self, version: str, folder: str | PathLike[str]) -> ModelVersion:
        """Copy the version's model and metadata into a folder of the work tree; see `baking.bake`.

        Raises as `verified` does, and Refused for a version that was rejected or archived.
        """
        model = self.verified(version)
        check_promotable(model)
        with self._store.at_hand(version) as source:
            baking.bake(Path(source), self._work_tree / folder)
        return model

    def latest_name(self) -> str | None:
        """The version that `latest` names, or None. Raises Refused when the pointer is damaged."""
        return self._store.latest()

    def latest(self) -> ModelVersion:
        """The version new releases take. Raises Refused when none was promoted, or it was rejected since."""
        version = self.latest_name()
        if version is None:
            raise Refused("no model version was promoted", fix="shipway model list, then shipway model promote VERSION")
        model = self.get(version)
        _check_approved(model)
        return model

    def verified(self, version: str) -> ModelVersion:
        """The version, after its files' digests were checked. Raises UsageError or Refused."""
        _, checked = self._read(version)
        faults = []
        if checked.version != version:
            faults.append(f"{METADATA} says it is {checked.version}")
        there = set(self._store.files(version))
        faults += [f"{name} is not listed in {METADATA}" for name in sorted(there - set(checked.files))]
        for name, entry in checked.files.items():
            if name not in there:
                faults.append(f"{name} is missing")
                continue
            digest, size = self._store.digest(version, name)
            if digest != entry.sha256:
                faults.append(f"{name} has sha256 {digest}, metadata says {entry.sha256}")
            elif size != entry.bytes:
                faults.append(f"{name} has {size:,} bytes, metadata says {entry.bytes:,}")
        if faults:
            raise Refused(
                "\n".join(f"model {version}: {fault}" for fault in faults),
                fix="use another version, or publish the model again under a new one",
                state="nothing changed",
            )
        return metadata.described(version, checked)

    def compare(self, a: str, b: str, tell: Tell = _silently) -> Comparison:
        first, second = self._read(a)[1], self._read(b)[1]
        with self._store.at_hand(a) as left, self._store.at_hand(b) as right:
            scores, note = scored(self._packer, (Path(left), first), (Path(right), second), tell)
        return compared(first, second, scores, note)

    def _read(self, version: str) -> tuple[dict[str, Any], Metadata]:
        return self._parsed(version, self._store.metadata(version))

    def _parsed(self, version: str, data: bytes) -> tuple[dict[str, Any], Metadata]:
        return metadata.parse(data, f"model {version}: {METADATA}")


def _check_approved(model: ModelVersion) -> None:
    if model.approval_status != "approved":
        raise Refused(
            f"model {model.version} is {model.approval_status}; only an approved version goes into releases",
            fix="promote another version: shipway model list, then shipway model promote VERSION",
            state="nothing changed",
        )
