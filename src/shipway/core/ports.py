"""What the rules and the pipeline need from the world. Targets implement these; `wiring` joins them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from shipway.core.apps.crashes import Crashes
from shipway.core.apps.gate import CalledApi
from shipway.core.contract.bundles import Bundle, Offer, Told
from shipway.core.description.app import Service
from shipway.core.description.device_app import DeviceApp
from shipway.core.description.feature_group import FeatureGroup
from shipway.core.events import AuditEntry, Event
from shipway.core.experiments.figures import TaskFigures
from shipway.core.features.join import FeatureJoin
from shipway.core.features.record import Record
from shipway.core.logs.asked import Asked
from shipway.core.models.approval import Decision
from shipway.core.models.model_version import ModelVersion
from shipway.core.monitoring.watch import Seen
from shipway.core.observations.losses import Losses
from shipway.core.observations.observation import Lagging, Observation, ProbeAnswer, Side, TaskReport, TaskView
from shipway.core.observations.predictions import TaskPredictions
from shipway.core.releases.release import Artifact, Commit, Release
from shipway.core.rollouts.records import Lock
from shipway.core.secrets.secret import StoredSecret
from shipway.core.training.steps import StepDone, StepOrder
from shipway.core.verdicts.lately import SeenLately
from shipway.core.views import MonitorView, Publishing, TaskLine

T = TypeVar("T")
Tell = Callable[[str], None]
"""Receives one line of progress at a time."""


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

    def build(self, commit: Commit, name: str, app: DeviceApp, tell: Tell) -> Bundle:
        """Test and build what the commit holds; for an unchanged app, the bundle that there is already.

        Raises Refused when its tests or its build fail or leave no bundle, UsageError when files or Node are missing.
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

    def crashes(self, environment: str) -> Crashes:
        """What devices there told of errors, at the places of the app's sources where maps say them. Raises as `told`."""


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


@dataclass(frozen=True, slots=True)
class Kept:
    """What the monitoring program said of a window, of which model version, and where its files are."""

    version: str
    seen: Seen
    folder: str


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a target is looked at, and how long to wait for it. All in seconds.

    `look` is the pause between two looks of a rollout, which gives up when it has seen nothing for `fault`. Tasks have
    `read_back` to say what they serve, and `follow` to take other model versions, while they are looked at every
    `follow_look`; a task that has refused them for `refusal` will not load them, because their files were verified.
    Predictions may be `predictions_age` old; experiments are judged every `experiments`.
    """

    look: float = 0.1
    fault: float = 60.0
    read_back: float = 15.0
    follow: float = 30.0
    follow_look: float = 0.05
    refusal: float = 5.0
    predictions_age: float = 1.0
    experiments: float = 2.0


class Target(Protocol):
    """Where an app runs. Every environment has two sides; a rollout moves traffic from one to the other.

    Only `retire` waits for tasks.
    """

    @property
    def pace(self) -> Pace:
        """How often it can be looked at, and how long to wait for it."""

    # -- moving an environment -----------------------------------------------------------------------------------

    def prepare(self, environment: str, side: Side, release: Release) -> None:
        """Make the side ready to start `release`: routes, addresses, model versions."""

    def before_traffic(self, environment: str, side: Side, release: Release, tell: Tell) -> None:
        """Run each service's `before_traffic` once. Raises Refused with its last lines when one fails."""

    def scale(self, environment: str, side: Side, release: Release, tasks: int) -> None:
        """Ask for `tasks` tasks of each service on the side; returns before they are ready. It never stops one."""

    def shift(self, environment: str, candidate: Side, weight: int) -> None:
        """Send `weight` ten-thousandths of the devices to `candidate`, the rest to the other side."""

    def begin_window(self, environment: str) -> None:
        """Forget the latencies seen so far: a candidate is about to take its first client."""

    def retire(self, environment: str, side: Side) -> None:
        """Drain the side's tasks and stop them. Returns when none is left; does nothing where none runs."""

    # -- observing it --------------------------------------------------------------------------------------------

    def observe(self, environment: str, wanted: Mapping[Side, int]) -> Observation:
        """What the tasks and the router say now. `wanted`: how many tasks of each of its services a side needs."""

    def probe(self, environment: str, side: Side, release: Release) -> Sequence[ProbeAnswer]:
        """Send every ready task of the side each probe of its service once."""

    def read_back(self, environment: str, side: Side) -> Sequence[TaskReport]:
        """What serves now, asked of the running tasks themselves."""

    def predictions(self, environment: str, oldest: float) -> Mapping[Side, tuple[TaskPredictions, ...]]:
        """What the tasks of both sides that serve a model have predicted with their release's version.

        Read at most `oldest` seconds ago. Empty unless all of these tasks report it.
        """

    def losses(self, environment: str, since: float) -> Mapping[Side, Losses]:
        """The losses of each side's predictions since then (Unix time), as far as their labels are known."""

    # -- model versions of running tasks -------------------------------------------------------------------------

    def take_model(self, environment: str, side: Side, release: Release) -> None:
        """From now on the side's running tasks belong to `release`, which differs in its model only.

        They switch by themselves. Their answers name the previous release until `label`.
        """

    def assign(self, environment: str) -> None:
        """Tell the tasks of both sides the recorded versions (release, experiment) unless they know them already."""

    def lagging(self, environment: str, side: Side | None = None) -> Sequence[Lagging]:
        """The serving tasks that do not answer with the recorded versions."""

    def label(self, environment: str, side: Side, release: Release) -> None:
        """From now on answers of the side name `release`."""

    def figures(self, environment: str) -> Sequence[TaskFigures]:
        """What each task that serves a model has counted; tasks that report nothing are listed too."""

    # -- what people are shown -----------------------------------------------------------------------------------

    def tasks(self, environment: str, side: Side) -> Sequence[TaskView]:
        """The side's tasks."""

    def lately(self, environment: str, side: Side, release: Release) -> SeenLately:
        """What clients saw in the last minutes of the release on that side."""

    def addresses(self, environment: str) -> tuple[str, str | None]:
        """Where clients reach it: by HTTP, and by HTTPS if it has that."""

    def is_routing(self) -> bool:
        """Whether the part that takes clients' requests is up."""


