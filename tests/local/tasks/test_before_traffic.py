"""What services do before traffic, side by side."""

from __future__ import annotations

import threading

import pytest

from shipway.core.errors import Refused
from shipway.local.tasks.before_traffic import AT_ONCE, run_all
from tests.waiting import PATIENCE


def test_services_do_not_wait_for_one_another() -> None:
    """Each goes on only once all have begun."""
    together = threading.Barrier(AT_ONCE, timeout=PATIENCE)
    done: list[str] = []

    def run(service: str) -> None:
        together.wait()
        done.append(service)

    services = [f"s{number}" for number in range(AT_ONCE)]
    run_all(services, run, pytest.fail)
    assert services == sorted(done)


def test_a_failure_ends_all_once_what_had_begun_is_done() -> None:
    """It is raised when the others have ended; what did not begin never does."""
    begun, failed, ended = threading.Event(), threading.Event(), threading.Event()

    def run(service: str) -> None:
        if service == "slow":
            begun.set()
            assert failed.wait(PATIENCE)
            ended.set()
        elif service == "bad":
            assert begun.wait(PATIENCE)
            failed.set()
            raise Refused("bad: before_traffic failed with exit code 1")

    with pytest.raises(Refused, match="bad: before_traffic"):
        run_all(["slow", "bad"], run, pytest.fail)
    assert ended.is_set()


def test_of_two_failures_one_is_raised_and_the_other_told() -> None:
    """Always the first service's, whichever failed first."""
    second = threading.Event()
    told: list[str] = []

    def run(service: str) -> None:
        if service == "a":
            assert second.wait(PATIENCE)
        second.set()
        raise Refused(f"{service} failed")

    with pytest.raises(Refused, match="a failed"):
        run_all(["a", "b"], run, told.append)
    assert ["b failed"] == told


def test_after_a_failure_nothing_begins() -> None:
    """As many as run at once had begun by then, and no more do."""
    together = threading.Barrier(AT_ONCE, timeout=PATIENCE)
    services = [f"s{number}" for number in range(AT_ONCE + 4)]
    begun: list[str] = []

    def run(service: str) -> None:
        begun.append(service)
        together.wait()
        raise Refused(service)

    with pytest.raises(Refused, match=services[0]):
        run_all(services, run, lambda line: None)
    assert services[:AT_ONCE] == sorted(begun)
