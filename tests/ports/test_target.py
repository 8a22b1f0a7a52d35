"""What the pipeline relies on of a target: of the one of this machine, and of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from target_bench import BROKEN, ENVIRONMENTS, Bench, in_memory, on_this_machine

from shipway.core.errors import Refused
from shipway.core.experiments.experiment import Experiment
from shipway.core.observations.observation import SIDES, Observation, Side
from shipway.core.ports.target import Target
from shipway.core.releases.release import Release
from tests.waiting import wait_for

DEVICES = [f"device {n}" for n in range(200)]


@dataclass
class Place:
    """An environment of its own for one test."""

    bench: Bench
    name: str

    @property
    def target(self) -> Target:
        return self.bench.target

    def start(self, side: Side, release: Release, tasks: int = 1) -> Release:
        """Bring the release up there."""
        self.target.prepare(self.name, side, release)
        self.target.scale(self.name, side, release, tasks)
        wait_for(lambda: self.look().tasks_of(side).ready >= tasks, f"{tasks} tasks of {release.id}")
        return release

    def serve(self, tasks: int = 1, **quirks: str) -> Release:
        """A release on blue that has all clients."""
        release = self.start("blue", self.bench.release(**quirks), tasks)
        self.target.shift(self.name, "blue", 10_000)
        return release

    def look(self, **wanted: int) -> Observation:
        return self.target.observe(self.name, wanted)  # type: ignore[arg-type]

    def ask(self, times: int) -> list[tuple[int, str | None]]:
        return [self.bench.ask(self.name, DEVICES[n % len(DEVICES)]) for n in range(times)]

    def met(self) -> dict[str, str | None]:
        """Each device with the release that answers it."""
        return {device: self.bench.ask(self.name, device)[1] for device in DEVICES}

    def names(self, side: Side) -> list[str]:
        return [task.task for task in self.target.tasks(self.name, side)]

    def follows(self) -> None:
        wait_for(lambda: not self.target.lagging(self.name), "every task follows")


@pytest.fixture(scope="module", params=[in_memory, on_this_machine], ids=["in memory", "this machine"])
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Each of the two, once for all tests."""
    with request.param(tmp_path_factory.mktemp("target")) as bench:
        yield bench


@pytest.fixture(scope="module")
def unused(bench: Bench) -> Iterator[str]:
    """The environments that no test had yet."""
    return iter([f"e{n}" for n in range(ENVIRONMENTS)])


@pytest.fixture
def place(bench: Bench, unused: Iterator[str]) -> Iterator[Place]:
    place = Place(bench, next(unused))
    yield place
    for side in SIDES:
        bench.target.retire(place.name, side)


# -- tasks -----------------------------------------------------------------------------------------------------------


def test_tasks_come_when_they_are_asked_for(place: Place) -> None:
    """A side that is only prepared has none; the look says how many were wanted, and whether that is enough."""
    release = place.bench.release()
    place.target.prepare(place.name, "blue", release)
    assert (3, 0, False) == ((seen := place.look(blue=3).tasks_of("blue")).wanted, seen.ready, seen.full)
    assert [] == place.target.tasks(place.name, "blue")
    place.start("blue", release, 2)
    assert (2, 2, True) == ((seen := place.look(blue=2).tasks_of("blue")).wanted, seen.ready, seen.full)
    assert [("ml", "ready")] * 2 == [(task.service, task.state) for task in place.target.tasks(place.name, "blue")]
    assert (0, 0) == ((other := place.look(blue=2).tasks_of("green")).wanted, other.ready)


def test_asking_again_starts_what_is_missing_and_stops_nothing(place: Place) -> None:
    """The driver asks after each restart of its own, and for fewer tasks on no account."""
    release = place.start("blue", place.bench.release(), 2)
    names = place.names("blue")
    for tasks in (2, 1):
        place.target.scale(place.name, "blue", release, tasks)
        assert (names, 2) == (place.names("blue"), place.look().tasks_of("blue").ready)
    place.start("blue", release, 3)
    assert names == place.names("blue")[:2]


def test_a_task_that_ends_before_it_was_ready_is_a_crash(place: Place) -> None:
    """With its service and its last words; the other side hears nothing of it."""
    place.serve()
    release = place.bench.release(CRASHES="1")
    place.target.prepare(place.name, "green", release)
    place.target.scale(place.name, "green", release, 1)
    crash = wait_for(lambda: place.look().tasks_of("green").crash)
    assert crash.startswith("ml exit code 1")
    assert "boom" in crash
    assert (1, None) == ((blue := place.look().tasks_of("blue")).ready, blue.crash)