class Monitoring(Protocol):
    """Runs the monitoring program over an environment's captured traffic, and keeps what it wrote.

    Each raises ShipwayError when the program fails, with its last words.
    """

    def baseline(
        self,
        environment: str,
        release: Release,
        table: str | None,
        window: tuple[float, float] | None,
        tell: Tell,
        time: str | None = None,
        counting: Sequence[str] = (),
        false_alarms: float = 0.05,
        sources: Sequence[str] = (),
    ) -> Kept:
        """Make a baseline of the table, else of the traffic in the window, else of the version's held-out rows.

        `time` is the table's column of times; `false_alarms` the share of its own windows that may alarm in the columns
        `counting`, by default in all. Of traffic, labels of `sources` count; without any, all do.

        Raises UsageError for a table that is not there, Refused for rows that can't be used.
        """

    def look(
        self,
        environment: str,
        release: Release,
        window: tuple[float, float],
        sources: Sequence[str],
        tell: Tell,
        length: str | None = None,
    ) -> Kept:
        """Hold the window, from a Unix time to before another, to the baseline. Raises Refused where there is none.

        `length` says which of the baseline's own windows it is like, if not those of its length.
        """

    def compare(
        self,
        environment: str,
        release: Release,
        champion: str,
        window: tuple[float, float],
        sources: Sequence[str],
        tell: Tell,
    ) -> Mapping[str, Any]:
        """The release's version beside `champion`, its shadow: evaluation.json, as `core.training.evidence` reads it.

        Of the captured rows of the window that both answered, as far as labels of these sources are known; without
        sources all are trusted.
        """

    def newest(self, environment: str) -> MonitorView | None:
        """The view that was kept last."""

    def keep(self, view: MonitorView) -> None:
        """Keep a look as its environment's newest."""


class TrainingSteps(Protocol):
    """Where the data of trainings lies, and where their steps run."""

    def months(self, bucket: str, tables: Sequence[str]) -> Sequence[str]:
        """The months, such as 2013-07, of which every table has data, in order."""

    def run(self, order: StepOrder, tell: Tell) -> StepDone:
        """Carry a step out; one whose result is there, whole, is not repeated.

        A step that outlived whoever started it is waited for: one order never runs twice at a time. Raises ShipwayError
        with the step's own reason when it fails or takes too long.
        """

    def read(self, done: StepDone, file: str) -> Mapping[str, Any]:
        """A JSON file of the result. Raises ShipwayError when it is not there any more."""

    def folder(self, done: StepDone, name: str) -> str:
        """Where a folder of the result lies, for `Models.publish`."""


