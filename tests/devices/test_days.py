"""Two thousand devices over days: what the rules of the service and the machine of bundles make of them together."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import xxhash

from shipway.core.apps.offering import Candidate, Offering, begun, judged
from shipway.core.contract.bundles import BUILTIN, Told, version_of
from shipway.core.contract.cohorts import COHORTS, cohort
from shipway.core.description.device_app import BundleGuard, BundleRollout
from tests.devices.device import Behaviour, Device
from tests.devices.service import Service

HOUR = 3600.0
OLD, NEW = version_of("1.0.0", "a" * 64), version_of("1.1.0", "b" * 64)
POLICY = BundleRollout(steps=(5.0, 25.0, 50.0))
"""Four hours each at least, as by default; of two thousand devices the default's 1 % are too few to judge by."""
NATIVES = {OLD: "1.0.0.1", NEW: "1.0.0.1"}
LOOK_EVERY = HOUR / 2


@dataclass
class World:
    """Devices that open their app every few hours, a control plane that looks every half hour."""

    devices: int
    seed: int
    behaves: Callable[[random.Random], dict[str, Behaviour]] = lambda _: {}
    errors: float = 0.01
    """Share of starts whose page meets an error, whatever the bundle."""
    every: float = 8 * HOUR
    policy: BundleRollout = POLICY
    happened: list[str] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    """Of the devices, in percent, that the candidate was offered to, one after the other."""

    def __post_init__(self) -> None:
        self.luck = random.Random(self.seed)
        self.service = Service(NATIVES)
        self.offering = Offering("prod", OLD, (BUILTIN,))
        self.fleet = [self._device(f"{self.seed}-{number}") for number in range(self.devices)]

    def _device(self, name: str) -> Device:
        chance = random.Random(name)
        device = Device(name, self.service.ask, behaves=self.behaves(self.luck), running=OLD)
        device.errs_at = lambda _: chance.random() < self.errors
        return device

    def run(self, days: float) -> None:
        """Let the candidate go out, for at most so many days; once it has come to an end, a day more."""
        start, end = self.service.now, self.service.now + days * 24 * HOUR
        candidate = Candidate(NEW, self.policy, "r2", "ann", start, start)
        self._is(begun(self.offering, candidate, Told()))
        opens = sorted(
            (start + at, number)
            for number, device in enumerate(self.fleet)
            for at in _times(random.Random(device.id), days, self.every)
        )
        looked = start
        for at, number in opens:
            while self.offering.candidate is not None and looked + LOOK_EVERY <= at:
                looked += LOOK_EVERY
                self._look(looked)
                if self.offering.candidate is None:
                    end = looked + 24 * HOUR
            if at > end:
                break
            self.service.now = at
            self.fleet[number].open(at)

    def call_again(self, running: str) -> None:
        """Devices with this bundle open their app twice more: who does not call can't be told."""
        for _ in range(2):
            self.service.now += HOUR
            for device in self.fleet:
                if device.running == running:
                    device.open(self.service.now)

    def _look(self, now: float) -> None:
        found = judged(self.offering, self.service.told(), now, "shipway")
        self._is(found.offering)
        if found.what != "stays":
            self.happened.append(found.what)

    def _is(self, offering: Offering) -> None:
        self.offering = offering
        if offering.candidate is not None and offering.candidate.share not in self.shares:
            self.shares.append(offering.candidate.share)
        self.service.follow(offering.offer(NATIVES))

    @property
    def share(self) -> float:
        """The greatest share of the devices that the candidate was offered to, in percent."""
        return max(self.shares)

    def on(self, version: str) -> int:
        return sum(device.running == version for device in self.fleet)


def _times(luck: random.Random, days: float, every: float) -> list[float]:
    at, times = luck.random() * every, []
    while at < days * 24 * HOUR:
        times.append(at)
        at += luck.expovariate(1 / every)
    return times


def all_devices(behaviour: Behaviour, of: float = 1.0) -> Callable[[random.Random], dict[str, Behaviour]]:
    return lambda luck: {NEW: behaviour} if luck.random() < of else {}


@pytest.mark.parametrize(
    ("behaviour", "of", "devices"),
    [
        (Behaviour.NO_BOOT, 0.3, 2_000), (Behaviour.NO_BOOT, 1.0, 500), (Behaviour.REVERTS_MUTELY, 1.0, 500),
        (Behaviour.SILENT, 1.0, 500), (Behaviour.CRASHES, 1.0, 500), (Behaviour.WRONG_CHECKSUM, 1.0, 500),
    ],
)  # fmt: skip
def test_bad_bundle_is_taken_back_within_its_share_and_leaves_no_device_on_it(
    behaviour: Behaviour, of: float, devices: int
) -> None:
    """Whatever is wrong with it: no device beyond the step's share meets it, and at the end none has it."""
    world = World(devices, seed=1, behaves=all_devices(behaviour, of))
    world.run(days=3)
    world.call_again(NEW)
    assert "taken back" == world.happened[-1]
    met = [device.id for device in world.fleet if NEW in device.met]
    allowed = world.share
    assert all(cohort(device) < allowed * COHORTS / 100 for device in met)
    assert 0 == world.on(NEW)
    assert not any(device.met.count(NEW) > 1 for device in world.fleet)


