"""Where an app runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shipway.core.experiments.figures import TaskFigures
from shipway.core.observations.losses import Losses
from shipway.core.observations.observation import Lagging, Observation, ProbeAnswer, Side, TaskReport, TaskView
from shipway.core.observations.predictions import TaskPredictions
from shipway.core.ports.telling import Tell
from shipway.core.releases.release import Release
from shipway.core.verdicts.lately import SeenLately


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
        """Run each service's `before_traffic` once, in any order or side by side.

        Raises Refused with its last lines when one fails.
        """

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