def test_what_a_release_does_before_traffic_is_told_and_may_refuse(place: Place) -> None:
    """A migration that fails is a refusal with its exit code."""
    told: list[str] = []
    for quirks in ({}, {"NO_TABLE": "1"}):
        release = place.bench.release(**quirks)
        place.target.prepare(place.name, "blue", release)
        if not quirks:
            place.target.before_traffic(place.name, "blue", release, told.append)
    assert ["ml: python -S -E before.py"] == told
    with pytest.raises(Refused, match="before_traffic failed with exit code 1"):
        place.target.before_traffic(place.name, "blue", release, told.append)


def test_a_retired_side_has_nothing_left(place: Place) -> None:
    """It returns when the last task has gone; where there is none, there is nothing to do."""
    place.start("green", place.bench.release(), 2)
    place.target.retire(place.name, "green")
    assert ([], []) == (place.names("green"), place.target.read_back(place.name, "green"))
    assert 0 == place.look().tasks_of("green").ready
    place.target.retire(place.name, "green")


# -- clients ---------------------------------------------------------------------------------------------------------


def test_devices_move_to_the_candidate_and_stay_there(place: Place) -> None:
    """None at weight 0, all at 10,000; whoever moved at a small weight has moved at a larger one."""
    stable, candidate = place.serve(), place.start("green", place.bench.release())
    met: dict[int, set[str]] = {}
    for weight in (0, 2500, 5000, 10_000):
        place.target.shift(place.name, "green", weight)
        answers = place.met()
        assert {stable.id, candidate.id} >= set(answers.values())
        met[weight] = {device for device, release in answers.items() if release == candidate.id}
        assert answers == place.met()
    assert (0, len(DEVICES)) == (len(met[0]), len(met[10_000]))
    assert set() < met[2500] < met[5000] < met[10_000]


def test_requests_are_counted_on_the_side_that_answered(place: Place) -> None:
    """With those that failed, in one epoch; what came before the candidate's first client can be told apart."""
    place.serve()
    place.start("green", place.bench.release(FAILS="1"))
    before = place.look()
    assert {200} == {status for status, _ in place.ask(20)}
    place.target.shift(place.name, "green", 10_000)
    assert {500} == {status for status, _ in place.ask(30)}
    after = place.look()
    gained = {
        side: (now.requests - then.requests, now.errors - then.errors, now.epoch == then.epoch)
        for side in SIDES
        if (now := after.traffic_of(side), then := before.traffic_of(side))
    }
    assert {"blue": (20, 0, True), "green": (30, 30, True)} == gained


def test_latencies_are_those_of_the_window(place: Place) -> None:
    """A new window forgets what was slow before; nobody waits for an answer where all have theirs."""
    place.serve()
    place.ask(20)
    wait_for(lambda: place.look().traffic_of("blue").latencies, "latencies are seen")
    assert () == place.look().traffic_of("green").latencies

    def is_empty() -> bool:
        place.target.begin_window(place.name)
        return not place.look().traffic_of("blue").latencies

    # A router may tell of an answer a moment after it was given.
    wait_for(is_empty, "a new window is empty")
    place.ask(20)
    latencies = wait_for(lambda: place.look().traffic_of("blue").latencies, "latencies are seen again")
    assert all(0 <= seconds < 60 for seconds in latencies)
    assert 0 == place.look().traffic_of("blue").hanging(60)


def test_each_ready_task_is_probed(place: Place) -> None:
    """Once for each of its service's probes; the other side's are not, and clients' counts stay as they are."""
    release = place.start("blue", place.bench.release(), 2)
    counted = place.look().traffic_of("blue").requests
    assert ["", ""] == [answer.failure for answer in place.target.probe(place.name, "blue", release)]
    assert [] == list(place.target.probe(place.name, "green", release))
    assert counted == place.look().traffic_of("blue").requests


# -- what serves, and with which model -------------------------------------------------------------------------------


def test_tasks_say_what_they_serve(place: Place) -> None:
    """The artifact and the model version, each for itself."""
    release = place.start("blue", place.bench.release("v1.3"), 2)
    reports = place.target.read_back(place.name, "blue")
    digest = release.artifacts["ml"].digest
    assert [("ml", digest, "v1.3", True)] * 2 == [(r.service, r.artifact, r.model_version, r.ready) for r in reports]
    assert place.names("blue") == sorted(report.task for report in reports)
    assert [] == list(place.target.read_back(place.name, "green"))


