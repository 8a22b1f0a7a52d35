"""Bundles of the app that devices run: out with their release, and back with it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shipway.core.apps.gate import CalledApi
from shipway.core.apps.offering import Offering, moved
from shipway.core.contract.bundles import BUILTIN, BundleCounts, Offer, Running, Told
from shipway.core.description.app import App, Retention
from shipway.core.errors import Refused
from shipway.core.views.releases import PreviewedStep
from shipway.local.state.pruning import Pruning
from shipway.local.state.storage import Storage
from shipway.local.tasks.task_logs import FileTaskLog
from shipway.pipeline.offerings import Offerings
from tests.pipeline.house import DESCRIPTION, PHONE, House, Killed

WITH_APP = App.model_validate(
    DESCRIPTION
    | {
        "apps": {"phone": PHONE | {"calls": {"hello": {"document": "api.json"}}}},
        "services": {"hello": DESCRIPTION["services"]["hello"] | {"openapi": "openapi.json"}},
    }
)
API = {"paths": {"/ask": {"get": {"responses": {"200": {"description": "fine"}}}}}}
OTHER_API = {"paths": {"/other": {"get": {"responses": {"200": {"description": "fine"}}}}}}


def with_rollout(**changes: float) -> App:
    """The app whose bundles go out otherwise."""
    phone = WITH_APP.apps["phone"]
    rollout = phone.rollout.model_copy(update=changes)
    return WITH_APP.model_copy(update={"apps": {"phone": phone.model_copy(update={"rollout": rollout})}})


class Devices:
    """What devices of the house's environments are offered, and what they do."""

    def __init__(self, house: House) -> None:
        self.house, self.bundles = house, house.bundles

    def offer(self, environment: str = "dev") -> Offer:
        return self.bundles.offers[environment]

    def do(self, version: str, started: int, failed: int = 0) -> None:
        """They start a bundle, or fail to, and the platform looks."""
        self.bundles.counts = Told({version: BundleCounts(started + failed, started, failed)})
        self.house.parts.offerings.tend()

    def deploy(self, commit: str) -> str:
        """Bring a commit to dev; answers its bundle."""
        run = self.house.control.deploy(commit, "dev", "ann")
        self.house.until(run.id, "succeeded")
        release = self.house.control.run(run.id).release
        assert release is not None
        assert release.app_version is not None
        return release.app_version

    def all_steps(self, version: str) -> None:
        """The bundle passes every step of its rollout."""
        for step in (1, 2, 3):
            self.do(version, 20 * step)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.app = house.described = WITH_APP
    house.source.files["hello/openapi.json"] = json.dumps(API).encode()
    house.bundles.called = {"hello": CalledApi(API)}
    yield house
    house.close()


@pytest.fixture
def devices(house: House) -> Devices:
    return Devices(house)


def test_a_bundle_goes_out_after_its_release(house: House, devices: Devices) -> None:
    """First a share of the devices, then more, then all; the release names it, and every end is audited."""
    version = devices.deploy("c1")
    assert Offer(BUILTIN, version, 10.0) == devices.offer()
    devices.do(version, 10)
    assert 50.0 == devices.offer().percent
    devices.do(version, 20)
    assert 100.0 == devices.offer().percent
    devices.do(version, 30)
    assert Offer(version) == devices.offer()
    assert "promote bundle" == house.control.audit(1)[0].action


def test_the_api_comes_first(house: House, devices: Devices) -> None:
    """While a release's rollout is under way its bundle is nobody's; a rollout that fails brings none."""
    house.target.hold.clear()
    run = house.control.deploy("c1", "dev", "ann")
    house.reached(lambda: house.rollouts.under_way("dev") is not None)
    assert Offer() == devices.offer()
    house.control.steer("dev", "abort", "ann", "no")
    house.target.hold.set()
    house.until(run.id, "failed")
    assert Offer() == devices.offer()


