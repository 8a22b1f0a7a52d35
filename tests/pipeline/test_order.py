"""Runs in any interleaving: who enters when, who gives way, and what serves in the end."""

from __future__ import annotations

import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.core.description.app import App, Service
from shipway.core.errors import Refused
from shipway.core.observations.observation import Side
from shipway.core.ports.telling import Tell
from shipway.core.releases.release import Artifact, Commit, Release
from shipway.core.releases.run import Run
from shipway.core.rollouts.records import RolloutRecord
from tests.doubles.builder import FakeBuilder
from tests.doubles.target import FakeTarget
from tests.pipeline.house import APP, House

Fate = Literal["good", "fails its tests", "fails its clients"]
FATES: list[Fate] = ["good", "good", "fails its tests", "fails its clients"]


class SlowBuilder(FakeBuilder):
    """Builds take until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go: dict[str, threading.Event] = {}

    def build(self, commit: Commit, name: str, service: Service, tell: Tell) -> Artifact:
        assert self.let_go[commit.id].wait(20)
        return super().build(commit, name, service, tell)


class World(FakeTarget):
    """Clients of bad commits get errors."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: set[str] = set()

    def scale(self, environment: str, side: Side, release: Release, tasks: int) -> None:
        if release.commit in self.bad:
            self.fail_on |= {release.id}
        super().scale(environment, side, release, tasks)


class Story:
    """Commits of two lines, to prod and to dev alone; a control plane that may be killed; and what came of it."""

    def __init__(self, folder: Path, app: App) -> None:
        self.house = House(folder)
        self.house.target, self.house.workshop = World(), SlowBuilder()
        self.house.app = self.house.described = app
        self.house = House(folder, before=self.house)
        self.fates: dict[str, Fate] = {}
        self.deploy("good", None)
        self.build(0)
        self.settle()

    def deploy(self, fate: Fate, environment: str | None) -> None:
        commit = f"{'c' if environment is None else 'd'}{len(self.fates):03}"
        self.fates[commit] = fate
        workshop, target = self.house.workshop, self.house.target
        assert isinstance(workshop, SlowBuilder)
        assert isinstance(target, World)
        workshop.let_go[commit] = threading.Event()
        if fate == "fails its tests":
            workshop.failing.add(commit)
        if fate == "fails its clients":
            target.bad.add(commit)
        self.house.control.deploy(commit, environment, "bob")

    def build(self, number: int) -> None:
        workshop = self.house.workshop
        assert isinstance(workshop, SlowBuilder)
        held = [event for event in workshop.let_go.values() if not event.is_set()]
        if held:
            held[number % len(held)].set()

    def approve(self, number: int) -> None:
        waiting = [run for run in self.house.all_runs() if run.status == "waiting"]
        with suppress(Refused):
            if waiting:
                self.house.control.answer(waiting[number % len(waiting)].id, approved=True, who="ann", why="fine")

    def retry(self, number: int) -> None:
        ended = [run for run in self.house.all_runs() if not run.live]
        with suppress(Refused):
            self.house.control.retry(ended[number % len(ended)].id, "bob")

    def kill(self) -> None:
        self.house = self.house.killed()

    def settle(self) -> None:
        """Let every build go and approve whatever waits, until nothing is left to do."""
        for number in range(len(self.fates)):
            self.build(number)
        deadline = time.monotonic() + 60
        while any(run.live for run in self.house.all_runs()):
            assert time.monotonic() < deadline, [run for run in self.house.all_runs() if run.live]
            heard = self.house.rollouts.bell.heard
            self.approve(0)
            self.house.rollouts.bell.wait(heard, 0.01)
        assert self.house.engine.join(20)

    def entered(self, environment: str) -> list[tuple[Run, RolloutRecord]]:
        """The runs that began a rollout there, in that order."""
        records = [record for record in self.house.store.all(RolloutRecord) if record.environment == environment]
        return [(self.house.run(r.run or ""), r) for r in sorted(records, key=lambda record: record.started)]

    def serves(self, environment: str) -> str:
        record = self.house.rollouts.record_of(environment)
        release = self.house.store.get(Release, record.described_by or record.stable or "")
        assert release is not None
        return release.commit


def check(story: Story) -> None:
    runs = story.house.all_runs()
    for environment in ("dev", "prod"):
        latest: dict[str, Run] = {}
        for run, record in story.entered(environment):
            line, said = run.commit[0], environment in run.approved
            before = latest.get(line, run)
            assert said or before.order <= run.order, "an older commit followed a newer one"
            assert said or all(int(run.id) >= int(other.id) for other in latest.values()), "not in the order of numbers"
            if record.state.phase == "promoted":
                latest[line] = run
    for run in runs:
        if run.status == "superseded":
            assert any(other.kind == "deploy" and other.order > run.order for other in runs), run
    good = {run.commit for run in runs if story.fates[run.commit] == "good"}
    assert max(commit for commit in good if commit[0] == "c") == story.serves("prod")
    if not any(run.retry_of for run in runs):
        assert max(good, key=lambda commit: int(commit[1:])) == story.serves("dev")


numbers = st.integers(0, 9)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("deploy"), st.sampled_from(FATES), st.sampled_from([None, None, "dev"])),
        st.tuples(st.just("build"), numbers),
        st.tuples(st.just("approve"), numbers),
        st.tuples(st.just("retry"), numbers),
        st.tuples(st.just("kill")),
        st.tuples(st.just("pause"), st.floats(0.0, 0.05)),
    ),
    max_size=14,
)


def without_gate() -> App:
    prod = APP.environments["prod"].model_copy(update={"approval": None})
    return APP.model_copy(update={"environments": {**APP.environments, "prod": prod}})


@pytest.mark.parametrize("app", [APP, without_gate()], ids=["with a gate", "without"])
@settings(max_examples=15)
@given(actions=actions)
def test_the_last_good_commit_serves_in_the_end(app: App, actions: list[tuple[object, ...]]) -> None:
    """Whatever builds take, whatever fails, whenever the daemon dies: runs enter by number, no older after a newer."""
    with tempfile.TemporaryDirectory() as folder:
        story = Story(Path(folder), app)
        for name, *arguments in actions:
            if name == "pause":
                threading.Event().wait(*arguments)  # type: ignore[arg-type]
            else:
                getattr(story, str(name))(*arguments)
        story.settle()
        check(story)
        story.house.close()
