"""How bundles go out to devices and come back."""

from __future__ import annotations

import doctest
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.apps import offering as module
from shipway.core.apps import steps
from shipway.core.apps.offering import (
    Candidate,
    Offering,
    TakenBack,
    begun,
    gone_back,
    judged,
    moved,
    promoted,
    taken_out,
    way_back,
)
from shipway.core.contract.bundles import BUILTIN, LARGEST_OFFER, BundleCounts, Running, Told
from shipway.core.description.device_app import BundleGuard, BundleRollout

OLD, NEW, OTHER = (f"1.0.0-{letter * 12}" for letter in "abc")
POLICY = BundleRollout(steps=(10.0, 50.0), step_wait=100.0, guard=BundleGuard(min_devices=20))
GOOD = Told({NEW: BundleCounts(1000, 1000, 0, 3000, 3)})
BAD = Told({NEW: BundleCounts(1000, 500, 500, 3000, 3)})


def out(percent: float | None = None, *, paused: bool = False) -> Offering:
    """A new bundle that begins to go out at time 0, beside a stable one."""
    candidate = Candidate(NEW, POLICY, "r2", "ann", 0.0, 0.0, percent=percent, paused=paused)
    return begun(Offering("prod", OLD, (BUILTIN,)), candidate, Told())


def seen(devices: int) -> Told:
    return Told({NEW: BundleCounts(devices, devices, 0, devices, 0)})


def test_the_examples_hold() -> None:
    """What the documentation shows is so."""
    assert [0, 0] == [doctest.testmod(one).failed for one in (module, steps)]


def test_it_goes_out_step_by_step() -> None:
    """Each step lasts its time and needs devices of its own; after all of them the bundle is stable."""
    offering, shares = out(), []
    for now, devices in ((99, 20), (100, 19), (101, 20), (201, 39), (202, 40), (302, 59), (303, 60)):
        found = judged(offering, seen(devices), now, "shipway")
        offering = found.offering
        shares.append((found.what, offering.candidate.share if offering.candidate else 100.0))
    assert [
        ("stays", 10), ("stays", 10), ("next", 50), ("stays", 50), ("next", 100), ("stays", 100), ("promoted", 100),
    ] == shares  # fmt: skip
    assert (NEW, (BUILTIN, OLD), None) == (offering.stable, offering.history, offering.candidate)


@pytest.mark.parametrize("offering", [out(), out(percent=30.0), out(paused=True)])
def test_a_bad_one_is_taken_back_at_once(offering: Offering) -> None:
    """Whatever its step, paused or at a share that a person chose: devices are given the one before."""
    found = judged(offering, BAD, 1.0, "shipway")
    assert ("taken back", OLD, None) == (found.what, found.offering.stable, found.offering.candidate)
    (gone,) = found.offering.taken_back
    assert (NEW, "shipway", 1.0) == (gone.version, gone.by, gone.at)
    assert "500 of 1,000 devices" in gone.reason
    assert (OLD, BUILTIN) == found.offering.offer({}).choices("device")


@pytest.mark.parametrize("offering", [out(percent=30.0), out(paused=True)])
def test_a_fixed_share_goes_no_further(offering: Offering) -> None:
    """A share that a person chose, and a pause, last until a person says otherwise."""
    found = judged(offering, GOOD, 1e6, "shipway")
    assert "stays" == found.what


def test_what_was_counted_before_counts_no_more() -> None:
    """A bundle that begins once more is judged by what devices do from then on."""
    begins_again = begun(Offering("prod", OLD), Candidate(NEW, POLICY, None, "ann", 0.0, 0.0), BAD)
    assert "stays" == judged(begins_again, BAD, 1.0, "shipway").what


def test_a_hold_ends() -> None:
    """Too few devices for too long take it back, or promote it where that is asked for; doubts never promote it."""
    late = 100.0 + POLICY.guard.hold_timeout
    assert "stays" == judged(out(), seen(3), late - 1, "shipway").what
    assert "taken back" == judged(out(), seen(3), late, "shipway").what
    policy = POLICY.model_copy(update={"guard": POLICY.guard.model_copy(update={"on_timeout": "promote"})})
    lenient = begun(Offering("prod", OLD), Candidate(NEW, policy, None, "ann", 0.0, 0.0), Told())
    assert "next" == judged(lenient, seen(3), late, "shipway").what
    doubtful = Told({NEW: BundleCounts(20, 18, 2)})
    assert "taken back" == judged(lenient, doubtful, late, "shipway").what