def test_running_tasks_take_another_model(place: Place) -> None:
    """No task is started; answers name the release before until they are labelled anew, and then the new one."""
    before, names = place.serve(tasks=2), place.names("blue")
    after = replace(place.bench.release("v1.1"), artifacts=before.artifacts)
    place.target.take_model(place.name, "blue", after)
    place.follows()
    assert {"v1.1"} == {report.model_version for report in place.target.read_back(place.name, "blue")}
    assert {(200, before.id)} == set(place.ask(20))
    place.target.label(place.name, "blue", after)
    assert {(200, after.id)} == set(place.ask(20))
    assert names == place.names("blue")
    place.target.scale(place.name, "blue", after, 2)
    assert names == place.names("blue")


def test_a_model_that_no_task_loads_is_told_and_can_be_taken_back(place: Place) -> None:
    """Every task names its reason and goes on with what it had."""
    before, broken = place.serve(tasks=2), place.bench.release(BROKEN)
    place.target.take_model(place.name, "blue", broken)
    lagging = wait_for(
        lambda: (found := place.target.lagging(place.name, "blue")) and all(task.refuses for task in found) and found
    )
    assert place.names("blue") == [task.task for task in lagging]
    assert all("broken" in task.says for task in lagging)
    assert {(200, before.id)} == set(place.ask(20))
    assert {"v1.0"} == {report.model_version for report in place.target.read_back(place.name, "blue")}
    place.target.take_model(place.name, "blue", before)
    place.follows()


def test_tasks_follow_an_experiment_once_they_are_told(place: Place) -> None:
    """What is only recorded is not followed yet, which is no refusal; a side with another model has nothing to do."""
    place.serve()
    place.start("green", place.bench.release("v2.0"))
    place.follows()
    place.bench.store.put(place.name, Experiment(place.name, "v1.0", (("v1.1", 10.0),)))
    assert [False] == [task.refuses for task in place.target.lagging(place.name)]
    assert [] == list(place.target.lagging(place.name, "green"))
    place.target.assign(place.name)
    place.follows()
    shares = [figures.shares for figures in place.target.figures(place.name)]
    assert [{"v1.0": 90.0, "v1.1": 10.0}, {"v2.0": 100.0}] == shares
    place.bench.store.delete(Experiment, place.name)
    place.target.assign(place.name)
    place.follows()


def test_an_experiment_with_a_broken_version_is_refused_by_name(place: Place) -> None:
    """The release's own version goes on answering."""
    place.serve()
    place.bench.store.put(place.name, Experiment(place.name, "v1.0", ((BROKEN, 10.0),)))
    place.target.assign(place.name)
    wait_for(lambda: [True] == [task.refuses for task in place.target.lagging(place.name)], "the task refuses")
    assert ["v1.0"] == [report.model_version for report in place.target.read_back(place.name, "blue")]
    place.bench.store.delete(Experiment, place.name)


def test_predictions_are_told_by_all_or_by_nobody(place: Place) -> None:
    """Each task's since it began; where one does not tell, what is known of the others is no comparison."""
    place.serve(tasks=2)
    place.ask(20)
    told = place.target.predictions(place.name, 0.0)
    assert {"blue": 2, "green": 0} == {side: len(tasks) for side, tasks in told.items()}
    assert 20 == sum(task.predictions.count for task in told["blue"])
    assert {task.task for task in told["blue"]} == set(place.names("blue"))
    place.start("green", place.bench.release(MUTE="1"))
    assert {} == place.target.predictions(place.name, 0.0)


def test_a_task_that_does_not_tell_its_figures_is_listed(place: Place) -> None:
    """So that nobody takes those that do for all there are."""
    place.serve(MUTE="1")
    assert [(*place.names("blue"), None, None)] == [
        (figures.task, figures.shares, figures.figures) for figures in place.target.figures(place.name)
    ]


# -- people ----------------------------------------------------------------------------------------------------------


def test_people_see_what_clients_saw_of_a_release(place: Place) -> None:
    """Of the last minutes, service by service; another release on that side begins with nothing."""
    release = place.serve()
    place.target.lately(place.name, "blue", release)
    place.ask(20)
    seen = place.target.lately(place.name, "blue", release).services["ml"]
    assert (20, 0) == (seen.requests, seen.errors)
    assert 0 == place.target.lately(place.name, "green", place.bench.release()).services["ml"].requests


def test_people_see_where_clients_reach_it(place: Place) -> None:
    """An address for HTTP, none for HTTPS where none is described."""
    http, https = place.target.addresses(place.name)
    assert (True, None, True) == (http.startswith("http://"), https, place.target.is_routing())
