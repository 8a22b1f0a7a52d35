"""Counters turned into the last minutes: of the release that serves, over reloads, in bounded memory."""

from __future__ import annotations

from shipway.core.errors import ShipwayError
from shipway.core.observations.observation import Side
from shipway.core.verdicts.lately import Lately, SeenLately
from shipway.local.router.meter import SPAN, Meter
from shipway.local.router.router import Count, Counters


class FakeRouter:
    """Counts what a test says, at the time it says."""

    def __init__(self) -> None:
        self.now = 0.0
        self.epoch = "1"
        self.count = Count(1000, 500)
        self.release = "r1"
        self.away = False

    def counters(self, _: str) -> Counters:
        if self.away:
            raise ShipwayError("no HAProxy answers")
        return Counters(self.epoch, {("blue", "web"): self.count}, {"blue": self.release})

    def latencies(self, _: str, side: Side, since: float) -> tuple[float, ...]:
        return (since,) if side == "blue" else ()

    def worst(self, _: str, side: Side) -> str:
        return "/api/x 500" if side == "blue" else ""


def meter_of(router: FakeRouter) -> Meter:
    meter = Meter(router, lambda: router.now)  # type: ignore[arg-type]
    meter.look("prod")
    return meter


def seen(meter: Meter, release: str = "r1") -> Lately:
    return meter.seen("prod", "blue", release, "web")


def test_only_what_came_since_is_told() -> None:
    """What a worker counted before the first look, and what is older than five minutes, is not in it."""
    router = FakeRouter()
    meter = meter_of(router)
    router.now, router.count = 20, Count(1150, 650)
    meter.look("prod")
    assert Lately(20, 150, 150) == seen(meter)
    router.now, router.count = 250, Count(1250, 650)
    meter.look("prod")
    assert Lately(250, 250, 150) == seen(meter)
    router.now = 330
    meter.look("prod")
    assert Lately(SPAN, 100, 0) == seen(meter)
    assert SeenLately({"web": Lately(SPAN, 100, 0)}, (30,), "/api/x 500") == meter.lately("prod", "blue", "r1", ["web"])


def test_a_reload_of_the_router_loses_no_count() -> None:
    """A new worker counts from zero; what the old one told stays."""
    router = FakeRouter()
    meter = meter_of(router)
    router.now, router.count = 20, Count(1100, 500)
    meter.look("prod")
    router.now, router.epoch, router.count = 40, "2", Count(30, 3)
    meter.look("prod")
    assert Lately(40, 130, 3) == seen(meter)


def test_failures_of_the_release_before_are_not_told_of_the_next_one() -> None:
    """The same side serves one release after the other."""
    router = FakeRouter()
    meter = meter_of(router)
    router.now, router.count, router.release = 5, Count(1100, 600), "r2"
    meter.look("prod")
    router.now, router.count = 8, Count(1120, 600)
    meter.look("prod")
    assert [Lately(8, 100, 100), Lately(8, 20, 0)] == [seen(meter, "r1"), seen(meter, "r2")]


def test_many_looks_are_kept_as_few() -> None:
    """Whoever asks for the status ten times a second costs no memory."""
    router = FakeRouter()
    meter = meter_of(router)
    for tick in range(4000):
        router.now, router.count = tick / 10, Count(1000 + tick, 500)
        meter.look("prod")
    assert len(meter._kept["prod"].gained) <= SPAN / 10 + 1
    assert 2990 <= seen(meter).requests <= 3000


def test_without_a_router_the_last_minutes_are_what_is_known() -> None:
    """A router that is away, and an environment that nobody looked at yet, are no error."""
    router = FakeRouter()
    meter = meter_of(router)
    router.away, router.now = True, 10
    meter.look("prod")
    assert [Lately(10), Lately(0)] == [seen(meter), meter.seen("dev", "blue", "r1", "web")]
