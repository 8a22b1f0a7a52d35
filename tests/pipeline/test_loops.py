"""The daemon's loops: nothing ends them, and what is wrong with one is known."""

from __future__ import annotations

import threading
import time

import pytest

from shipway.core.daemon.loops import Loop
from shipway.core.errors import ShipwayError
from shipway.pipeline.loops import Loops
from tests.waiting import wait_for


@pytest.fixture
def stopping():
    stopping = threading.Event()
    yield stopping
    stopping.set()


@pytest.mark.parametrize(
    ("loop", "fault"),
    [
        (Loop("tasks", "watches tasks", 10.0), ""),
        (Loop("tasks", "watches tasks", 10.0, quiet=10.0), ""),
        (Loop("tasks", "watches tasks", 10.0, quiet=11.0), "has been stuck for 11 s"),
        (Loop("tasks", "watches tasks", 10.0, alive=False), "has ended"),
        (Loop("tasks", "watches tasks", 10.0, failing_for=2.9, trouble="disk full"), ""),
        (Loop("tasks", "watches tasks", 10.0, failing_for=3.0, trouble="disk full"), "has failed for 3 s: disk full"),
    ],
)
def test_a_loop_is_faulty_when_it_ended_is_stuck_or_goes_on_failing(loop, fault):
    """One failed look is none: the next one makes it good."""
    assert fault == loop.fault


@pytest.mark.parametrize("error", [ShipwayError("no"), OSError("disk full"), AssertionError("a bug"), KeyError("x")])
def test_no_exception_ends_a_loop(stopping, error):
    """Whatever a look raises, the next one comes, and forgets the trouble when it succeeds."""
    looks = []

    def look() -> None:
        looks.append(1)
        if len(looks) < 3:
            raise error

    loops = Loops(stopping, time.monotonic)
    loops.start("tasks", "watches tasks", look, lambda: 0.001, 10.0)
    wait_for(lambda: len(looks) > 3)
    (loop,) = loops.now()
    assert (True, "", 0.0) == (loop.alive, loop.trouble, loop.failing_for)


def test_a_loop_that_is_stuck_or_failing_is_told(stopping):
    """By how long ago its last look ended, and for how long its looks fail."""
    now = [0.0]
    fails, hangs, ended = threading.Event(), threading.Event(), threading.Event()

    def look() -> None:
        if hangs.is_set():
            ended.wait(10)
        if fails.is_set():
            raise OSError("disk full")

    loops = Loops(stopping, lambda: now[0])
    loops.start("tasks", "watches tasks", look, lambda: 0.001, 10.0)
    fails.set()
    wait_for(lambda: loops.now()[0].trouble)
    now[0] = 5.0
    wait_for(lambda: "has failed for 5 s: OSError: disk full" == loops.now()[0].fault)
    hangs.set()
    now[0] = 20.0
    wait_for(lambda: "has been stuck for" in loops.now()[0].fault)
    ended.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ended_is_told(stopping):
    """Even if nothing should be able to end one."""

    def look() -> None:
        raise SystemExit

    loops = Loops(stopping, time.monotonic)
    loops.start("tasks", "watches tasks", look, lambda: 0.001, 10.0)
    wait_for(lambda: "has ended" == loops.now()[0].fault)