def test_a_bad_one_comes_back_by_itself(house: House, devices: Devices) -> None:
    """Its devices are given the one before, the reason is on record, and the release goes on serving."""
    good = devices.deploy("c1")
    devices.all_steps(good)
    bad = devices.deploy("c2")
    devices.do(bad, 2, 40)
    offer = devices.offer()
    assert (good, None, [bad]) == (offer.stable, offer.candidate, list(offer.taken_back))
    assert "40 of 42 devices" in offer.taken_back[bad]
    assert "c2" == house.served("dev")
    entry = house.control.audit(1)[0]
    assert ("shipway", "take back bundle", "dev") == (entry.who, entry.action, entry.environment)


def test_one_that_was_bad_does_not_go_out_again(house: House, devices: Devices) -> None:
    """Another release with the same bundle brings it to nobody; its run says so and succeeds."""
    bad = devices.deploy("c1")
    devices.do(bad, 0, 40)
    house.bundles.contents["c2"] = "c1"
    assert bad == devices.deploy("c2")
    assert (BUILTIN, None) == (devices.offer().stable, devices.offer().candidate)
    events = house.control.events(house.all_runs()[0].id, 0, 0)[1]
    assert any("does not go out again" in event.text for event in events)


def test_a_newer_one_supersedes(house: House, devices: Devices) -> None:
    """The bundle of the next release takes the place of one on its way, at the first share."""
    devices.do(devices.deploy("c1"), 10)
    newer = devices.deploy("c2")
    assert Offer(BUILTIN, newer, 10.0) == devices.offer()


def test_only_the_app_changed(house: House, devices: Devices) -> None:
    """A commit whose services are the same starts no task; its bundle goes out all the same."""
    devices.deploy("c1")
    house.workshop.trees["c2"] = "c1"
    served = house.rollouts.record_of("dev").stable
    newer = devices.deploy("c2")
    assert served == house.rollouts.record_of("dev").stable
    assert newer == devices.offer().candidate


def test_a_release_goes_back_with_its_bundle(house: House, devices: Devices) -> None:
    """The pointer is written before the API moves; the bundle comes again with its release."""
    first = devices.deploy("c1")
    devices.all_steps(first)
    second = devices.deploy("c2")
    devices.all_steps(second)
    offered: list[str] = []
    shift = house.target.shift

    def shifted(environment: str, candidate: Any, weight: int) -> None:
        offered.append(devices.offer().stable)
        shift(environment, candidate, weight)

    house.target.shift = shifted  # type: ignore[method-assign]
    run = house.control.roll_back("dev", "ann", "bad")
    house.until(run.id, "succeeded")
    assert {first} == set(offered)
    assert Offer(first, taken_back={second: "the release went back to r1"}) == devices.offer()
    house.bundles.contents["c3"] = "c2"
    assert second == devices.deploy("c3")
    assert Offer(first, second, 10.0) == devices.offer()


def test_a_way_back_waits_for_nobody(house: House, devices: Devices) -> None:
    """Where devices can't be told, and nobody can be asked, the API goes back; devices are told as soon as that works."""
    devices.all_steps(devices.deploy("c1"))
    second = devices.deploy("c2")
    house.bundles.counts, house.bundles.deaf = None, True
    run = house.control.roll_back("dev", "ann", "bad")
    house.until(run.id, "succeeded")
    assert second == devices.offer().candidate
    house.bundles.counts, house.bundles.deaf = Told(), False
    house.parts.offerings.tend()
    assert (None, [second]) == (devices.offer().candidate, list(devices.offer().taken_back))


def test_a_bundle_that_cannot_be_offered_is_a_fault(house: House, devices: Devices) -> None:
    """The run does not succeed where what devices are offered is not what the record says."""
    house.bundles.offered = lambda environment: None  # type: ignore[method-assign]
    run = house.control.deploy("c1", "dev", "ann")
    assert "should offer" in house.until(run.id, "failed").reason


def test_looks_are_as_far_apart_as_steps_allow(house: House, devices: Devices) -> None:
    """Counts of all devices are asked for each ten seconds while a step lasts hours, and often while it is short."""
    steady, asked = [0.0], [0]
    told = house.bundles.told

    def counted(environment: str) -> Told:
        asked[0] += 1
        return told(environment)

    house.bundles.told = counted  # type: ignore[method-assign]
    for commit, step_wait, expected in (("c1", 4 * 3600.0, 6), ("c2", 1.0, 60)):
        house.described = with_rollout(step_wait=step_wait)
        devices.deploy(commit)
        offerings = Offerings(house.store, house.bundles, house.parts.clock, lambda: steady[0])
        asked[0] = 0
        for _ in range(60):
            steady[0] += 1.0
            offerings.tend()
        assert expected == asked[0]


