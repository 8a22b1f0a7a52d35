"""What people do when a month is over: look, train where it drifts, approve and promote what the gate lets through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from shipway.core.errors import Refused
from shipway.replay.calendar import Calendar, Month, Stage
from shipway.replay.people import Answer, People, Tell

PAUSES = (1.5, 3.0, 6.0, 12.0, 24.0, 48.0)
"""Seconds before each look, until the monitor has all that was answered: a minute's captures come as one file."""
Save = Callable[[Calendar], None]


class MonthEnd:
    """The end of each month. A promotion runs beside the next month: its canary is judged by clients."""

    def __init__(self, people: People, calendar: Calendar, tell: Tell, save: Save, *, approves: bool) -> None:
        self._people = people
        self._calendar = calendar
        self._tell = tell
        self._save = save
        self._approves = approves
        self._promotion: asyncio.Task[None] | None = None

    async def carry_out(self, month: Month) -> None:
        """All that is left to do at its end, each step kept when it is done."""
        shared = self._promotion is not None
        await self.promoted()
        if not month.has("looked"):
            await self._look(month, whole=not shared)
            self._reached(month, "looked")
        if not month.has("trained"):
            if month.verdict == "drift":
                await self._train(month)
            self._reached(month, "trained")
        if month.version is not None and not month.has("over"):
            await self._approve(month)
        self._reached(month, "over")

    def take_up(self) -> None:
        """Follow the promotion that an interrupted replay left."""
        for month in self._calendar.months:
            if month.promotion is not None and month.promoted is None:
                self._promotion = asyncio.create_task(self._follow(month, month.promotion))

    async def promoted(self) -> None:
        """Wait for the promotion that runs, if one does. Raises ShipwayError where it could not be carried out."""
        if self._promotion is not None:
            await self._promotion
            self._promotion = None

    async def aclose(self) -> None:
        """End the commands that run."""
        self._people.end()
        if self._promotion is not None:
            await asyncio.wait([self._promotion])

    async def _look(self, month: Month, *, whole: bool) -> None:
        """Ask the monitor about the month. `whole`: one version answered all of it, so all is to be seen."""
        assert month.ended is not None
        found: Answer = {}
        for pause in PAUSES:
            await asyncio.sleep(pause)
            found = await asyncio.to_thread(self._people.look, month.began, month.ended - 0.001)
            # The first look that finds a drift starts the training, where shipway.yaml says so.
            month.training = month.training or found["training"]
            if not whole or (found["seen"]["rows"] >= month.labels and found["seen"]["labelled"] >= month.labels):
                break
        verdict, month.serving = found["verdict"], found["version"]
        month.verdict, month.reason = verdict["state"], verdict["reason"]
        month.causes = tuple(map(_violation, verdict["causes"]))
        month.noted = tuple(map(_violation, verdict["noted"]))
        seen = found["seen"]
        self._tell(f"  {month.verdict}: {month.reason} ({seen['rows']:,} rows, {seen['labelled']:,} with labels)")
        if month.noted:
            self._tell(f"  noted, triggers nothing: {'; '.join(month.noted[:3])}")
        if month.verdict == "drift" and month.training is None:
            why = found["no_training"] or "`retrain` is off"
            self._tell(f"  no training was started by itself ({why}); a person starts it")

    async def _train(self, month: Month) -> None:
        if month.training is None:
            why = f"{month.month} drifts: {month.reason}"
            month.training = await asyncio.to_thread(self._people.train, month.month, why[:300])
            self._save(self._calendar)
        found = await asyncio.to_thread(self._people.trained, month.training)
        training, run = found["training"], found["run"]
        decision = training["decision"]
        month.decision = decision["kind"] if decision else run["status"]
        month.decided = "; ".join(decision["reasons"]) if decision else run["reason"]
        month.version = training["version"]
        self._tell(f"  gate: {month.decision}: {month.decided}")

    async def _approve(self, month: Month) -> None:
        assert month.version is not None
        command = f"shipway model promote {month.version} --canary"
        if not self._approves:
            self._tell(f"  {month.version} waits for a person: {command}")
            return
        why = f"{month.month}: {month.decided}"[:300]
        try:
            await asyncio.to_thread(self._people.approve, month.version, why)
        except Refused as refusal:
            self._tell(f"  {month.version} was not approved: {refusal.what}")
            return
        if month.month == self._calendar.end:
            self._tell(f"  nobody asks any more, so nobody meets a canary: {command}")
            return
        try:
            month.promotion = await asyncio.to_thread(self._people.promote, month.version, why)
        except Refused as refusal:
            month.promoted = False
            self._tell(f"  promotion of {month.version}: {refusal.what}")
            return
        self._promotion = asyncio.create_task(self._follow(month, month.promotion))

    async def _follow(self, month: Month, run: str) -> None:
        month.promoted, how = await asyncio.to_thread(self._people.promoted, run)
        self._tell(f"  promotion of {month.version}: {how}")
        self._save(self._calendar)
        if month.promoted:
            await asyncio.to_thread(self._people.baseline)

    def _reached(self, month: Month, stage: Stage) -> None:
        month.stage = stage
        self._save(self._calendar)


def _violation(one: Answer) -> str:
    return f"{one['feature'] or 'the data'}: {one['description']}"