def test_good_bundle_comes_to_every_device() -> None:
    """Step by step, though some devices are slow, some say all twice, some have a wrong clock."""
    world = World(2_000, seed=2, behaves=all_devices(Behaviour.SLOW, 0.02))
    for number, device in enumerate(world.fleet):
        device.repeats = 2 if number % 50 == 0 else 1
        device.clock_off = 1e9 if number % 40 == 0 else 0.0
    world.run(days=3)
    world.call_again(OLD)
    assert ["next"] * 3 + ["promoted"] == world.happened
    assert world.on(NEW) >= 1_960


SMALL = [40, 500, pytest.param(3_000, marks=pytest.mark.lengthy)]


@pytest.mark.parametrize("devices", SMALL)
def test_bundle_comes_to_every_device_of_a_small_fleet(devices: int) -> None:
    """By the shares that have enough devices to judge by, under the policy that is the default, and in days."""
    shares = {40: [1.0, 50.0], 500: [1.0, 25.0, 50.0], 3_000: [1.0, 5.0, 25.0, 50.0]}[devices]
    world = World(devices, seed=4, policy=BundleRollout(), errors=0.0, every=16 * HOUR)
    world.run(days=6)
    world.call_again(OLD)
    assert ([*shares, 100.0], "promoted") == (world.shares, world.happened[-1])
    assert devices == world.on(NEW)


@pytest.mark.parametrize(
    ("behaviour", "devices"),
    [
        (Behaviour.NO_BOOT, 40), (Behaviour.SILENT, 40), (Behaviour.CRASHES, 40), (Behaviour.CRASHES, 500),
        pytest.param(Behaviour.NO_BOOT, 3_000, marks=pytest.mark.lengthy),
    ],
)  # fmt: skip
def test_bad_bundle_is_taken_back_in_a_small_fleet(behaviour: Behaviour, devices: int) -> None:
    """What is passed over costs no protection: it meets no device beyond its share, and is never every device's."""
    world = World(devices, seed=5, behaves=all_devices(behaviour), policy=BundleRollout(), every=16 * HOUR)
    world.run(days=9)
    world.call_again(NEW)
    met = [device.id for device in world.fleet if NEW in device.met]
    assert ("taken back", 0) == (world.happened[-1], world.on(NEW))
    assert max(world.shares) <= 50.0
    assert all(cohort(device) < max(world.shares) * COHORTS / 100 for device in met)


def test_greater_shares_only_add_devices() -> None:
    """Each device that a smaller share meets belongs to every greater one, and keeps the bundle."""
    world = World(500, seed=3)
    service = world.service
    before: set[str] = set()
    for percent in (1.0, 5.0, 25.0, 24.0, 50.0, 100.0):
        candidate = Candidate(NEW, POLICY, None, "ann", 0.0, 0.0, percent=percent)
        service.follow(begun(Offering("prod", OLD), candidate, Told()).offer(NATIVES))
        for _ in range(2):
            service.now += HOUR
            for device in world.fleet:
                device.open(service.now)
        now_on = {device.id for device in world.fleet if device.running == NEW}
        assert before <= now_on
        before = now_on
    assert 500 == len(before)


def test_devices_have_the_cohort_of_the_router() -> None:
    """HAProxy's `xxh32,mod(10000)` of the header x-device-id, for ten thousand ids, by another's xxHash."""
    ids = [f"{number:08x}-d9cb-469f-a165-{number * 7919:012x}" for number in range(COHORTS)]
    assert [xxhash.xxh32_intdigest(id.encode()) % COHORTS for id in ids] == [cohort(id) for id in ids]


def test_older_shell_never_meets_a_bundle_for_newer_ones() -> None:
    """It keeps the one that it can run, whatever the share."""
    service = Service({OLD: "1.0.0.1", NEW: "2.0.0.5"})
    service.follow(Offering("prod", NEW, (BUILTIN, OLD)).offer({OLD: "1.0.0.1", NEW: "2.0.0.5"}))
    old, new = Device("old", service.ask), Device("new", service.ask, native=("2.0.0", "5"))
    for _ in range(4):
        service.now += HOUR
        old.open(service.now)
        new.open(service.now)
    assert ([OLD], [NEW]) == (old.met, new.met)


@pytest.mark.lengthy
def test_no_false_verdict_in_two_hundred_runs() -> None:
    """A bundle as good as stable: one start in two hundred meets an error, with both; one device in 500 boots neither.

    At two errors in a hundred starts and one device in a hundred that boots neither, 1 of 200 was taken back.
    """
    policy = BundleRollout(steps=(20.0, 50.0), guard=BundleGuard(min_devices=15))
    happened = []
    for seed in range(200):
        world = World(120, seed, all_devices(Behaviour.NO_BOOT, 0.002), errors=0.005, policy=policy)
        world.run(days=1.5)
        happened.append(world.happened)
    assert [] == [one for one in happened if "taken back" in one]
    assert 170 <= sum("promoted" in one for one in happened)
