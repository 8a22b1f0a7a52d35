"""The rules of a device and its bundles, over time that the tests tell."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app_updates.contract.bundles import BUILTIN, Offer
from app_updates.rules import (
    DAY,
    MOST_SESSIONS,
    MOST_TRIALS,
    SILENT,
    Device,
    Shelf,
    check_in,
    erred,
    offered,
    reported,
    spoke,
)
from tests.bundles import described

A, B = described(b"a", "a"), described(b"b", "b")
SHELF = Shelf({A.version: A, B.version: B})
BOTH = Offer(stable=A.version, candidate=B.version, percent=100)


def asks(device: Device, running: str, now: float, offer: Offer = BOTH, shelf: Shelf = SHELF) -> str | None:
    check_in(device, running, "1.0.0.1", now)
    return offered(device, offer, shelf, now)


def test_slow_start_refutes_silence() -> None:
    """A page that speaks late has started: the device is offered the bundle again, and counts as started."""
    device = Device("d")
    assert B.version == asks(device, A.version, 0)
    asks(device, B.version, 10)
    assert A.version == asks(device, B.version, 50)
    assert SILENT == device.trials[B.version].reason
    spoke(device, B.version, "s", 60)
    trial = device.trials[B.version]
    assert (60, None, "") == (trial.started_at, trial.failed_at, trial.reason)
    assert None is asks(device, B.version, 70)


def test_device_that_was_told_to_leave_has_not_failed() -> None:
    """A bundle that a newer offer took from a device before its page spoke was not bad there."""
    device = Device("d")
    asks(device, A.version, 0)
    asks(device, B.version, 1)
    assert A.version == asks(device, B.version, 2, Offer(stable=A.version))
    asks(device, A.version, 100, Offer(stable=A.version))
    assert None is device.trials[B.version].failed_at


def test_builtin_never_fails() -> None:
    """A shell older than the first word never speaks; there is nothing before it to go back to."""
    device = Device("d", running=A.version)
    only = Offer(taken_back={A.version: "bad"})
    assert BUILTIN == asks(device, A.version, 0, only)
    for now in (100, 200, 300):
        assert None is asks(device, BUILTIN, now, only)
        reported(device, "app_crash", BUILTIN, str(now), now)
    assert None is device.trials[BUILTIN].failed_at


def test_bundle_that_can_not_be_read_sends_nobody_back() -> None:
    """A bucket that is away is no verdict; of what was taken back, devices are relieved all the same."""
    empty = Shelf()
    assert None is asks(Device("d"), A.version, 0, Offer(stable=B.version), empty)
    taken = Offer(stable=B.version, older=(A.version,), taken_back={"1.0.0-cccccccccccc": "bad"})
    assert A.version == asks(Device("d"), "1.0.0-cccccccccccc", 0, taken, Shelf({A.version: A}))
    assert BUILTIN == asks(Device("d"), "1.0.0-cccccccccccc", 0, taken, empty)


def test_refused_bundle_is_passed_over() -> None:
    """A zip that must not be served is as if it were not named."""
    refusing = Shelf({A.version: A}, {B.version: "no index.html"})
    assert A.version == asks(Device("d"), BUILTIN, 0, BOTH, refusing)


def test_sessions_of_a_device_are_bounded() -> None:
    """Twenty a day count, and of those that do not, no error counts either."""
    device = Device("d")
    for number in range(30):
        spoke(device, A.version, f"s{number}", number)
        erred(device, A.version, f"s{number}", number)
    spoke(device, A.version, "tomorrow", DAY + 1)
    trial = device.trials[A.version]
    assert (MOST_SESSIONS + 1, MOST_SESSIONS) == (trial.sessions, trial.errors)


def test_device_that_invents_bundles_fills_nothing() -> None:
    """What a device says that it runs is kept for a hundred bundles, then no more."""
    device = Device("d")
    for number in range(500):
        spoke(device, f"1.0.0-{number:012x}", "s", number)
    assert MOST_TRIALS == len(device.trials)


WORDS = st.sampled_from(
    [
        "check_in",
        "check_in_before",
        "spoke",
        "erred",
        "set",
        "update_fail",
        "checksum_fail",
        "app_crash",
        "app_launch_ready",
    ]
)


@given(st.lists(st.tuples(WORDS, st.sampled_from([A.version, B.version, BUILTIN]), st.floats(0, 100)), max_size=60))
def test_whatever_a_device_says_a_bundle_that_failed_there_is_not_offered_again(
    said: list[tuple[str, str, float]],
) -> None:
    """Unless its page speaks after all; and started, failed, sessions and errors stay what they can be."""
    device, now = Device("d"), 0.0
    for number, (word, version, pause) in enumerate(said):
        now += pause
        failed = {v for v, trial in device.trials.items() if trial.failed_at is not None}
        if word in ("check_in", "check_in_before"):
            got = asks(device, version, now)
            newly = {v for v, trial in device.trials.items() if trial.failed_at is not None}
            assert got not in newly
            assert failed <= newly
            assert got != version
        elif word == "spoke":
            spoke(device, version, f"s{number}", now)
        elif word == "erred":
            erred(device, version, f"s{number // 2}", now)
        else:
            reported(device, word, version, str(number), now)
        for trial in device.trials.values():
            assert 0 <= trial.errors <= trial.sessions
            assert trial.version != BUILTIN or trial.failed_at is None
