"""The verbs that people have. A target has a desk; whoever carries a verb there knows `who` asks, and tells it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from shipway.core.apps.crashes import Crashes
from shipway.core.daemon.disk import Item
from shipway.core.events import AuditEntry, Event
from shipway.core.experiments.report import ExperimentReport
from shipway.core.features.join import FeatureJoin
from shipway.core.features.record import Record
from shipway.core.logs.asked import Asked
from shipway.core.models.approval import Decision
from shipway.core.models.model_version import ModelVersion
from shipway.core.releases.run import Run
from shipway.core.rollouts.machine import Command
from shipway.core.training.tracked import TrackedRun
from shipway.core.views.bundles import BundleInUseView, OfferingView
from shipway.core.views.environments import DaemonView, RolloutView, StatusView
from shipway.core.views.learning import (
    FeatureGroupView,
    FeaturesCompacted,
    FeaturesJoined,
    FeaturesPut,
    MonitorView,
    Report,
    TrainingView,
)
from shipway.core.views.models import Baked, Decided, ModelStay, ModelsView, ModelView, Promoted, Publishing
from shipway.core.views.releases import Preview, ReleaseView, RunView, TaskLine
from shipway.core.views.secrets import SecretChange, SecretView

Tell = Callable[[str], None]


class Desk(Protocol):
    """What a person can ask of Shipway. Every verb raises ShipwayError: UsageError, or Refused by roles and rules."""

    @property
    def models(self) -> ModelDesk:
        """The verbs of model versions."""

    @property
    def experiments(self) -> ExperimentDesk:
        """The verbs of splits and shadows."""

    @property
    def monitor(self) -> MonitorDesk:
        """The verbs of watching a model's traffic."""

    @property
    def training(self) -> TrainingDesk:
        """The verbs of training the model anew."""

    @property
    def reports(self) -> ReportDesk:
        """The verbs that tell of trainings and versions by pages, and to other programs."""

    @property
    def secrets(self) -> SecretDesk:
        """The verbs of secrets."""

    @property
    def features(self) -> FeatureDesk:
        """The verbs of feature records."""

    @property
    def apps(self) -> AppDesk:
        """The verbs of bundles of the app that devices run."""

    def status(self) -> StatusView:
        """What serves where, what is under way, the newest runs."""

    def runs(self, limit: int) -> Sequence[Run]:
        """The newest runs first."""

    def run(self, id: str) -> RunView:
        """A run with its release and rollouts. Raises UsageError for an unknown one."""

    def events(self, run: str, after: int, wait: float) -> tuple[Run, Sequence[Event]]:
        """What happened after an event's number, and the run then; waits up to `wait` seconds for the first."""

    def deploy(self, revision: str | None, environment: str | None, who: str) -> Run:
        """Start a run for a commit. Raises UsageError for an unknown commit, environment or branch."""

    def preview(self, revision: str | None, environment: str | None) -> Preview:
        """What `deploy` would do with the same words; nothing changes. Raises as that does."""

    def retry(self, id: str, who: str) -> Run:
        """Start a new run for what an ended run was to do. What is built is not built again."""

    def answer(self, id: str, approved: bool, who: str, why: str) -> Run:
        """Approve or reject the gate that a run waits at. Of two answers at the same moment the second is refused."""

    def steer(self, environment: str, command: Command, who: str, why: str) -> RolloutView | None:
        """Pause, resume, promote or abort the rollout under way, and look at it."""

    def roll_back(self, environment: str, who: str, why: str) -> Run:
        """Go back to the release before. While a rollout is under way, that is to abort it: its run is answered."""

    def releases(self, limit: int) -> Sequence[ReleaseView]:
        """The newest releases and where they serve."""

    def logs(self, asked: Asked, owner: Mapping[str, str]) -> Sequence[TaskLine]:
        """Lines of tasks, of those that are gone too, oldest first. Never more are kept in memory than are asked for.

        `owner` narrows them by `environment`, `service`, `release`, `task`. Raises UsageError for a name that nothing
        here has or ever had.
        """

    def build_log(self, run: str, asked: Asked) -> Sequence[str]:
        """The last lines of a run's builds, and what ended it where they do not say so: a command that is not there."""

    def audit(self, limit: int) -> Sequence[AuditEntry]:
        """Who did what, the newest first."""


