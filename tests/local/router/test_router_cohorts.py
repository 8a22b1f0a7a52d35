"""Who goes to the candidate."""

from __future__ import annotations

import http.client

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from router_harness import DEADLINE, Task, ask, ask_on

from shipway.core.contract.cohorts import is_within
from shipway.core.errors import UsageError
from shipway.core.observations.observation import Side, other
from shipway.local.router import Router

WEIGHTS = st.integers(0, 10_000)
SIDES_DRAWN = st.sampled_from(["blue", "green"])
DEVICES = [f"device-{number}" for number in range(40)]
USUAL = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _sides(port: int) -> dict[str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        return {d: ask_on(connection, headers={"x-device-id": d}).headers["x-shipway-side"] for d in DEVICES}
    finally:
        connection.close()


@USUAL
@given(candidate=SIDES_DRAWN, weights=st.tuples(WEIGHTS, WEIGHTS))
def test_raising_the_weight_only_adds_devices(
    router: Router, both: dict[Side, Task], port: int, candidate: Side, weights: tuple[int, int]
) -> None:
    """Devices on the candidate at a weight are on it at every higher weight, too."""
    chosen: list[set[str]] = []
    for weight in sorted(weights):
        router.shift("prod", candidate, weight)
        chosen.append({device for device, side in _sides(port).items() if side == candidate})
    assert chosen[0] <= chosen[1]


@USUAL
@given(candidate=SIDES_DRAWN)
def test_extremes_leave_nobody(router: Router, both: dict[Side, Task], port: int, candidate: Side) -> None:
    """Weight 0 sends everyone to the other side, 10,000 everyone to the candidate."""
    router.shift("prod", candidate, 0)
    assert {other(candidate)} == set(_sides(port).values())
    router.shift("prod", candidate, 10_000)
    assert {candidate} == set(_sides(port).values())


@pytest.mark.parametrize("devices", [300, pytest.param(10_000, marks=pytest.mark.lengthy)])
def test_router_and_bundles_know_the_same_cohorts(
    router: Router, both: dict[Side, Task], port: int, devices: int
) -> None:
    """A device meets the candidate's API at the share at which it is offered the candidate's bundle."""
    router.shift("prod", "green", 2_500)
    ids = [f"{'device-' * (n % 4)}{n:x}" for n in range(devices)]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    met = {id for id in ids if ask_on(connection, headers={"x-device-id": id}).headers["x-shipway-side"] == "green"}
    connection.close()
    assert {id for id in ids if is_within(id, 25)} == met


def test_device_stays_on_its_side(router: Router, both: dict[Side, Task], port: int) -> None:
    """The same device meets the same side, on any connection."""
    router.shift("prod", "green", 5_000)
    first = _sides(port)
    assert {"blue", "green"} == set(first.values())
    assert first == _sides(port)


def test_without_device_the_draw_is_proportional(router: Router, both: dict[Side, Task], port: int) -> None:
    """Requests without a device id are drawn one by one."""
    router.shift("prod", "green", 5_000)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    sides = [ask_on(connection).headers["x-shipway-side"] for _ in range(400)]
    connection.close()
    assert 120 < sides.count("green") < 280  # eight standard deviations


def test_open_connections_follow_at_once(router: Router, both: dict[Side, Task], port: int) -> None:
    """A shift holds for the next request of a connection that was open before."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    seen: list[str] = []
    for side in ("green", "blue", "green"):
        router.shift("prod", side, 10_000)
        seen.append(ask_on(connection).json["task"])
    connection.close()
    assert ["green", "blue", "green"] == seen


def test_split_is_read_back(router: Router) -> None:
    """The split is all of blue at first, then what was last asked for."""
    assert ("blue", 10_000) == router.split("prod")
    router.shift("prod", "green", 500)
    assert ("green", 500) == router.split("prod")


@pytest.mark.parametrize("weight", [-1, 10_001])
def test_impossible_weights_are_refused(router: Router, port: int, weight: int) -> None:
    """A weight outside 0 to 10,000 changes nothing."""
    with pytest.raises(UsageError, match="0 to 10000"):
        router.shift("prod", "green", weight)
    assert ("blue", 10_000) == router.split("prod")
    assert 503 == ask(port).status
