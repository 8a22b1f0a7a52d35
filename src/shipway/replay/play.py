"""Plays a calendar: what was asked, known and became true in a month, then what people do at its end; the next month.

The app knows nothing of it: it is asked as clients ask, and told as they tell. A month's questions lie between two
moments of the clock, which the calendar keeps; the monitor is asked about that window.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from shipway.core.description.replay import Replay
from shipway.core.errors import Refused, ShipwayError
from shipway.replay import bucket
from shipway.replay.calendar import Calendar, Month
from shipway.replay.events import Event, MonthOver, Outcome, Records, Request, Upload
from shipway.replay.figures import figures
from shipway.replay.month_end import MonthEnd
from shipway.replay.people import People, Tell
from shipway.replay.platform import Platform
from shipway.replay.sender import Sender

PROGRESS = 10.0
"""Seconds from one line of progress to the next."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a replay plays. `files` is the folder that the app's program writes into, `data` the training's bucket.

    `tables` are the training's. `approves`: versions that the gate lets through are approved and promoted.
    """

    url: str
    routes: Replay
    files: Path
    data: Path
    tables: Sequence[str]
    approves: bool
    platform: Platform
    people: People
    tell: Tell
    save: Callable[[Calendar], None]


async def play(stage: Stage, calendar: Calendar, events: AsyncIterator[Event]) -> None:
    """Play what is left of the calendar from the program's events. Raises ShipwayError when it cannot go on."""
    async with Sender(stage.url, stage.routes) as sender, aclosing(Player(stage, calendar, sender)) as player:
        await player.take_up()
        if not calendar.is_over:
            async for event in events:
                await player.play(event)
        await player.finish()


class Player:
    """Takes events one after the other."""

    def __init__(self, stage: Stage, calendar: Calendar, sender: Sender) -> None:
        self._stage = stage
        self._calendar = calendar
        self._sender = sender
        self._month_end = MonthEnd(stage.people, calendar, stage.tell, stage.save, approves=stage.approves)
        self._forgotten: set[tuple[str, str]] = set()
        self._records = 0
        self._puts: list[asyncio.Task[None]] = []
        self._in_order: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._told = time.monotonic()
        _refuse_data_of_the_future(stage, calendar)

    async def take_up(self) -> None:
        """Do what an interrupted replay left: a promotion is followed, a month that was sent ended, another one sent anew."""
        months = self._calendar.months
        self._month_end.take_up()
        if months and months[-1].stage == "sending":
            months.pop()
        elif months:
            await self._month_end.carry_out(months[-1])

    async def play(self, event: Event) -> None:
        """Carry one event out, in its order."""
        match event:
            case Request():
                await self._known()
                await self._month()
                await self._sender.ask(event)
                self._progress(event.at)
            case Outcome():
                await self._sender.tell(event)
            case Records():
                if not self._puts:
                    # Questions that came before are answered from what was known before.
                    await self._sender.answered()
                self._puts.append(asyncio.create_task(self._put_in_order(event)))
            case Upload():
                self._upload(event)
            case MonthOver():
                await self._known()
                await self._end(event.month)

    async def finish(self) -> None:
        """The program has told all: the last promotion is waited for. Raises ShipwayError where months are missing."""
        await self._month_end.promoted()
        if not self._calendar.is_over:
            raise ShipwayError(
                f"the replay's program ended before {self._calendar.end} was over",
                fix="correct the program: it tells `month` at the end of each",
            )

    async def aclose(self) -> None:
        """End the commands that run beside it."""
        await self._month_end.aclose()

    async def _month(self) -> Month:
        """The month that is being sent; it begins at a new second, as captures have whole ones."""
        months = self._calendar.months
        if not months or months[-1].stage != "sending":
            months.append(Month(self._calendar.goes_on_at, await next_second()))
            self._stage.save(self._calendar)
            self._stage.tell(f"{months[-1].month}")
        return months[-1]

    async def _known(self) -> None:
        """What was put last is there. Raises what putting raised."""
        if self._puts:
            puts, self._puts = self._puts, []
            await asyncio.gather(*puts)

    async def _put_in_order(self, event: Records) -> None:
        """Groups beside one another, each one's records one after the other: a later one would make an earlier one older."""
        async with self._in_order[event.group]:
            await self._put(event)

    async def _put(self, event: Records) -> None:
        older = await asyncio.to_thread(self._stage.platform.put, event.group, event.records)
        first = [id for id in older if (event.group, id) not in self._forgotten]
        if first:
            # What an earlier replay left is of a later moment of the calendar.
            for id in first:
                await asyncio.to_thread(self._stage.platform.forget, event.group, id)
                self._stage.tell(f"  · {event.group} {id} was of a later moment: forgotten")
            older = await asyncio.to_thread(self._stage.platform.put, event.group, event.records)
        if older:
            raise Refused(
                f"{event.at}: {event.group} {older[0]} is older than what is online: somebody else puts records",
                fix="stop whoever does, then go on: shipway replay",
            )
        self._records += len(event.records)
        self._forgotten.update((event.group, id) for id in first)

    def _upload(self, event: Upload) -> None:
        if bucket.upload(self._stage.data, self._stage.files, event) and event.month not in self._calendar.uploaded:
            self._calendar.uploaded.append(event.month)
            self._stage.save(self._calendar)

    async def _end(self, name: str) -> None:
        month = await self._month()
        if month.month != name:
            raise ShipwayError(
                f"the replay's program told that {name} is over; {month.month} is being played",
                fix="correct the program: months come in order, each with requests",
            )
        await self._sender.settled()
        counts = self._sender.begin_month()
        found = figures(counts.scored)
        month.ended = await next_second()
        month.requests, month.failed, month.outcomes = counts.requests, counts.failed, counts.outcomes
        month.records, month.labels = self._records, found.labels
        self._records = 0
        month.auc, month.brier, month.predicted, month.positive = (
            found.auc,
            found.brier,
            found.predicted,
            found.positive,
        )
        month.stage = "sent"
        self._stage.save(self._calendar)
        took = month.ended - month.began
        self._stage.tell(
            f"  ✔ {counts.requests:,} requests, {counts.failed:,} failed, {counts.outcomes:,} outcomes, "
            f"{month.records:,} records in {took:.0f} s ({(counts.requests + counts.outcomes) / took:.0f}/s)"
        )
        for example in counts.examples:
            self._stage.tell(f"  ✘ {example}")
        await self._month_end.carry_out(month)

    def _progress(self, at: str) -> None:
        now = time.monotonic()
        if now - self._told > PROGRESS:
            self._told = now
            counts = self._sender.counts
            self._stage.tell(f"  · {at}: {counts.requests:,} requests, {counts.failed:,} failed")


def _refuse_data_of_the_future(stage: Stage, calendar: Calendar) -> None:
    """Raises Refused where the bucket has months that are yet to come: trainings would know them."""
    there = bucket.months_of(stage.data, stage.tables)
    ahead = [month for month in there if month >= calendar.goes_on_at and month not in calendar.uploaded]
    if ahead:
        folders = " ".join(str(stage.data / table / month) for month in ahead for table in stage.tables)
        raise Refused(
            f"the training's data already has {ahead[0]} to {ahead[-1]}, which the replay brings: it would be known "
            "before it happened",
            fix=f"rm -r {folders}",
            state="nothing was played",
        )


async def next_second() -> float:
    """The next whole second of the clock, once it has come."""
    second = math.floor(time.time()) + 1
    while (left := second - time.time()) > 0:
        await asyncio.sleep(left)
    return float(second)