class ModelDesk(Protocol):
    """What a person can ask about model versions."""

    def list(self) -> ModelsView:
        """Every version with where it serves."""

    def show(self, version: str) -> ModelView:
        """All that is known of a version."""

    def history(self, environment: str | None, at: float | None) -> Sequence[ModelStay]:
        """Which version was current where and when, with who trained, approved and promoted it. The newest first.

        Of one environment or of all; `at` a moment (Unix time), only those that were current then.
        """

    def compare(self, a: str, b: str, tell: Tell) -> Mapping[str, Any]:
        """Both on the same held-out rows, as docs/model-bucket.md describes it."""

    def publish(self, folder: str, version: str | None, who: str, how: Publishing, tell: Tell) -> ModelVersion:
        """Add a training's output as a version."""

    def decide(self, version: str, decision: Decision, who: str, why: str) -> Decided:
        """Approve, reject or archive a version. What serves goes on serving; the same decision again changes nothing.

        Raises UsageError without a reason, Refused where the person or the version's state does not allow it, and for
        archiving what is in use.
        """

    def promote(self, version: str, environments: Sequence[str], who: str, why: str, *, canary: bool) -> Promoted:
        """Make a version the current one in each environment that runs, or in those named, and for new releases."""

    def promote_for_releases(self, version: str, who: str, why: str) -> Promoted:
        """Let new releases take a version, while what runs keeps its own: for a model that takes other requests."""

    def roll_back(self, environments: Sequence[str], who: str, why: str) -> Promoted:
        """Promote the version that was current before. Raises Refused when it was rejected or archived since."""

    def bake(self, version: str, service: str | None, into: str | None, who: str) -> Baked:
        """Copy a version into a service's folder in the work tree, to be committed and deployed like code."""


class ExperimentDesk(Protocol):
    """Versions tried out beside a release's own. Every verb answers how the experiment does then."""

    def show(self, environment: str) -> ExperimentReport:
        """How the versions do, asked of the tasks now."""

    def split(self, environment: str, shares: Sequence[str], who: str, why: str) -> ExperimentReport:
        """Let versions answer their shares (`v1.2=10%`); what is not named answers nobody any more."""

    def end_split(self, environment: str, who: str, why: str) -> ExperimentReport:
        """Let stable answer everyone."""

    def shadow(self, environment: str, version: str, percent: float, who: str, why: str) -> ExperimentReport:
        """Let a version see a share of the requests without answering any."""

    def end_shadow(self, environment: str, who: str, why: str) -> ExperimentReport:
        """Let no version listen in any more."""


class MonitorDesk(Protocol):
    """Whether what a model is asked and answers is still what it was. Times are Unix time; the end is not in a window."""

    def baseline(
        self,
        environment: str,
        table: str | None,
        since: float | None,
        until: float | None,
        who: str,
        tell: Tell,
        time: str | None = None,
    ) -> MonitorView:
        """Make the baseline of the environment's model: of a table, or of a window of its own traffic.

        `time` names the table's column of times. With neither it is made of the version's held-out rows. Raises Refused where there are none that can be used,
        UsageError for a table that is not there.
        """

    def look(
        self,
        environment: str,
        since: float | None,
        until: float | None,
        who: str,
        tell: Tell,
        length: str | None = None,
    ) -> MonitorView:
        """Hold a window of the traffic, by default the last day, to the baseline. Raises Refused without one.

        `length` (day, week, month) says which of the baseline's own windows it is like, if not those of its length.
        """

    def show(self, environment: str) -> MonitorView:
        """The newest look. Raises Refused where there was none."""


class TrainingDesk(Protocol):
    """Training the app's model anew, as runs of the kind `train`."""

    def start(
        self, begin: str | None, end: str | None, revision: str | None, who: str, why: str,
        trials: int | None = None, jobs: int | None = None,
    ) -> Run:  # fmt: skip
        """Train what a commit describes on the months from `begin` until `end`, which the model is tested on.

        `trials` of a search for parameters come first, `jobs` at a time; by default as the commit's shipway.yaml says.
        Raises UsageError for what is no month, or a commit that trains no model or says of no parameter how it may vary.
        """

    def resume(self, id: str, who: str) -> Run:
        """Train again what an ended run was to train, on the same commit and months. What is done is not repeated."""

    def list(self, limit: int) -> Sequence[TrainingView]:
        """The newest trainings first."""

    def show(self, id: str) -> TrainingView:
        """One of them. Raises UsageError for an unknown one."""


class ReportDesk(Protocol):
    """Trainings and versions as pages, and as records for an experiment tracker.

    Of trainings each raises UsageError for an unknown one, Refused for one that has not ended.
    """

    def training(self, id: str, tell: Tell) -> Report:
        """What the gate said and why, challenger beside champion, search, bias, steps."""

    def pair(self, a: str, b: str, tell: Tell) -> Report:
        """Two trainings side by side."""

    def bias(self, id: str, tell: Tell) -> Report:
        """The bias that a training found, in full. Raises Refused for one that looked at no groups."""

    def card(self, version: str, tell: Tell) -> Report:
        """What is known of a version, whoever made it. Raises UsageError for an unknown one."""

    def tracked(self, id: str, tell: Tell) -> TrackedRun:
        """A training as experiment trackers keep it; `newest` is the one that ended last."""