def test_bad_news_is_looked_at_soon(house: House, devices: Devices) -> None:
    """Within a second, though looks are ten seconds apart; good news and what is known already wait for their time.

    Where counting takes long, three times as long passes before it is done again.
    """
    steady, looks, takes = [0.0], [0], [0.0]
    told = house.bundles.told

    def counted(environment: str) -> Told:
        looks[0] += 1
        steady[0] += takes[0]
        return told(environment)

    house.described = with_rollout(step_wait=4 * 3600.0)
    version = devices.deploy("c1")
    house.bundles.told = counted  # type: ignore[method-assign]
    offerings = Offerings(house.store, house.bundles, house.parts.clock, lambda: steady[0])

    def looked(seconds: float, failed: int, started: int = 100) -> int:
        house.bundles.counts = Told({version: BundleCounts(200, started, failed)})
        before = looks[0]
        steady[0] += seconds
        offerings.tend()
        return looks[0] - before

    assert [1, 1] == [looked(0.0, 0), looked(0.5, 1)]
    assert [0, 0] == [looked(0.5, 1), looked(0.5, 1, started=150)]
    takes[0] = 1.0
    assert [1, 0, 0, 1] == [looked(0.5, 2), looked(1.0, 3), looked(0.5, 3), looked(0.6, 3)]
    takes[0] = 0.0
    assert 1 == looked(5.0, 60)
    assert [version] == list(devices.offer().taken_back)


def test_what_the_loop_changes_meanwhile_is_no_fault(house: House, devices: Devices) -> None:
    """A look that writes the next record while a run tells devices of the one before fails no run."""
    offer = house.bundles.offer

    def changed_after(environment: str, what: Offer) -> None:
        offer(environment, what)
        house.store.put(environment, replace(house.parts.offerings.of(environment), candidate=None))

    house.bundles.offer = changed_after  # type: ignore[method-assign]
    devices.deploy("c1")


def test_what_cannot_be_asked_is_a_hold(house: House, devices: Devices) -> None:
    """While nothing answers devices, a bundle stays at its share, and the status says why."""
    version = devices.deploy("c1")
    house.bundles.counts = None
    house.parts.offerings.tend()
    assert 10.0 == devices.offer().percent
    assert "is unknown" in house.control.apps.show("dev").candidate.verdict  # type: ignore[union-attr]
    devices.do(version, 10)
    assert 50.0 == devices.offer().percent


def test_a_machine_that_was_off_takes_no_bundle_back(house: House, devices: Devices) -> None:
    """What cannot be asked right after a start has not lacked for as long as the machine was off."""
    house.described = with_rollout(step_wait=3600.0)
    version = devices.deploy("c1")
    devices.do(version, 10)
    now, steady = house.parts.clock(), [0.0]
    long_ago = now - 30 * 86400.0
    house.store.change(Offering, "dev", lambda one: moved(one, long_ago - one.candidate.since))  # type: ignore[union-attr]
    house.bundles.counts = None
    offerings = Offerings(house.store, house.bundles, lambda: now + steady[0], lambda: steady[0])
    offerings.tend()
    assert version == devices.offer().candidate
    steady[0] = 7 * 86400.0
    offerings.tend()
    assert version in devices.offer().taken_back


def test_what_was_counted_before_is_not_held_against_it(house: House, devices: Devices) -> None:
    """A bundle that begins once more while nobody can be asked is judged by what devices do from the first answer on."""
    bad = devices.deploy("c1")
    devices.do(bad, 0, 40)
    told, house.bundles.counts = house.bundles.counts, None
    house.control.apps.split("dev", f"{bad}=20%", "ann", "it was the network")
    house.bundles.counts = told
    house.parts.offerings.tend()
    assert bad == devices.offer().candidate
    devices.do(bad, 0, 80)
    assert bad in devices.offer().taken_back


