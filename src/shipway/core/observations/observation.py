"""What observers report: the tasks of both sides and what clients saw of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shipway.core.observations.losses import Losses
from shipway.core.observations.predictions import TaskPredictions

Side = Literal["blue", "green"]
SIDES: tuple[Side, Side] = ("blue", "green")


def other(side: Side) -> Side:
    """The opposite side."""
    return "green" if side == "blue" else "blue"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What clients saw of one side, counted by the router since the router started.

    `requests` and `errors` only grow while `epoch` stays the same; `errors` are 5xx answers and requests that
    got none. A request counts from its arrival on. `latencies` are sampled seconds until the head of an answer, since
    the rollout's first shift. `waiting` are the seconds that requests under way have waited for theirs so far; those
    that came less than a second ago are left out.
    """

    requests: int = 0
    errors: int = 0
    latencies: tuple[float, ...] = ()
    epoch: str = ""
    worst: str = ""
    waiting: tuple[float, ...] = ()

    def hanging(self, patience: float) -> int:
        """How many requests under way have waited longer than `patience` seconds."""
        return sum(seconds > patience for seconds in self.waiting)


@dataclass(frozen=True, slots=True)
class Tasks:
    """One side's tasks: how many are wanted of every service, and the fewest that any service has ready.

    `crash` is the reason of a task that exited before it was ever ready.
    """

    wanted: int = 0
    ready: int = 0
    crash: str | None = None

    @property
    def full(self) -> bool:
        """Whether the side can carry all of the traffic."""
        return self.wanted > 0 and self.ready >= self.wanted


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at an environment. `now` is seconds on a clock that survives a restart (Unix time).

    `probes` are the app's own requests, sent to the candidate alone; they only count where clients sent too few, and
    `probed` says that some were sent just now. `predictions` are empty unless every task with a model reports them;
    `losses` are those whose labels are known.
    """

    now: float
    tasks: Mapping[Side, Tasks] = field(default_factory=dict)
    traffic: Mapping[Side, Traffic] = field(default_factory=dict)
    probes: Traffic = Traffic()
    probed: bool = False
    predictions: Mapping[Side, tuple[TaskPredictions, ...]] = field(default_factory=dict)
    losses: Mapping[Side, Losses] = field(default_factory=dict)

    def tasks_of(self, side: Side) -> Tasks:
        """The side's tasks; none when nothing runs there."""
        return self.tasks.get(side, Tasks())

    def traffic_of(self, side: Side) -> Traffic:
        """The side's traffic; none when nothing was seen."""
        return self.traffic.get(side, Traffic())


@dataclass(frozen=True, slots=True)
class TaskReport:
    """One running task as it was read back."""

    task: str
    service: str
    artifact: str
    model_version: str | None
    ready: bool


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task as people see it. `state` is "ready", or the target's word for what it is instead; `note` says why."""

    task: str
    service: str
    state: str
    restarts: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """How one probe went: `failure` is empty when the answer was the expected one."""

    seconds: float
    failure: str = ""


def count_probes(before: Traffic, answers: tuple[ProbeAnswer, ...]) -> Traffic:
    """The probes' traffic with these answers added; the newest thousand latencies are kept."""
    failures = [answer.failure for answer in answers if answer.failure]
    return Traffic(
        requests=before.requests + len(answers),
        errors=before.errors + len(failures),
        latencies=(before.latencies + tuple(answer.seconds for answer in answers))[-1000:],
        worst=failures[-1] if failures else before.worst,
    )


@dataclass(frozen=True, slots=True)
class Lagging:
    """A task that does not serve what is recorded, and what it `says` instead; `refuses`: it tried to and could not."""

    task: str
    says: str
    refuses: bool = False
