"""Model versions, and where they are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from shipway.core.models.approval import Decision
from shipway.core.models.model_version import ModelVersion
from shipway.core.ports.telling import Tell
from shipway.core.views.models import Publishing


class Models(Protocol):
    """The model registry, as the pipeline sees it."""

    def latest(self) -> ModelVersion:
        """The version new releases take. Raises Refused when none was promoted."""

    def verified(self, version: str) -> ModelVersion:
        """The version, after its files' digests were checked. Raises UsageError or Refused."""

    def get(self, version: str) -> ModelVersion:
        """The version as its metadata describes it; its files are not checked. Raises UsageError or Refused."""

    def latest_name(self) -> str | None:
        """The version that new releases take, if one was promoted, even if it was rejected or archived since."""

    def decide(self, version: str, decision: Decision, by: str, why: str, at: float) -> ModelVersion:
        """Note a decision on the version, `at` being Unix time; the same one again changes nothing.

        Raises UsageError without a reason, Refused where the version's state does not allow it.
        """

    def list(self) -> Sequence[ModelVersion]:
        """All versions, oldest first. Raises Refused when one's metadata is damaged."""

    def metadata(self, version: str) -> Mapping[str, Any]:
        """The version's whole metadata. Raises as `get` does."""

    def publish(self, folder: str, version: str | None, author: str, how: Publishing, tell: Tell) -> ModelVersion:
        """Add the folder that a training wrote. Raises UsageError or Refused."""

    def compare(self, a: str, b: str, tell: Tell) -> Mapping[str, Any]:
        """What differs between two versions, on the same held-out rows where both can be scored. Raises as `get`."""

    def bake(self, version: str, folder: str) -> ModelVersion:
        """Copy what serves of the version into a folder of the work tree. Raises UsageError or Refused."""

    def make_latest(self, version: str, by: str, why: str, at: float) -> None:
        """Approve a pending version and let new releases take it. `at` is Unix time. Raises Refused or UsageError."""


FileDigest = tuple[str, int]
"""A file's SHA-256 (64 hex digits) and its size in bytes."""


class VersionStore(Protocol):
    """Where the registry keeps model versions: `v1.0/ v1.1/ … latest`, as docs/model-bucket.md has it.

    A version appears whole and never changes, but for its metadata. Several may write at the same time. Where a version
    is named, UsageError is raised if there is none of that name, and Refused if it can't be read.
    """

    def versions(self) -> Sequence[str]:
        """The versions that are there, in numeric order."""

    def metadata(self, version: str) -> bytes:
        """The bytes of its metadata."""

    def replace_metadata(self, version: str, before: bytes, after: bytes) -> bool:
        """Put `after` in place of its metadata in one step; False, and nothing changes, unless that is still `before`."""

    def add(self, version: str, folder: str, files: Mapping[str, FileDigest], metadata: bytes) -> bool:
        """Make a version of these files of a folder; False, and nothing changes, where there is one of that name.

        Raises Refused where a file is not what its digest says.
        """

    def files(self, version: str) -> Sequence[str]:
        """The names of its files, but for the metadata, as they lie there."""

    def digest(self, version: str, file: str) -> FileDigest:
        """What a file is, as it lies there."""

    def at_hand(self, version: str) -> AbstractContextManager[str]:
        """A folder on this machine that holds the version's files meanwhile, to be read only."""

    def latest(self) -> str | None:
        """The version that `latest` names; None when nothing was promoted. Raises Refused when it names none."""

    def point(self, version: str) -> None:
        """Make `latest` name the version, in one step."""