def test_a_lost_database_takes_no_bundle_back(house: House, devices: Devices) -> None:
    """What devices are offered says what is stable: the next release begins beside that."""
    first = devices.deploy("c1")
    devices.all_steps(first)
    house.store.delete(Offering, "dev")
    second = devices.deploy("c2")
    assert (first, second) == (devices.offer().stable, devices.offer().candidate)


def test_a_killed_control_plane_goes_on(house: House, devices: Devices) -> None:
    """At each write of a deploy with its bundle: the next control plane brings both to the same end."""
    before = house.store.writes
    expected = devices.deploy("c1")
    writes = house.store.writes - before
    for last in range(2, writes, 3):
        folder = house.root / f"killed-{last}"
        folder.mkdir()
        mortal = House(folder)
        mortal.app = mortal.described = WITH_APP
        mortal.source.files |= house.source.files
        mortal.store._last = mortal.store.writes + last
        try:
            mortal.control.deploy("c1", "dev", "ann")
        except Killed:
            continue
        mortal.reached(lambda mortal=mortal: mortal.store.dead)
        after = mortal.killed()
        after.described = WITH_APP
        after.until("1", "succeeded")
        assert expected == after.bundles.offers["dev"].candidate
        after.close()


class TestGate:
    """Bundles and APIs that devices may bring together."""

    def refused(self, house: House, commit: str) -> str:
        run = house.control.deploy(commit, "dev", "ann")
        ended = house.until(run.id, "refused")
        assert 3 == ended.exit_code
        assert house.rollouts.under_way("dev") is None
        return ended.reason

    def test_a_new_bundle_and_the_api_of_a_rollback(self, house: House, devices: Devices) -> None:
        """A bundle that needs what the API before lacks would break by a rollback; nothing is rolled out."""
        devices.deploy("c1")
        house.source.by_commit["c2", "hello/openapi.json"] = json.dumps(
            {"paths": API["paths"] | OTHER_API["paths"]}
        ).encode()
        house.bundles.called = {"hello": CalledApi(OTHER_API)}
        assert "GET /other: the operation is gone" in (reason := self.refused(house, "c2"))
        assert "hello of r1" in reason
        assert "c1" == house.served("dev")

    def test_bundles_on_devices_and_a_new_api(self, house: House, devices: Devices) -> None:
        """An API that lacks what a bundle on devices uses is refused, with the number of devices."""
        old = devices.deploy("c1")
        house.bundles.counts = Told({}, {old: Running(1234, house.parts.clock())})
        house.source.by_commit["c2", "hello/openapi.json"] = json.dumps(OTHER_API).encode()
        house.bundles.called = {"hello": CalledApi({"paths": {}})}
        reason = self.refused(house, "c2")
        assert f"GET /ask: the operation is gone (bundle {old}, on 1,234 devices; hello of r2)" in reason

    def test_what_it_does_without_may_be_missing(self, house: House, devices: Devices) -> None:
        """An optional operation may be new."""
        devices.deploy("c1")
        house.source.by_commit["c2", "hello/openapi.json"] = json.dumps(
            {"paths": API["paths"] | OTHER_API["paths"]}
        ).encode()
        house.bundles.called = {"hello": CalledApi(OTHER_API, optional=("GET /other",))}
        assert devices.deploy("c2") == devices.offer().candidate

    def test_a_changed_bundle_goes_nowhere(self, house: House) -> None:
        """A bundle that is not what was built is refused before anything starts."""
        house.bundles.damaged = {
            house.bundles.build(house.source.resolve("c1"), "phone", WITH_APP.apps["phone"], print).version
        }
        assert "was changed after its build" in self.refused(house, "c1")