class SecretDesk(Protocol):
    """Values that services get as environment variables. They go in here and never come out: there is no `get`.

    Every verb raises UsageError for an unknown environment or what is no variable's name.
    """

    def list(self, environment: str) -> Sequence[SecretView]:
        """Every secret that has a value there, or that a service names, by name."""

    def set(self, environment: str, name: str, value: str, who: str, why: str) -> SecretChange:
        """Give it this value, for tasks that are started from now on.

        Raises UsageError for a value that is empty, larger than 64 KiB or no text.
        """

    def unset(self, environment: str, name: str, who: str, why: str) -> SecretChange:
        """Forget its value; one that has none is no error. Raises Refused while a service names it."""


class FeatureDesk(Protocol):
    """Records of the feature store, of each the newest online. Raises UsageError for unknown names and wrong values."""

    def groups(self, environment: str) -> Sequence[FeatureGroupView]:
        """Every group, and how many records it has online."""

    def put(self, environment: str, group: str, records: Sequence[Mapping[str, object]], who: str) -> FeaturesPut:
        """Put whole records, 100 at most: what one leaves out is null. An older one than what is online is history."""

    def get(self, environment: str, group: str, ids: Sequence[str], names: Sequence[str]) -> Sequence[Record]:
        """Those that are online, 100 at most; with `names` only these features."""

    def delete(self, environment: str, group: str, id: str, at: str, who: str, *, hard: bool) -> None:
        """Delete a record as of a moment. Raises Refused where the record is of that moment or a later one.

        `hard`: as if there had never been one. Else older records do not come back.
        """

    def compact(self, environment: str, tell: Tell) -> FeaturesCompacted:
        """Take what was put since the last time into files."""

    def join(self, environment: str, asked: FeatureJoin, tell: Tell) -> FeaturesJoined:
        """Write rows with what groups knew at each row's time. Raises Refused for rows that can't be read."""


class AppDesk(Protocol):
    """Bundles of the app that devices run, and which of them an environment's devices are offered.

    Every verb raises UsageError where shipway.yaml describes no such app, and for an unknown environment.
    """

    def list(self) -> Sequence[BundleInUseView]:
        """Every bundle, the newest first, and what it is where."""

    def show(self, environment: str) -> OfferingView:
        """What its devices are offered, and what became of that, asked of what answers them."""

    def crashes(self, environment: str) -> Crashes:
        """Uncaught errors on its devices, by bundle and place, and web vitals. Raises ShipwayError where nothing tells."""

    def promote(self, environment: str, version: str | None, who: str, why: str) -> OfferingView:
        """Offer a bundle, by default the one on its way, to every device at once.

        Raises Refused for one that does not fit the API that serves, UsageError for an unknown one.
        """

    def split(self, environment: str, share: str, who: str, why: str) -> OfferingView:
        """Offer a bundle to a fixed share of the devices (`1.0.0-4f53cda18c2b=10%`). Raises as `promote` does."""

    def pause(self, environment: str, who: str, why: str, *, off: bool) -> OfferingView:
        """Let the bundle on its way stay at its share; `off`: let it go on. It is judged all the same."""

    def roll_back(self, environment: str, who: str, why: str) -> OfferingView:
        """Take back the bundle on its way, else the stable one: devices are given the one before."""


class ControlPlane(Protocol):
    """A desk with a life of its own, on a machine: what only the daemon has."""

    @property
    def desk(self) -> Desk:
        """Its verbs."""

    def life(self) -> DaemonView:
        """How it is."""

    def start(self) -> None:
        """Take over what runs, then go on with the runs that were under way."""

    def caller(self, user: int, process: int, *, decides: bool) -> str:
        """The name of the user of this machine who asks by that process, 0 where the system does not tell which.

        Raises Refused where Shipway itself has started it and it `decides` something.
        """

    def reload(self, who: str, uncommitted: bool) -> tuple[bool, Mapping[str, str]]:
        """Read shipway.yaml again: whether anything changed, and what of roles and approvals.

        Raises Refused for roles and approvals that were never committed, unless `uncommitted` asks for them.
        """

    def prunable(self) -> Sequence[Item]:
        """What nobody needs any more, oldest first."""

    def prune(self, who: str) -> Sequence[Item]:
        """Remove it; what is gone."""

    def log(self, asked: Asked) -> Sequence[str]:
        """Its own last lines."""

    def stop(self, *, keep_tasks: bool) -> None:
        """Begin nothing more; without `keep_tasks` the app stops serving, too."""
