"""The model registry: versions, their approval, and the one that new releases take."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from shipway.core.errors import Refused, UsageError
from shipway.core.model_version import ModelVersion
from shipway.core.ports import Models
from shipway.registry import metadata, publish
from shipway.registry.bucket import METADATA, Bucket, digest_of, files_in
from shipway.registry.comparison import Comparison, compared
from shipway.registry.metadata import Metadata


class ModelRegistry(Models):
    """The model versions in one bucket folder; safe to use from several processes."""

    def __init__(self, folder: Path) -> None:
        self._bucket = Bucket(folder)

    def publish(self, folder: Path, version: str | None, author: str) -> ModelVersion:
        """Add the folder that a training wrote; see `publish.publish` for what is checked and raised."""
        return publish.publish(self._bucket, folder, version, author)

    def list(self) -> tuple[ModelVersion, ...]:
        """All versions, oldest first. Raises Refused when one's metadata is damaged."""
        return tuple(self.get(version) for version in self._bucket.versions())

    def get(self, version: str) -> ModelVersion:
        """One version. Raises UsageError when there is none, Refused when its metadata is damaged."""
        return metadata.described(version, self._read(version)[1])

    def metadata(self, version: str) -> dict[str, Any]:
        """The version's whole metadata. Raises as `get` does."""
        return self._read(version)[0]

    def approve(self, version: str, by: str, why: str, at: str) -> ModelVersion:
        """Note that `by` approved the version `at` (ISO 8601). Raises as `verified` does."""
        return self._decide(version, "approved", by, why, at)

    def reject(self, version: str, by: str, why: str, at: str) -> ModelVersion:
        """Note that `by` rejected the version `at` (ISO 8601). Raises as `verified` does."""
        return self._decide(version, "rejected", by, why, at)

    def set_latest(self, version: str) -> ModelVersion:
        """Make new releases take the version. Raises as `verified` does, and Refused when it is not approved."""
        with self._bucket.lock():
            model = self.verified(version)
            _check_approved(model)
            self._bucket.point(version)
        return model

    def make_latest(self, version: str, by: str, why: str, at: float) -> None:
        """Approve the version and make new releases take it. Raises as `verified` does."""
        if self.get(version).approval_status != "approved":
            self.approve(version, by, why, datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        self.set_latest(version)

    def latest_name(self) -> str | None:
        """The version that `latest` names, or None. Raises Refused when the pointer is damaged."""
        return self._bucket.latest()

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
        folder = self._bucket.path(version)
        faults = []
        if checked.version != version:
            faults.append(f"{METADATA} says it is {checked.version}")
        there = set(files_in(folder)) - {METADATA}
        faults += [f"{name} is not listed in {METADATA}" for name in sorted(there - set(checked.files))]
        for name, entry in checked.files.items():
            if name not in there:
                faults.append(f"{name} is missing")
                continue
            digest, size = digest_of(folder / name)
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

    def compare(self, a: str, b: str) -> Comparison:
        """What differs between two versions. Raises as `get` does."""
        return compared(self._read(a)[1], self._read(b)[1])

    def _read(self, version: str) -> tuple[dict[str, Any], Metadata]:
        return metadata.parse(self._bucket.metadata(version), f"model {version}: {METADATA}")

    def _decide(
        self, version: str, status: Literal["approved", "rejected"], by: str, why: str, at: str
    ) -> ModelVersion:
        if not by.strip() or len(why) > 2000:
            raise UsageError("a decision needs a person and at most 2,000 characters of reason", fix="say who decides")
        with self._bucket.lock():
            if status == "approved":
                self.verified(version)
            document, _ = self._read(version)
            document = {**document, "approval": {"status": status, "by": by, "at": at, "why": why}}
            self._bucket.replace_metadata(version, metadata.dump(document))
        return self.get(version)


def _check_approved(model: ModelVersion) -> None:
    if model.approval_status != "approved":
        raise Refused(
            f"model {model.version} is {model.approval_status}; only an approved version goes into releases",
            fix=f"approve {model.version}, or make an approved version the latest",
            state="nothing changed",
        )
