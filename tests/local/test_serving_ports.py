"""Which tasks the router gets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shipway.local.routes import serving_ports
from shipway.local.tasks.supervisor import State, TaskStatus


@pytest.fixture
def task(make_spec):
    def make(port: int, state: State, *, silent: bool = False) -> TaskStatus:
        return TaskStatus(replace(make_spec(f"task-{port}"), port=port), None, state, 0, 0.0, silent=silent)

    return make


def test_tasks_that_were_ready_take_traffic(task):
    """Unready ones too, as the router asks them itself; those that start, drain or crashed never."""
    states = [(1, "ready"), (2, "unready"), (3, "starting"), (4, "draining"), (5, "backing_off"), (6, "crashed")]
    assert {"task-1": 1, "task-2": 2} == serving_ports([task(*state) for state in states])


def test_a_silent_task_is_left_out(task):
    """It would keep requests waiting, and others answer."""
    assert {"task-1": 1} == serving_ports([task(1, "ready"), task(2, "unready", silent=True)])


def test_silent_tasks_are_better_than_none(task):
    """When all are silent, as on a machine that stands still for a while, requests wait for them."""
    assert {"task-1": 1} == serving_ports([task(1, "unready", silent=True)])
