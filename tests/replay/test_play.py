"""A calendar is played in order, and what people do at a month's end is done; an interrupted one goes on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from shipway.core.description.replay import Replay
from shipway.core.errors import Refused, ShipwayError
from shipway.replay import calendar as calendars
from shipway.replay import month_end, play
from shipway.replay.calendar import Calendar, Month
from shipway.replay.events import Event, MonthOver, Outcome, Records, Request, Upload
from shipway.replay.people import People
from shipway.replay.platform import Platform
from shipway.replay.play import Stage
from tests.replay.small_app import SmallApp, serving

ROUTES = Replay(ask="/guess", tell="/guesses/{id}/weight", id="key", prediction="heavy")
Json = dict[str, Any]
NEXT_SECOND = play.next_second


class PlatformDouble(Platform):
    """Keeps what was put, of each record the newest by `at`; the app knows it at once."""

    def __init__(self, app: SmallApp) -> None:
        self._app = app
        self.online: dict[tuple[str, str], int] = {}

    def put(self, group: str, records: Sequence[Mapping[str, Any]]) -> Sequence[str]:
        older = [one["id"] for one in records if one["at"] < self.online.get((group, one["id"]), 0)]
        for one in records:
            if one["id"] not in older:
                self.online[group, one["id"]] = one["at"]
                self._app.known[group] = one["at"]
        return older

    def forget(self, group: str, id: str) -> None:
        del self.online[group, id]


class PeopleDouble(People):
    """Do at once what is asked; `verdicts` and `decisions` are what they are told, by month in order."""

    def __init__(self, verdicts: Sequence[str], decisions: Sequence[str] = ()) -> None:
        self.done: list[tuple[Any, ...]] = []
        self._verdicts, self._decisions = list(verdicts), list(decisions)
        self.rows = [1000]
        self.training: str | None = None

    def look(self, since: float, until: float) -> Json:
        self.done.append(("look", since, until))
        rows = self.rows.pop(0) if len(self.rows) > 1 else self.rows[0]
        state = self._verdicts.pop(0) if rows == 1000 else "hold"
        found = {"state": state, "reason": "heavier", "causes": [], "noted": []}
        seen = {"rows": rows, "labelled": rows}
        return {"version": "v1.0", "verdict": found, "seen": seen, "training": self.training, "no_training": ""}

    def baseline(self) -> None:
        self.done.append(("baseline",))

    def train(self, month: str, why: str) -> str:
        self.done.append(("train", month))
        return "t1"

    def trained(self, run: str) -> Json:
        kind = self._decisions.pop(0)
        self.done.append(("trained", run, kind))
        decision = {"kind": kind, "reasons": ["by so much"]}
        training = {"decision": decision, "version": "v2.0" if kind == "promote" else None}
        return {"training": training, "run": {"status": "succeeded", "reason": ""}}

    def approve(self, version: str, why: str) -> None:
        self.done.append(("approve", version))

    def promote(self, version: str, why: str) -> str:
        self.done.append(("promote", version))
        return "p1"

    def promoted(self, run: str) -> tuple[bool, str]:
        self.done.append(("promoted", run))
        return True, "succeeded"

    def end(self) -> None:
        pass

    def names(self) -> list[str]:
        """What was done, in order."""
        return [done[0] for done in self.done]


class House:
    """Plays calendars against a small app."""

    def __init__(self, app: SmallApp, folder: Path, people: PeopleDouble) -> None:
        self.app, self.folder, self.people = app, folder, people
        self.platform = PlatformDouble(app)
        self.said: list[str] = []
        self.calendar = Calendar("prod", "2020-02", "2020-03", 1.0)
        self.approves = True

    def play(self, events: Sequence[Event]) -> None:
        """To the end, and keep the calendar."""
        files, bucket = self.folder / "files", self.folder / "bucket"
        files.mkdir(exist_ok=True)
        for month in ("2020-01", "2020-02", "2020-03"):
            (files / f"{month}.csv").write_text(month)

        async def told() -> AsyncIterator[Event]:
            for event in events:
                yield event

        async def run() -> None:
            stage = Stage(
                self.app.url, ROUTES, files, bucket, ("parcels",), self.approves, self.platform, self.people,
                self.said.append, lambda calendar: calendars.save(self.folder / "calendar.json", calendar),
            )  # fmt: skip
            await play.play(stage, self.calendar, told())

        asyncio.run(run())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has to be written before it can be looked at, and seconds are short."""
    seconds = iter(range(5000, 6000))

    async def next_second() -> float:
        return float(next(seconds))

    monkeypatch.setattr(month_end, "PAUSES", (0.0,) * 4)
    monkeypatch.setattr(play, "next_second", next_second)


@pytest.fixture
def app() -> Iterator[SmallApp]:
    """The app."""
    with serving() as app:
        yield app