DAY, DEFAULT = 86400.0, BundleRollout()


def in_fleet(devices: int, settled: int, failed: int = 0, native: str = "1.0.0.1") -> Told:
    """So many devices call; so many of them started the new bundle, or failed to."""
    counts = BundleCounts(settled, settled - failed, failed, settled, 0)
    able = devices if native == "1.0.0.1" else devices // 10
    return Told({NEW: counts}, active={"0.9.0.1": devices - able, native: able})


def default(native: str = "1.0.0.1") -> Offering:
    """A new bundle at the first step of the policy that is the default."""
    return begun(Offering("prod", OLD), Candidate(NEW, DEFAULT, None, "ann", 0.0, 0.0, native=native), Told())


@pytest.mark.parametrize(("devices", "shares"), [(40, [50.0]), (500, [25.0, 50.0]), (3_000, [5.0, 25.0, 50.0])])
def test_a_share_too_small_to_judge_by_is_passed_over(devices: int, shares: list[float]) -> None:
    """For the next larger one that has enough; as soon as it is known how many devices call, which takes a day."""
    offering, now, taken = default(), DAY - 1, []
    assert "stays" == judged(offering, in_fleet(devices, 0), now, "shipway").what
    while (candidate := offering.candidate) is not None:
        now += DEFAULT.step_wait
        told = in_fleet(devices, int(candidate.share / 100 * devices))
        offering = judged(offering, told, now, "shipway").offering
        taken += [offering.candidate.share] if offering.candidate else []
    assert ([*shares, 100.0], NEW) == (taken, offering.stable)


def test_what_speaks_against_a_bundle_is_never_passed_over() -> None:
    """One device of the few that met it failed: it stays at its share, and is taken back after the timeout."""
    offering, told = default(), in_fleet(40, 1, failed=1)
    assert "stays" == judged(offering, told, 6 * DAY, "shipway").what
    assert "taken back" == judged(offering, told, 7 * DAY + DEFAULT.step_wait, "shipway").what


def test_only_devices_that_can_run_it_count() -> None:
    """Of 3,000 devices 300 have the native app that the bundle needs: shares of those are too small longer."""
    told = in_fleet(3_000, 0, native="2.0.0.1")
    assert [25.0, 5.0] == [
        found.offering.candidate.share
        for native in ("2.0.0.1", "0.9.0.1")
        if (found := judged(default(native), told, DAY, "shipway")).offering.candidate is not None
    ]


def test_an_unknown_fleet_is_taken_for_a_large_one() -> None:
    """A service that does not say how many devices call, or that none has called yet: the policy as it stands."""
    for told in (Told({NEW: BundleCounts(50, 50)}), Told({NEW: BundleCounts(50, 50)}, active={})):
        assert "next" == (found := judged(default(), told, DAY, "shipway")).what
        assert found.offering.candidate is not None
        assert 5.0 == found.offering.candidate.share
    assert "stays" == judged(default(), Told({NEW: BundleCounts(49, 49)}), 6 * DAY, "shipway").what


def test_a_newer_one_supersedes() -> None:
    """The one on its way stops; it was not bad, so it is not counted as taken back."""
    newer = begun(out(), Candidate(OTHER, POLICY, "r3", "ann", 5.0, 5.0), Told())
    assert newer.candidate is not None
    assert (OTHER, 10.0, (), OLD) == (newer.candidate.version, newer.candidate.share, newer.taken_back, newer.stable)


def test_a_way_back_is_for_every_device() -> None:
    """Stable and candidate are taken back, and devices are given what was asked for; history ends before it."""
    offering = replace(promoted(out(), 10.0), candidate=Candidate(OTHER, POLICY, "r3", "ann", 5.0, 5.0))
    back = gone_back(offering, OLD, "r2 was rolled back", "ann", 20.0)
    assert (OLD, (BUILTIN,), None, {NEW, OTHER}) == (
        back.stable,
        back.history,
        back.candidate,
        {one.version for one in back.taken_back},
    )
    assert {BUILTIN} == set(gone_back(back, BUILTIN, "why", "ann", 30.0).offer({}).choices("device"))


