"""Where commits come from, and what is built of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from shipway.core.apps.crashes import Crashes
from shipway.core.apps.gate import CalledApi, Foreseen
from shipway.core.contract.bundles import Bundle, Offer, Told
from shipway.core.description.app import Service
from shipway.core.description.device_app import DeviceApp
from shipway.core.ports.telling import Tell
from shipway.core.releases.release import Artifact, Commit


class Source(Protocol):
    """The repository the app lives in."""

    def resolve(self, revision: str) -> Commit:
        """The commit that `revision` names. Raises UsageError for an unknown one."""

    def current_branch(self) -> str | None:
        """The branch checked out, or None on a detached head."""

    def read(self, commit: Commit, path: str) -> bytes:
        """A file's bytes as committed. Raises UsageError when the commit has no such file."""

    def is_in(self, commit: str, newer: str) -> bool:
        """Whether `commit` is `newer` or one of its ancestors, as far as the repository knows."""

    def folder(self, path: str, start: str = "") -> str:
        """A folder's name as seen from the folder `start` of the work tree, by default its root.

        `path` is absolute, or begins at the root. Raises UsageError for the root itself and what lies outside of it.
        """

    def uncommitted(self, commit: Commit, paths: Sequence[str]) -> list[str]:
        """The uncommitted files at or below `paths`; none unless the commit is the one checked out."""


class Builder(Protocol):
    """Turns a service at a commit into an artifact."""

    def build(self, commit: Commit, name: str, service: Service, tell: Tell) -> Artifact:
        """Test and build; for an unchanged tree, return the artifact that exists already.

        Raises Refused when the service's tests fail, UsageError when its lock file or folder is missing.
        """

    def verify(self, artifact: Artifact) -> None:
        """Raise Refused unless the artifact is still what its digest says."""


class Bundles(Protocol):
    """Bundles of the app that devices run: made of commits, kept in a bucket, offered to the devices of environments."""

    def prepare(self, commit: Commit, name: str, app: DeviceApp, tell: Tell) -> None:
        """Fetch what a build of the app needs, unless it is there. Raises as `build` does, ShipwayError without a network."""

    def build(self, commit: Commit, name: str, app: DeviceApp, tell: Tell) -> Bundle:
        """Test and build what the commit holds; for an unchanged app, the bundle that there is already.

        Raises Refused when its tests or its build fail or leave no bundle, UsageError when files or Node are missing.
        """

    def foresee(self, commit: Commit, name: str, app: DeviceApp) -> Foreseen:
        """What `build` would come to, as far as the commit and what is there tell: nothing is built.

        Raises UsageError as `build` does.
        """

    def versions(self) -> Sequence[Bundle]:
        """All that are in the bucket, the newest first. Raises Refused for damaged metadata."""

    def bundle(self, version: str) -> Bundle:
        """The bundle as its metadata describes it. Raises UsageError where there is none, Refused for a damaged one."""

    def calls(self, version: str) -> Mapping[str, CalledApi]:
        """What the bundle calls, by service. Raises as `bundle` does."""

    def verify(self, version: str, content: str) -> None:
        """Raise Refused unless the bundle lies in the bucket with this content, as it was built."""

    def offer(self, environment: str, offer: Offer) -> None:
        """Let the environment's devices be offered this, unless they are already."""

    def offered(self, environment: str) -> Offer | None:
        """What they are offered, as whoever answers them reads it; None where nothing was ever said."""

    def told(self, environment: str) -> Told:
        """What became of bundles there, asked of what answers the devices. Raises ShipwayError where nothing answers."""

    def failures(self, environment: str) -> Mapping[str, int]:
        """How often devices there told something bad of each bundle: cheap to ask, where `told` counts all devices.

        Raises as `told`, and where what answers devices does not say it.
        """

    def crashes(self, environment: str) -> Crashes:
        """What devices there told of errors, at the places of the app's sources where maps say them. Raises as `told`."""