def month(name: str, first: int, *, at: int) -> list[Event]:
    """Ten questions, five before and five after a record; all but the last have outcomes; then its data."""
    asked = [Request(str(n), "d", b'{"parcel":%d}' % n) for n in range(first, first + 10)]
    told = [Outcome(str(n), b'{"heavy":true}', n % 2) for n in range(first, first + 9)]
    records = [Records("scale", ({"id": "a", "at": moment},)) for moment in (at, at + 1)]
    data = [Upload(name, "parcels", f"{name}.csv"), MonthOver(name)]
    return [records[0], *asked[:5], *told[:3], records[1], *asked[5:], *told[3:], *data]


TWO = [Upload("2020-01", "parcels", "2020-01.csv"), *month("2020-02", 0, at=1), *month("2020-03", 100, at=3)]


def test_questions_are_answered_from_what_was_known(app: SmallApp, tmp_path: Path) -> None:
    """A record is there for the questions after it, and not for those before."""
    house = House(app, tmp_path, PeopleDouble(["quiet", "quiet"]))
    house.play(TWO)
    by_parcel = dict(zip((body["parcel"] for body in app.asked), app.seen, strict=True))
    expected = {first + n: at + n // 5 for first, at in ((0, 1), (100, 3)) for n in range(10)}
    assert expected == by_parcel


class HesitantPlatform(PlatformDouble):
    """Takes the first record after the second one, if both are put at once."""

    def __init__(self, app: SmallApp) -> None:
        super().__init__(app)
        self._second = threading.Event()

    def put(self, group: str, records: Sequence[Mapping[str, Any]]) -> Sequence[str]:
        if records[0]["at"] == 1:
            self._second.wait(0.2)
        older = super().put(group, records)
        if records[0]["at"] == 2:
            self._second.set()
        return older


def test_records_of_a_group_are_put_in_their_order(app: SmallApp, tmp_path: Path) -> None:
    """Also where no question stands between them: the newest is online, and none is forgotten."""
    house = House(app, tmp_path, PeopleDouble(["quiet"]))
    house.platform = HesitantPlatform(app)
    house.calendar = Calendar("prod", "2020-02", "2020-02", 1.0)
    records = [Records("scale", ({"id": "a", "at": at},)) for at in (1, 2)]
    house.play([*records, Request("1", "d", b'{"parcel":1}'), MonthOver("2020-02")])
    assert ([2], {("scale", "a"): 2}) == (app.seen, house.platform.online)
    assert not any("forgotten" in line for line in house.said)


def test_each_month_is_counted_and_looked_at_in_its_own_time(app: SmallApp, tmp_path: Path) -> None:
    """Its stretch of the clock, whole seconds that do not touch the next month's; its data came with its end."""
    house = House(app, tmp_path, PeopleDouble(["quiet", "quiet"]))
    house.play(TWO)
    february, march = house.calendar.months
    for one in (february, march):
        assert (10, 0, 9, 2, "quiet", "over") == (
            one.requests, one.failed, one.outcomes, one.records, one.verdict, one.stage,
        )  # fmt: skip
    assert february.ended is not None
    assert february.began < february.ended < march.began
    looks = [done for done in house.people.done if done[0] == "look"]
    assert [(february.began, february.ended - 0.001)] == [look[1:] for look in looks[:1]]
    assert ["2020-01", "2020-02", "2020-03"] == house.calendar.uploaded
    assert house.calendar.is_over
    assert house.calendar == calendars.load(tmp_path / "calendar.json")


def test_a_drift_leads_to_a_training_and_a_promotion_to_the_next_month(app: SmallApp, tmp_path: Path) -> None:
    """Somebody trains; what the gate lets through is approved and promoted while the next month is sent."""
    house = House(app, tmp_path, PeopleDouble(["drift", "drift"], ["promote", "no evidence"]))
    house.play(TWO)
    assert ["look", "train", "trained", "approve", "promote", "promoted", "baseline", "look", "train", "trained"] == (
        house.people.names()
    )
    assert [("v2.0", True, "promote"), (None, None, "no evidence")] == [
        (one.version, one.promoted, one.decision) for one in house.calendar.months
    ]


def test_a_training_that_the_drift_has_started_is_followed(app: SmallApp, tmp_path: Path) -> None:
    """Nobody starts a second one."""
    house = House(app, tmp_path, PeopleDouble(["drift", "quiet"], ["refuse"]))
    house.people.training = "t7"
    house.play(TWO)
    assert ["look", "trained", "look"] == house.people.names()
    assert "t7" == house.calendar.months[0].training


@pytest.mark.parametrize("approves", [False, True])
def test_nobody_promotes_unasked_or_without_clients(app: SmallApp, tmp_path: Path, approves: bool) -> None:
    """With --no-approve a version waits; after the last month a canary would meet nobody."""
    house = House(app, tmp_path, PeopleDouble(["drift"], ["promote"]))
    house.calendar = Calendar("prod", "2020-02", "2020-02", 1.0)
    house.approves = approves
    house.play(TWO[: len(TWO) // 2 + 1])
    assert (["approve"] if approves else []) == house.people.names()[3:]
    assert any("shipway model promote v2.0 --canary" in line for line in house.said)


def test_a_window_is_looked_at_until_all_of_it_is_there(app: SmallApp, tmp_path: Path) -> None:
    """Captures and labels are written a little later than they are answered."""
    house = House(app, tmp_path, PeopleDouble(["quiet", "quiet"]))
    house.people.rows = [0, 5, 1000]
    house.play(TWO)
    assert ["look"] * 4 == house.people.names()
    assert ["quiet", "quiet"] == [one.verdict for one in house.calendar.months]


def test_an_interrupted_replay_goes_on(app: SmallApp, tmp_path: Path) -> None:
    """A month that was sent is ended as it is due; one that was being sent is sent from its beginning."""
    house = House(app, tmp_path, PeopleDouble(["quiet"], ["no evidence"]))
    sent = Month("2020-02", 1000.0, 1001.0, "looked", requests=10, labels=9, verdict="drift")
    house.calendar.months = [sent]
    house.calendar.uploaded = ["2020-01", "2020-02"]
    assert "2020-03" == house.calendar.goes_on_at
    house.play([event for event in TWO if event not in month("2020-02", 0, at=1)])
    assert ["train", "trained", "look"] == house.people.names()
    assert ["over", "over"] == [one.stage for one in house.calendar.months]
    assert list(range(100, 110)) == sorted(body["parcel"] for body in app.asked)


def test_a_promotion_that_was_under_way_is_followed(app: SmallApp, tmp_path: Path) -> None:
    """Beside the month that begins anew: the version gets its baseline, and its row says that it serves."""
    house = House(app, tmp_path, PeopleDouble(["quiet"]))
    sent = Month("2020-02", 1000.0, 1001.0, "over", requests=10, labels=9, verdict="drift", version="v2.0")
    sent.promotion = "p7"
    house.calendar.months = [sent, Month("2020-03", 1002.0, requests=3)]
    house.calendar.uploaded = ["2020-01", "2020-02"]
    house.play([event for event in TWO if event not in month("2020-02", 0, at=1)])
    assert [("promoted", "p7"), ("baseline",)] == house.people.done[:2]
    assert [("v2.0", True), (None, None)] == [(one.version, one.promoted) for one in house.calendar.months]


def test_a_month_that_was_being_sent_begins_anew(app: SmallApp, tmp_path: Path) -> None:
    """With a stretch of the clock of its own: what was asked before the interruption is not in it."""
    house = House(app, tmp_path, PeopleDouble(["quiet", "quiet"]))
    house.calendar.months = [Month("2020-02", 1000.0, requests=3)]
    house.platform.online["scale", "a"] = 2
    house.play(TWO)
    assert [10, 10] == [one.requests for one in house.calendar.months]
    assert house.calendar.months[0].began > 1000.0
    assert any("scale a was of a later moment: forgotten" in line for line in house.said)


def test_a_bucket_that_knows_the_future_is_refused(app: SmallApp, tmp_path: Path) -> None:
    """Nothing is sent; what is to be removed is named. Months that an earlier replay brought are known."""
    house = House(app, tmp_path, PeopleDouble(["quiet", "quiet"]))
    (tmp_path / "bucket" / "parcels" / "2020-03").mkdir(parents=True)
    with pytest.raises(Refused) as raised:
        house.play(TWO)
    assert f"rm -r {tmp_path / 'bucket' / 'parcels' / '2020-03'}" == raised.value.fix
    assert [] == app.asked
    house.calendar.uploaded = ["2020-03"]
    house.play(TWO)
    assert house.calendar.is_over


def test_a_program_that_stops_early_is_told_of(app: SmallApp, tmp_path: Path) -> None:
    """Months that never ended are no success."""
    house = House(app, tmp_path, PeopleDouble(["quiet"]))
    with pytest.raises(ShipwayError, match="ended before 2020-03 was over"):
        house.play(TWO[: len(TWO) // 2 + 1])


def test_failures_are_shown_and_kept(app: SmallApp, tmp_path: Path) -> None:
    """With the month, and an example."""
    app.fails = [{"parcel": 4}]
    house = House(app, tmp_path, PeopleDouble(["quiet", "quiet"]))
    house.play(TWO)
    assert [1, 0] == [one.failed for one in house.calendar.months]
    assert any(line.startswith("  ✘ /guess answered 500") for line in house.said)


def test_seconds_are_whole_and_have_come() -> None:
    """Captures have whole seconds: one that has not come could still get a question of the month before."""
    before = time.time()
    second = asyncio.run(NEXT_SECOND())
    assert before < second == int(second) <= time.time()