class Secrets(Protocol):
    """Where the values of secrets are kept. Nothing here answers a value."""

    def list(self, environment: str) -> Sequence[StoredSecret]:
        """What has a value in the environment, by name."""

    def set(self, environment: str, name: str, value: str) -> StoredSecret:
        """Store the value, which `core.secrets.secret` has checked; durable when it returns.

        Raises ShipwayError, and Refused for a name that the target does not take.
        """

    def unset(self, environment: str, name: str) -> None:
        """Forget the value; fine when there is none."""

    def check(self) -> None:
        """Raise Refused where no task could be given a value now, as when the key is lost."""


class FeatureStore(Protocol):
    """The newest record of each id, for each environment. Which is newer, `core.features.record` says.

    What is put or deleted, older records as well, is kept as history for `FeatureHistory`.
    """

    def put(self, environment: str, records: Sequence[Record]) -> Sequence[Record]:
        """Put those online that are no older than what is there, all or none of them; answers these."""

    def get(self, environment: str, group: str, ids: Collection[str]) -> Sequence[Record]:
        """Those that are there, deleted and expired ones as well, in the order of the ids."""

    def delete(self, environment: str, deleted: Record, *, hard: bool) -> bool:
        """Put the deleted record in the place of an older one, or nothing if `hard`; False where it is not older."""

    def counts(self, environment: str, now: float) -> Mapping[str, int]:
        """How many records each group has, neither deleted nor expired."""

    def arrivals(self, environment: str) -> Mapping[str, int]:
        """How many records of each group's history are not in files yet."""


class FeatureHistory(Protocol):
    """All that was ever put, and what was known at any moment. Raises ShipwayError where its program fails."""

    def compact(self, environment: str, groups: Mapping[str, FeatureGroup], tell: Tell) -> Mapping[str, int]:
        """Take what arrived into files; how many records of each group that were. Raises Refused."""

    def join(
        self, environment: str, groups: Mapping[str, FeatureGroup], asked: FeatureJoin, tell: Tell
    ) -> Mapping[str, int]:
        """Write the rows with what these groups knew; `rows`, and for how many of them each group knew something.

        Raises Refused for rows that can't be read, and an output that is there.
        """


class Logs(Protocol):
    """What tasks and builds wrote. Never more lines are kept in memory than are asked for."""

    def owners(self) -> Sequence[Mapping[str, str]]:
        """Whose logs there are: `environment`, `service`, `release`, `task` of each, of tasks that are gone as well."""

    def tasks(self, asked: Asked, owner: Mapping[str, str], checks: Collection[str]) -> Sequence[TaskLine]:
        """The lines of the tasks that have these owners, oldest first. `checks` are the paths of health checks."""

    def build(self, commit: str, asked: Asked) -> Sequence[str]:
        """What the builds and tests of a commit wrote."""


class Store(Protocol):
    """Records by type and id, and two append-only logs. Every write is durable when it returns."""

    def transaction(self) -> AbstractContextManager[None]:
        """All writes inside become visible together, or not at all."""

    def get(self, kind: type[T], id: str) -> T | None:
        """The record, or None."""

    def put(self, id: str, record: object) -> None:
        """Write a record; the last one wins."""

    def delete(self, kind: type[Any], id: str) -> None:
        """Forget a record; one that is not there is no error."""

    def all(self, kind: type[T]) -> list[T]:
        """Every record of a type, by id."""

    def change(self, kind: type[T], id: str, change: Callable[[T], T]) -> T:
        """Read, change and write a record in one transaction. Raises KeyError when there is none."""

    def next_number(self, name: str) -> int:
        """1, 2, 3, …: never the same one twice."""

    def take_lock(self, environment: str, owner: str, now: float, expiry: float) -> Lock | None:
        """Take or keep the environment's lock; None on success, else the lock that stands in the way.

        `now` is a reading of a monotonic clock.
        """

    def release_lock(self, environment: str, owner: str) -> None:
        """Give the lock back, if `owner` holds it."""

    def add_event(self, event: Event) -> None:
        """Append to a run's events."""

    def events(self, run: str, after: int, wait: float = 0.0) -> list[Event]:
        """A run's events after a number; waits up to `wait` seconds for the first."""

    def add_audit(self, entry: AuditEntry) -> None:
        """Append to the audit log."""

    def audit(self, limit: int) -> list[AuditEntry]:
        """The newest entries, newest first."""