def test_a_candidate_that_is_gone_back_to_goes_on() -> None:
    """Both releases have the bundle that is on its way: nothing changes for devices."""
    assert out() == gone_back(out(), NEW, "why", "ann", 20.0)


def test_only_what_was_stable_is_gone_back_to() -> None:
    """A bundle that was taken back or superseded does not reach every device by a rollback of the release."""
    offering = promoted(out(), 10.0)
    assert OLD == way_back(offering, NEW, OLD)
    assert OLD == way_back(offering, NEW, OTHER)
    assert NEW == way_back(offering, OTHER, OTHER)
    bad = replace(offering, taken_back=(TakenBack(OLD, "bad", 1.0, "shipway"),))
    assert BUILTIN == way_back(bad, NEW, OLD)


def test_a_bundle_is_in_sight_as_long_as_devices_run_it() -> None:
    """Those of 90 days, and what is offered; not what came with the native app."""
    offering = replace(out(), seen={OTHER: Running(7, 0.0), BUILTIN: Running(9, 0.0)})
    assert {OLD: 0, NEW: 0, OTHER: 7} == offering.in_sight(module.KEPT_IN_SIGHT)
    assert {OLD: 0, NEW: 0} == offering.in_sight(module.KEPT_IN_SIGHT + 1)


def test_old_shells_get_what_they_can_run() -> None:
    """Behind stable come earlier ones that run on older native apps, but none that was taken back."""
    offering = Offering("prod", NEW, (BUILTIN, OTHER, OLD), taken_back=(TakenBack(OTHER, "bad", 0.0, "shipway"),))
    assert (OLD,) == offering.offer({OLD: "1.0", OTHER: "0.5", NEW: "2.0"}).older


def test_a_clock_that_is_set_lets_nothing_pass() -> None:
    """A step lasts as long as before after the clock jumped."""
    assert "stays" == judged(moved(out(), 1000.0), seen(20), 1099.0, "shipway").what


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 200), st.integers(0, 200)), max_size=30))
def test_the_share_only_grows_until_the_end(looks: list[tuple[float, int, int]]) -> None:
    """Whatever is seen and when, a candidate's share never shrinks: it grows, ends, or is stable."""
    offering = out()
    for now, started, failed in sorted(looks):
        before = offering.candidate
        if before is None:
            break
        offering = judged(offering, Told({NEW: BundleCounts(400, started, failed)}), now, "shipway").offering
        assert offering.candidate is None or offering.candidate.share >= before.share


def test_good_bundles_are_hardly_ever_taken_back() -> None:
    """Of 200 runs of a bundle that is as good as stable, looked at each hour for days, none ends by a verdict."""
    chance = random.Random(11)
    ended = []
    for _ in range(200):
        offering, counts = out(percent=50.0), {OLD: [0, 0, 0, 0], NEW: [0, 0, 0, 0]}
        for hour in range(60):
            for one in counts.values():
                devices, sessions = 10, 25
                failed = sum(chance.random() < 0.02 for _ in range(devices))
                one[0] += devices - failed
                one[1] += failed
                one[2] += sessions
                one[3] += sum(chance.random() < 0.03 for _ in range(sessions))
            told = Told({version: BundleCounts(1000, *one) for version, one in counts.items()})
            found = judged(offering, told, 3600.0 * hour, "shipway")
            if found.what == "taken back":
                ended.append(found.verdict.reason)
                break
            offering = found.offering
    assert [] == ended


@pytest.mark.parametrize("letter", ["x", "ü", "雪", "\U0001f4a5", '"', "\0"])
def test_taking_out_keeps_the_newest_reasons(letter: str) -> None:
    """What is remembered, and what devices are told, is bounded, whatever is written there."""
    offering = Offering("prod", OLD)
    for n in range(50):
        version = f"1.0.{n}-{'d' * 12}"
        offering = replace(offering, candidate=Candidate(version, POLICY, None, "ann", 0.0, 0.0))
        offering = taken_out(offering, letter * 500, "ann", float(n))
    assert module.MOST_REMEMBERED == len(offering.taken_back)
    assert len(offering.offer({}).text()) < LARGEST_OFFER
    assert all(one.startswith(letter) for one in offering.offer({}).taken_back.values())
