"""A control plane that is killed at any of its writes: the next one goes on from what is recorded."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from shipway.core.errors import Refused
from shipway.core.releases.run import Run
from tests.pipeline.house import House, Killed


def to_the_end(house: House, ask: str) -> Run:
    """Ask for it, if nobody has yet, and approve whatever waits until the newest run has ended."""
    if not house.all_runs() or house.all_runs()[0].kind != ask:
        asked = {
            "deploy": lambda: house.control.deploy("c1", None, "bob"),
            "rollback": lambda: house.control.roll_back("prod", "ann", "worse"),
            "model": lambda: house.control.models.promote("v1.1", [], "ann", "better").run,
        }
        asked[ask]()
    (run, *_) = house.all_runs()
    while (run := house.run(run.id)).live:
        heard = house.rollouts.bell.heard
        if house.store.dead:
            raise Killed
        if run.status == "waiting" and run.gate is not None and run.gate.answer is None:
            with suppress(Refused):
                house.control.answer(run.id, approved=True, who="ann", why="fine")
        house.rollouts.bell.wait(heard, 0.005)
    return run


def killed_at(write: int, before: House, ask: str) -> House:
    """A house in which `ask` was carried out, though its control plane died at that write of it."""
    house = House(before.root, before=before, last=write)
    with suppress(Killed):
        to_the_end(house, ask)
        house.engine.join(20)
        return house
    house.engine.join(0.1)
    return house.killed()


@pytest.mark.parametrize(("ask", "step"), [("deploy", 2), ("rollback", 3), ("model", 5)])
def test_a_run_goes_on_from_its_record(tmp_path: Path, ask: str, step: int) -> None:
    """Killed at any write, each environment is changed once, each gate is asked once, and the run succeeds."""
    write, died = 1, True
    while died:
        folder = tmp_path / str(write)
        folder.mkdir()
        before = House(folder)
        if ask != "deploy":
            for commit in ("c1", "c2"):
                before.release(commit)
        before.engine.join(20)
        before.store.close()
        house = killed_at(write, before, ask)
        died = house.store._last is None
        run = to_the_end(house, ask)
        assert ("succeeded", run.path) == (run.status, run.done), (write, run)
        events = [event.text for event in house.store.events(run.id, 0)]
        assert (ask == "deploy") == (1 == len([text for text in events if text.startswith("waits for approval")])), (
            write
        )
        assert 1 == len([text for text in events if text.startswith("done: ")]), (write, events)
        for environment in run.path:
            promoted = [e for e in house.store.audit(99) if (e.action, e.environment) == ("promoted", environment)]
            assert {"deploy": 1, "rollback": 3, "model": 3}[ask] == len(promoted), (write, environment)
            assert run.release is not None
            assert house.rollouts.record_of(environment).rollout is None
        assert run.release == house.rollouts.record_of("prod").stable
        house.close()
        write += step
    assert write > 15