class TestRetention:
    """Bundles that stay in the bucket."""

    def test_what_devices_have_or_may_be_given_stays(self, house: House, devices: Devices) -> None:
        """What is offered, what was stable lately, and what any device was seen with within 90 days."""
        stable = []
        for commit in ("c1", "c2", "c3", "c4"):
            stable.append(devices.deploy(commit))
            devices.all_steps(stable[-1])
        candidate = devices.deploy("c5")
        now = house.parts.clock()
        seen = {
            "1.0.0-aaaaaaaaaaaa": Running(1, now - 89 * 86400.0),
            "1.0.0-bbbbbbbbbbbb": Running(9, now - 91 * 86400.0),
        }
        house.bundles.counts = Told({}, seen)
        expected = {candidate, *stable[-3:], "1.0.0-aaaaaaaaaaaa"}
        assert expected == house.parts.offerings.needed(["dev", "prod"], 2)

    def test_an_older_one_for_older_shells_stays(self, house: House, devices: Devices) -> None:
        """However many came after it: it is the newest that such a device can run."""
        old = devices.deploy("c1")
        devices.all_steps(old)
        house.bundles.native = "2.0"
        for commit in ("c2", "c3", "c4"):
            devices.all_steps(devices.deploy(commit))
        assert (old,) == devices.offer().older
        assert old in house.parts.offerings.needed(["dev"], 1)

    def test_a_lost_database_loses_no_bundle(self, house: House, devices: Devices) -> None:
        """What devices are offered is read from where they are told it."""
        first = devices.deploy("c1")
        devices.all_steps(first)
        second = devices.deploy("c2")
        house.store.delete(Offering, "dev")
        assert {first, second} <= house.parts.offerings.needed(["dev"], 1)

    def test_what_no_device_needs_goes_like_artifacts(self, house: House, devices: Devices, tmp_path: Path) -> None:
        """By `retention`: the bundles of kept releases stay, the others go so long after their last use."""
        versions = []
        for commit in ("c1", "c2", "c3", "c4"):
            versions.append(devices.deploy(commit))
            devices.all_steps(versions[-1])
        bucket = tmp_path / "bucket"
        for version in versions:
            (bucket / version).mkdir(parents=True)
            os.utime(bucket / version, (0, 0))
        policy = Retention(releases=2, builds=0)
        supervisor: Any = SimpleNamespace(tasks=list)
        specs: Any = SimpleNamespace(capture=lambda *_: None)
        pruning = Pruning(
            Storage(tmp_path, bucket), house.store, supervisor, specs, FileTaskLog(tmp_path / "logs"),
            lambda: house.app.model_copy(update={"retention": policy}), house.parts.offerings.needed,
        )  # fmt: skip
        gone = [Path(item.path).name for item in pruning.carry_out()]
        assert [versions[0]] == gone
        assert set(versions[1:]) == {path.name for path in bucket.iterdir() if not path.name.startswith(".")}


class TestPreview:
    """What a deploy would do with the bundle, before anything is done."""

    def step(self, house: House, commit: str) -> tuple[tuple[str, ...], PreviewedStep]:
        preview = house.control.preview(commit, "dev")
        (step,) = preview.steps
        return preview.notes, step

    def test_a_new_one(self, house: House, devices: Devices) -> None:
        """It would be built, and go to growing shares of the devices; nothing is changed by saying so."""
        devices.deploy("c1")
        before = devices.offer()
        notes, step = self.step(house, "c2")
        assert "phone would be built" in notes
        assert any("hello names nothing under `secrets:`" in note for note in notes)
        assert (f"the new bundle would go to 10 → 50 → 100 % of the devices, in place of {before.candidate}, once the "
                "release serves",) == step.notes  # fmt: skip
        assert ((), before) == (step.wrong, devices.offer())

    def test_one_that_devices_know(self, house: House, devices: Devices) -> None:
        """Unchanged, it goes on, is there already, or was taken back."""
        version = devices.deploy("c1")
        notes, step = self.step(house, "c1")
        assert f"phone is unchanged: bundle {version}" in notes
        assert (f"bundle {version} goes on: 10 % of the devices are offered it",) == step.notes
        devices.all_steps(version)
        assert (f"bundle {version} is every device's already",) == self.step(house, "c1")[1].notes
        house.control.apps.roll_back("dev", "ann", "crashes")
        (note,) = self.step(house, "c1")[1].notes
        assert f"bundle {version} was taken back and would not go out again: crashes" == note

    def test_what_the_gate_would_refuse(self, house: House, devices: Devices) -> None:
        """The operation that is gone, for the bundle on devices and for the new one, though nothing was built."""
        old = devices.deploy("c1")
        house.source.by_commit["c2", "hello/openapi.json"] = json.dumps(OTHER_API).encode()
        (wrong,) = self.step(house, "c2")[1].wrong
        assert "GET /ask: the operation is gone (bundle of commit c2; hello of commit c2)" in wrong
        assert f"GET /ask: the operation is gone (bundle {old}; hello of commit c2)" in wrong

    def test_what_answers_devices_lacks(self, house: House) -> None:
        """Where nobody can be asked, such as for want of a signing key, it is said."""
        house.bundles.counts = None
        assert "nothing in dev answers devices" in self.step(house, "c1")[1].notes


class TestPeople:
    """What people ask of bundles."""

    def test_who_may(self, house: House, devices: Devices) -> None:
        """Where an approval names roles, whoever holds none of them changes nothing; anybody may look."""
        house.release("c1")
        before = devices.offer("prod")
        for change in (
            lambda: house.control.apps.promote("prod", None, "bob", ""),
            lambda: house.control.apps.split("prod", f"{before.candidate}=90%", "bob", ""),
            lambda: house.control.apps.pause("prod", "bob", "", off=False),
            lambda: house.control.apps.roll_back("prod", "bob", ""),
        ):
            with pytest.raises(Refused, match="bob may not"):
                change()
        assert before == devices.offer("prod")
        assert before.candidate == house.control.apps.promote("prod", None, "ann", "fine").stable
        entry = house.control.audit(1)[0]
        assert ("ann", "promote bundle", "fine") == (entry.who, entry.action, entry.why)

    def test_a_fixed_share_goes_on_when_it_is_let(self, house: House, devices: Devices) -> None:
        """A bundle at a person's share stays there; let go on, it takes the next greater step."""
        version = devices.deploy("c1")
        house.control.apps.split("dev", f"{version}=20%", "ann", "more")
        devices.do(version, 100)
        assert 20.0 == devices.offer().percent
        house.control.apps.pause("dev", "ann", "", off=True)
        assert 50.0 == devices.offer().percent

    def test_a_bundle_that_does_not_fit_is_not_promoted(self, house: House, devices: Devices) -> None:
        """The API that serves must answer what it calls."""
        house.bundles.called = {"hello": CalledApi(OTHER_API)}
        other = house.bundles.build(house.source.resolve("c9"), "phone", WITH_APP.apps["phone"], print).version
        house.bundles.called = {"hello": CalledApi(API)}
        devices.deploy("c1")
        with pytest.raises(Refused, match="GET /other: the operation is gone"):
            house.control.apps.promote("dev", other, "ann", "")
        with pytest.raises(Refused, match="GET /other: the operation is gone"):
            house.control.apps.split("dev", f"{other}=5%", "ann", "")

    def test_back_from_a_stable_one(self, house: House, devices: Devices) -> None:
        """Devices are given the one before, then the one that came with the native app, then there is nothing more."""
        first = devices.deploy("c1")
        devices.all_steps(first)
        devices.all_steps(devices.deploy("c2"))
        assert first == house.control.apps.roll_back("dev", "ann", "crashes").stable
        assert BUILTIN == house.control.apps.roll_back("dev", "ann", "crashes").stable
        with pytest.raises(Refused, match="offers no bundle"):
            house.control.apps.roll_back("dev", "ann", "crashes")


def test_a_failing_app_releases_nothing(house: House) -> None:
    """Where the app's tests fail, no service goes out either."""
    house.bundles.failing = {"c1"}
    run = house.control.deploy("c1", "dev", "ann")
    assert "phone failed its tests" in house.until(run.id, "refused").reason


def test_packages_that_cannot_be_fetched_end_a_run_before_anything_is_built(house: House) -> None:
    """The network's fault is told, not what a build would have come to."""
    house.bundles.offline = True
    house.workshop.failing = {"c1"}
    run = house.until(house.control.deploy("c1", "dev", "ann").id, "failed")
    assert ("phone: its packages could not be fetched", "correct the connection") == (run.reason, run.fix)


def test_an_app_without_devices_is_as_before(tmp_path: Path) -> None:
    """A description without `apps` builds no bundle and offers nothing."""
    house = House(tmp_path)
    run = house.control.deploy("c1", "dev", "ann")
    house.until(run.id, "succeeded")
    assert {} == house.bundles.offers
    house.close()
